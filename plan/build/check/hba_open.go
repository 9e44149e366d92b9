package check

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan/build/draft"
)

// Rules that replication needs stand above those of the site. One that takes a part of
// what a reject rule there would, opens that part: with sslmode = "prefer" they are of
// type host, and a site that rejects hostnossl gets connections without TLS.

// warnOpened reports such rules. One that takes all of a rule shadows it, which is reported;
// and a rule that rejects all of one is the reason for which that stands above it.
func warnOpened(s *cluster.Cluster, out *draft.Findings) {
	var faults []*paramFault
	for _, n := range s.Cluster.Members() {
		if !s.Running(n) || s.Recloned(n) {
			continue
		}
		for _, ours := range s.OurRules(n) {
			if ours.Range.Filename != "" {
				continue // the topology's own
			}
			if theirs := opened(ours, s.TheirRules(n)); theirs != nil {
				faults = addFault(faults, n.Name, &paramFault{
					at: ruleRange(s, ours), summary: "Derived rule precedes a reject rule",
					text: fmt.Sprintf("%s:%d\n"+
						"  %s\n"+
						"rejects connections that this rule of repltool's block (required for replication) accepts, because it is "+
						"above that rule\n"+
						"  %s\n"+
						"To accept them with TLS only, set sslmode = \"require\" in replication, or in the connection of the "+
						"subscription: the rule then has type hostssl.",
						theirs.Path, theirs.Line, cluster.HBALine(shown(*theirs)), cluster.HBALine(shown(ours))),
				})
			}
		}
	}
	for _, f := range faults {
		out.Warn(f.at, f.summary, "%s: %s", strings.Join(f.nodes, ", "), f.text)
	}
}

// opened returns the first reject rule of which ours takes a part; nil where a rule above
// it lets in all that ours does.
func opened(ours cluster.PlacedRule, theirs []cluster.PlacedRule) *cluster.PlacedRule {
	for i := range theirs {
		r := &theirs[i]
		switch {
		case ours.Method == "reject" || cluster.Covers(r.HBARule, ours.HBARule):
			return nil
		case r.Method == "reject" && cluster.Meets(r.HBARule, ours.HBARule) && !cluster.Covers(ours.HBARule, r.HBARule):
			return r
		}
	}
	return nil
}
