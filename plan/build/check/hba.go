package check

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What is wrong with rules of pg_hba.conf beside one another: one that stands above
// another and takes its connections, and one that would keep out repltool itself or
// a standby that runs.

// CheckRuleOrder warns where pg_hba.conf, read as a whole, does not do what the rules say.
func CheckRuleOrder(s *cluster.Cluster, out *draft.Findings) {
	warnShadowed(s, out)
	warnOpened(s, out)
}

// warnShadowed reports rules that never match, since a rule of the block above them
// takes all that they would: rules of the user's, and rules of the topology.
func warnShadowed(s *cluster.Cluster, out *draft.Findings) {
	var faults []*paramFault
	for _, n := range s.Cluster.Members() {
		if !s.Running(n) || s.Recloned(n) {
			continue
		}
		for _, theirs := range s.TheirRules(n) {
			if ours := above(s.OurRules(n), theirs.HBARule); ours != nil {
				faults = addFault(faults, n.Name, &paramFault{
					at: ruleRange(s, *ours), summary: "Shadowed rule",
					text: fmt.Sprintf("%s:%d\n  %s\nnever matches: this rule of repltool's block%s is above it and matches the same connections\n  %s",
						theirs.Path, theirs.Line, cluster.HBALine(shown(theirs)), rulePlace(*ours), cluster.HBALine(shown(*ours))),
				})
			}
		}
	}
	for i, r := range s.Cluster.HBA {
		if over := aboveOwn(s.OurRules(s.Goal.Primary), i, len(s.Cluster.HBA)); over != nil {
			out.Warn(r.Range, "Shadowed rule", "This rule\n  %s\nnever matches: the one above it%s matches the same connections\n  %s",
				cluster.HBALine(shown(cluster.PlacedRule{HBARule: r})), rulePlace(*over), cluster.HBALine(shown(*over)))
		}
	}
	for _, f := range faults {
		out.Warn(f.at, f.summary, "%s: %s", strings.Join(f.nodes, ", "), f.text)
	}
}

// addFault notes a fault of one node; one that several have is reported once.
func addFault(faults []*paramFault, node string, fault *paramFault) []*paramFault {
	i := slices.IndexFunc(faults, func(f *paramFault) bool {
		return f.at == fault.at && f.summary == fault.summary && f.text == fault.text
	})
	if i < 0 {
		faults = append(faults, fault)
		i = len(faults) - 1
	}
	faults[i].nodes = append(faults[i].nodes, node)
	return faults
}

// above returns the first of the rules that takes all that r would, and decides
// otherwise.
func above(rules []cluster.PlacedRule, r topology.HBARule) *cluster.PlacedRule {
	for i := range rules {
		if cluster.Covers(rules[i].HBARule, r) {
			if rules[i].Method == r.Method {
				return nil
			}
			return &rules[i]
		}
	}
	return nil
}

// aboveOwn does the same for rule i of the topology's own, the last of all.
func aboveOwn(all []cluster.PlacedRule, i, own int) *cluster.PlacedRule {
	at := len(all) - own + i
	return above(all[:at], all[at].HBARule)
}

// shown is the rule without its options: some of those are secrets.
func shown(r cluster.PlacedRule) topology.HBARule {
	rule := r.HBARule
	rule.Options = nil
	return rule
}

// ruleRange is where a rule of the block comes from: its own block in the topology,
// or the replication block.
func ruleRange(s *cluster.Cluster, r cluster.PlacedRule) hcl.Range {
	for _, at := range []hcl.Range{r.Range, s.Cluster.Replication.Range} {
		if at.Filename != "" {
			return at
		}
	}
	return s.Cluster.Range
}

func rulePlace(r cluster.PlacedRule) string {
	if r.Range.Filename == "" {
		return " (which replication needs)"
	}
	return fmt.Sprintf(" (%s:%d)", path.Base(r.Range.Filename), r.Range.Start.Line)
}

