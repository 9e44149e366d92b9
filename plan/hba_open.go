package plan

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/topology"
)

// Rules that replication needs stand above those of the site. One that takes a part of
// what a reject rule there would, opens that part: with sslmode = "prefer" they are of
// type host, and a site that rejects hostnossl gets connections without TLS.

// warnOpened tells of such rules. One that takes all of a rule shadows it, which is told;
// and a rule that rejects all of one is the reason for which that stands above it.
func (s *scope) warnOpened(out *findings) {
	var faults []*paramFault
	for _, n := range s.cluster.Members() {
		if !s.running(n) || s.recloned(n) {
			continue
		}
		for _, ours := range s.ourRules(n) {
			if ours.Range.Filename != "" {
				continue // the topology's own
			}
			if theirs := opened(ours, s.theirRules(n)); theirs != nil {
				faults = addFault(faults, n.Name, &paramFault{
					at: s.ruleRange(ours), summary: "Derived rule precedes a reject rule",
					text: fmt.Sprintf("%s:%d\n  %s\nrejects connections that this rule of repltool's block (which replication needs) accepts, since it stands above it\n  %s\n"+
						"To accept them with TLS only, set sslmode = \"require\" in replication, or in the connection of the subscription: the rule is of type hostssl then.",
						theirs.path, theirs.line, hbaLine(theirs.shown()), hbaLine(ours.shown())),
				})
			}
		}
	}
	for _, f := range faults {
		out.warn(f.at, f.summary, "%s: %s", strings.Join(f.nodes, ", "), f.text)
	}
}

// opened answers the first reject rule of which ours takes a part; nil where a rule above
// it lets in all that ours does.
func opened(ours placedRule, theirs []placedRule) *placedRule {
	for i := range theirs {
		r := &theirs[i]
		switch {
		case ours.Method == "reject" || shadows(r.HBARule, ours.HBARule):
			return nil
		case r.Method == "reject" && meets(r.HBARule, ours.HBARule) && !shadows(ours.HBARule, r.HBARule):
			return r
		}
	}
	return nil
}

// meets tells whether a takes, of some type of connection, what b does.
func meets(a, b topology.HBARule) bool {
	return (typeCovers(a.Type, b.Type) || typeCovers(b.Type, a.Type)) && a.Type != "local" && b.Type != "local" &&
		nameCovers(a.Database, b.Database, true) && nameCovers(a.User, b.User, false) && addressCovers(a, b)
}
