package plan

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// Which rule of pg_hba.conf a connection meets first, as check_hba of the server
// finds it (PostgreSQL docs, 21.1 "The pg_hba.conf File").

// placedRule is a rule and where it stands.
type placedRule struct {
	topology.HBARule
	ours bool
	path string // of theirs
	line int
}

// rulesOutside computes theirRules. The main file's words tell what the server's view
// does not: that a name was quoted.
func (s *scope) rulesOutside(n *topology.Node) []placedRule {
	f := s.found(n)
	if f.Server == nil || f.Host == nil {
		return nil
	}
	block := s.hbaBlock(f.Host)
	written := map[int]conftext.HBARule{}
	for _, l := range conftext.ParseHBA(f.Host.HBA.Text) {
		if r, err := l.Rule(); err == nil {
			written[l.Line] = r
		}
	}
	var rules []placedRule
	for _, r := range f.Server.HBA {
		main := r.File == "" || r.File == f.Host.HBA.Path
		if r.Error != "" || main && block.has(r.Line) {
			continue
		}
		p := placedRule{HBARule: r.HBARule, path: f.Host.HBA.Path, line: r.Line}
		if !main {
			p.path = r.File
		} else if w, ok := written[r.Line]; ok && w.Type == r.Type && !namesFile(w) {
			p.Database, p.User = w.Database, w.User
		}
		rules = append(rules, p)
	}
	return rules
}

// namesFile tells of a rule whose names are in another file, which the server read.
func namesFile(r conftext.HBARule) bool {
	return slices.ContainsFunc(slices.Concat(r.Database, r.User), func(w string) bool { return strings.HasPrefix(w, "@") })
}

// placedFirst are rules of the block, which is first in the file.
func placedFirst(rules []topology.HBARule) []placedRule {
	placed := make([]placedRule, len(rules))
	for i, r := range rules {
		placed[i] = placedRule{HBARule: r, ours: true}
	}
	return placed
}

// login is somebody who connects.
type login struct {
	address     netip.Addr // not valid: the Unix socket
	database    string
	replication bool // physical
	user        string
	roles       []string // that the user is a member of, itself among them
	major       int
}

// answer is yes, no, or that it cannot be told from here.
type answer int

const (
	no answer = iota
	yes
	maybe
)

// first answers the first rule that takes the login; certain is false where an
// earlier one might. nil: none does.
func first(rules []placedRule, l login) (r *placedRule, certain bool) {
	for i := range rules {
		switch rules[i].takes(l) {
		case yes:
			return &rules[i], true
		case maybe:
			return &rules[i], false
		}
	}
	return nil, true
}

func (r placedRule) takes(l login) answer {
	return both(both(r.takesType(l), r.takesAddress(l)), both(r.takesDatabase(l), r.takesUser(l)))
}

func both(a, b answer) answer {
	switch {
	case a == no || b == no:
		return no
	case a == maybe || b == maybe:
		return maybe
	}
	return yes
}

func either(words []string, is func(string) answer) answer {
	result := no
	for _, w := range words {
		switch is(w) {
		case yes:
			return yes
		case maybe:
			result = maybe
		}
	}
	return result
}

func truth(b bool) answer {
	if b {
		return yes
	}
	return no
}

func (r placedRule) takesType(l login) answer {
	switch {
	case !l.address.IsValid():
		return truth(r.Type == "local")
	case r.Type == "local":
		return no
	case r.Type == "host":
		return yes
	}
	return maybe // whether it is encrypted is not known
}

func (r placedRule) takesAddress(l login) answer {
	if !l.address.IsValid() || r.Address == "all" {
		return yes
	}
	if p, err := netip.ParsePrefix(r.Address); err == nil {
		return truth(p.Contains(l.address))
	}
	return maybe // a name, or the networks of the server
}

func (r placedRule) takesDatabase(l login) answer {
	return either(r.Database, func(w string) answer {
		switch {
		case l.replication || w == "replication":
			return truth(l.replication && w == "replication")
		case w == "all":
			return yes
		case w == "sameuser":
			return truth(l.database == l.user)
		case w == "samerole", w == "samegroup":
			return truth(slices.Contains(l.roles, l.database))
		}
		return isName(w, l.database, l.major)
	})
}

func (r placedRule) takesUser(l login) answer {
	return either(r.User, func(w string) answer {
		switch {
		case w == "all":
			return yes
		case strings.HasPrefix(w, "+"):
			return truth(slices.Contains(l.roles, unquoteHBA(w[1:])))
		}
		return isName(w, l.user, l.major)
	})
}

// isName compares a word with a name. From PostgreSQL 16 on it may be a regular
// expression.
func isName(word, name string, major int) answer {
	switch {
	case strings.HasPrefix(word, "@"):
		return maybe
	case strings.HasPrefix(word, "/") && major >= 16:
		re, err := regexp.Compile(word[1:])
		if err != nil {
			return maybe // Go's are not quite PostgreSQL's
		}
		return truth(re.MatchString(name))
	}
	return truth(unquoteHBA(word) == name)
}

// unquoteHBA answers the name that a word in quotes stands for.
func unquoteHBA(word string) string {
	if len(word) >= 2 && strings.HasPrefix(word, `"`) && strings.HasSuffix(word, `"`) {
		return strings.ReplaceAll(word[1:len(word)-1], `""`, `"`)
	}
	return word
}

// rolesOf answers a role and all that it is a member of.
func rolesOf(server *facts.Server, name string) []string {
	all := []string{name}
	for i := 0; server != nil && i < len(all); i++ {
		for _, r := range server.Roles {
			for _, m := range r.MemberOf {
				if r.Name == all[i] && !slices.Contains(all, m) {
					all = append(all, m)
				}
			}
		}
	}
	return all
}