// refuseLockout is an error where the new rules would keep repltool itself out: it
// logs in over the Unix socket as the OS user.
func refuseLockout(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	if n.SQL != nil || f.Host == nil || brokenRules(f.Server) {
		return
	}
	us := cluster.Login{Database: pg.Maintenance, User: f.Host.OSUser, Roles: cluster.RolesOf(f.Server, f.Host.OSUser), Major: s.Major()}
	rule, certain := cluster.First(append(s.OurRules(n), s.TheirRules(n)...), us)
	const how = "repltool connects to %s over the Unix socket as OS user %s, with peer authentication. "
	const mend = "Add a rule `local all %s peer` above it, or add an sql block to the node."
	switch {
	case rule == nil && f.Server != nil && len(f.Server.HBA) > 0:
		out.Fail(s.RangeOf(n), "No rule for repltool", how+"No rule of pg_hba.conf would match that. Add a rule `local all %s peer`, or add an sql block to the node.",
			n.Name, us.User, us.User)
	case rule == nil || !certain || rule.Method == "trust" || rule.Method == "peer":
	case rule.Ours:
		out.Fail(rule.Range, "Rule locks repltool out", how+"This rule would be the first to match that, with method %s. "+mend, n.Name, us.User, rule.Method, us.User)
	default:
		out.Fail(s.RangeOf(n), "Rule locks repltool out", how+"%s:%d would be the first rule to match that, with method %s:\n  %s\n"+mend,
			n.Name, us.User, rule.Path, rule.Line, rule.Method, cluster.HBALine(shown(*rule)), us.User)
	}
}

// brokenRules reports whether the file has lines that the server cannot read: that is
// told, and which rule comes first cannot be.
func brokenRules(server *facts.Server) bool {
	return server != nil && slices.ContainsFunc(server.HBA, func(r facts.HBARule) bool { return r.Error != "" })
}

// refuseCutOff is an error where a rule of the topology would keep out a standby
// that streams from n now.
func refuseCutOff(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	if f.Server == nil {
		return
	}
	told := map[string]bool{}
	for _, sender := range f.Server.Senders {
		address, err := netip.ParseAddr(sender.ClientAddr)
		if err != nil || cluster.Decodes(f.Server, sender) {
			continue
		}
		l := cluster.Login{Address: address, Replication: true, User: sender.User, Roles: cluster.RolesOf(f.Server, sender.User), Major: s.Major()}
		rule, certain := cluster.First(append(s.OurRules(n), s.TheirRules(n)...), l)
		if rule == nil || !certain || rule.Method != "reject" || !rule.Ours || told[sender.ClientAddr+sender.User] {
			continue
		}
		told[sender.ClientAddr+sender.User] = true
		out.Fail(rule.Range, "Rule cuts off a running standby",
			"%s streams from %s now, as %s from %s. This rule would be the first to match it, and rejects it. Add a rule "+
				"above this one that accepts it, or stop it first.",
			sender.ApplicationName, n.Name, pg.Ident(sender.User), sender.ClientAddr)
	}
}

// checkTLS refuses to let standbys in by TLS only where the server has none, and
// warns of rules of the topology that nobody meets then.
func checkTLS(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	if f.Server == nil || f.Server.InForce("ssl") != "off" {
		return
	}
	if p, given := s.ParametersOf(n)["ssl"]; given && cluster.Same(f.Server.Settings["ssl"], p.Value, "on") {
		return
	}
	var told hcl.Range // a block with a list of addresses makes several rules
	for _, r := range s.OurRules(n) {
		switch {
		case r.Type != "hostssl" || r.Range.Filename != "" && r.Range == told:
		case r.Range.Filename == "" && s.Feeds(n):
			out.Fail(ruleRange(s, r), "TLS disabled on the server",
				"Standbys connect to %s with TLS only (sslmode = %q), but the server has ssl = off. Install a certificate "+
					"and set ssl = \"on\" in its parameters, or set sslmode = \"prefer\".",
				n.Name, s.Cluster.Replication.SSLMode)
			return
		case r.Range.Filename != "":
			told = r.Range
			out.Warn(r.Range, "TLS disabled on the server", "%s has ssl = off, so this rule of type hostssl never matches there. Set ssl = \"on\" in its parameters.", n.Name)
		}
	}
}
