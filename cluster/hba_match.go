package cluster

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

// PlacedRule is a rule and where it stands.
type PlacedRule struct {
	topology.HBARule
	Ours bool
	Path string // of theirs
	Line int
}

// rulesOutside computes TheirRules. The main file's words say what the server's view
// does not: that a name was quoted.
func (s *Cluster) rulesOutside(n *topology.Node) []PlacedRule {
	f := s.Found(n)
	if f.Server == nil || f.Host == nil {
		return nil
	}
	block := s.HBABlock(f.Host)
	written := map[int]conftext.HBARule{}
	for _, l := range conftext.ParseHBA(f.Host.HBA.Text) {
		if r, err := l.Rule(); err == nil {
			written[l.Line] = r
		}
	}
	var rules []PlacedRule
	for _, r := range f.Server.HBA {
		main := r.File == "" || r.File == f.Host.HBA.Path
		if r.Error != "" || main && block.Has(r.Line) {
			continue
		}
		p := PlacedRule{HBARule: r.HBARule, Path: f.Host.HBA.Path, Line: r.Line}
		if !main {
			p.Path = r.File
		} else if w, ok := written[r.Line]; ok && w.Type == r.Type && !namesFile(w) {
			p.Database, p.User = w.Database, w.User
		}
		rules = append(rules, p)
	}
	return rules
}

// namesFile recognizes a rule whose names are in another file, which the server read.
func namesFile(r conftext.HBARule) bool {
	return slices.ContainsFunc(slices.Concat(r.Database, r.User), func(w string) bool { return strings.HasPrefix(w, "@") })
}

// placedFirst are rules of the block, which is first in the file.
func placedFirst(rules []topology.HBARule) []PlacedRule {
	placed := make([]PlacedRule, len(rules))
	for i, r := range rules {
		placed[i] = PlacedRule{HBARule: r, Ours: true}
	}
	return placed
}

// Login is someone who connects.
type Login struct {
	Address     netip.Addr // not valid: the Unix socket
	Database    string
	Replication bool // physical
	User        string
	Roles       []string // that the user is a member of, itself among them
	Major       int
}

// answer is yes, no, or that it cannot be known from here.
type answer int

const (
	no answer = iota
	yes
	maybe
)

// First returns the first rule that takes the login; certain is false where an
// earlier one might. nil: none does.
func First(rules []PlacedRule, l Login) (r *PlacedRule, certain bool) {
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

func (r PlacedRule) takes(l Login) answer {
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

func (r PlacedRule) takesType(l Login) answer {
	switch {
	case !l.Address.IsValid():
		return truth(r.Type == "local")
	case r.Type == "local":
		return no
	case r.Type == "host":
		return yes
	}
	return maybe // whether it is encrypted is not known
}

func (r PlacedRule) takesAddress(l Login) answer {
	if !l.Address.IsValid() || r.Address == "all" {
		return yes
	}
	if p, err := netip.ParsePrefix(r.Address); err == nil {
		return truth(p.Contains(l.Address))
	}
	return maybe // a name, or the networks of the server
}

func (r PlacedRule) takesDatabase(l Login) answer {
	return either(r.Database, func(w string) answer {
		switch {
		case l.Replication || w == "replication":
			return truth(l.Replication && w == "replication")
		case w == "all":
			return yes
		case w == "sameuser":
			return truth(l.Database == l.User)
		case w == "samerole", w == "samegroup":
			return truth(slices.Contains(l.Roles, l.Database))
		}
		return isName(w, l.Database, l.Major)
	})
}

func (r PlacedRule) takesUser(l Login) answer {
	return either(r.User, func(w string) answer {
		switch {
		case w == "all":
			return yes
		case strings.HasPrefix(w, "+"):
			return truth(slices.Contains(l.Roles, unquoteHBA(w[1:])))
		}
		return isName(w, l.User, l.Major)
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

// unquoteHBA returns the name that a word in quotes stands for.
func unquoteHBA(word string) string {
	if len(word) >= 2 && strings.HasPrefix(word, `"`) && strings.HasSuffix(word, `"`) {
		return strings.ReplaceAll(word[1:len(word)-1], `""`, `"`)
	}
	return word
}

// RolesOf returns a role and all that it is a member of.
func RolesOf(server *facts.Server, name string) []string {
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

func (s *Cluster) TheirRules(n *topology.Node) []PlacedRule {
	return compute(s, "theirs", n, func() []PlacedRule { return slices.Clip(s.rulesOutside(n)) })
}
