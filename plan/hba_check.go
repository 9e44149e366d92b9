package plan

import (
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What is wrong with rules of pg_hba.conf beside one another: one that stands above
// another and takes its connections, and one that would keep out repltool itself or
// a standby that runs.

// checkRuleOrder warns where pg_hba.conf, read as a whole, does not do what the rules say.
func checkRuleOrder(s *scope, out *findings) {
	s.warnShadowed(out)
	s.warnOpened(out)
}

// warnShadowed tells of rules that never match, since a rule of the block above them
// takes all that they would: rules of the user's, and rules of the topology.
func (s *scope) warnShadowed(out *findings) {
	var faults []*paramFault
	for _, n := range s.cluster.Members() {
		if !s.running(n) || s.recloned(n) {
			continue
		}
		for _, theirs := range s.theirRules(n) {
			if ours := above(s.ourRules(n), theirs.HBARule); ours != nil {
				faults = addFault(faults, n.Name, &paramFault{
					at: s.ruleRange(*ours), summary: "Rule is shadowed",
					text: fmt.Sprintf("%s:%d\n  %s\nnever matches: this rule of repltool's block%s stands above it and takes the same connections\n  %s",
						theirs.path, theirs.line, hbaLine(theirs.shown()), rulePlace(*ours), hbaLine(ours.shown())),
				})
			}
		}
	}
	for i, r := range s.cluster.HBA {
		if over := aboveOwn(s.ourRules(s.cluster.Primary), i, len(s.cluster.HBA)); over != nil {
			out.warn(r.Range, "Rule is shadowed", "This rule\n  %s\nnever matches: the one above it%s takes the same connections\n  %s",
				hbaLine(placedRule{HBARule: r}.shown()), rulePlace(*over), hbaLine(over.shown()))
		}
	}
	for _, f := range faults {
		out.warn(f.at, f.summary, "%s: %s", strings.Join(f.nodes, ", "), f.text)
	}
}

// addFault notes a fault of one node; one that several have is told once.
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

// above answers the first of the rules that takes all that r would, and answers it
// otherwise.
func above(rules []placedRule, r topology.HBARule) *placedRule {
	for i := range rules {
		if shadows(rules[i].HBARule, r) {
			if rules[i].Method == r.Method {
				return nil
			}
			return &rules[i]
		}
	}
	return nil
}

// aboveOwn does the same for rule i of the topology's own, the last of all.
func aboveOwn(all []placedRule, i, own int) *placedRule {
	at := len(all) - own + i
	return above(all[:at], all[at].HBARule)
}

// shown is the rule without its options: some of those are secrets.
func (r placedRule) shown() topology.HBARule {
	rule := r.HBARule
	rule.Options = nil
	return rule
}

// ruleRange is where a rule of the block comes from: its own block in the topology,
// or the replication block.
func (s *scope) ruleRange(r placedRule) hcl.Range {
	for _, at := range []hcl.Range{r.Range, s.cluster.Replication.Range} {
		if at.Filename != "" {
			return at
		}
	}
	return s.cluster.Range
}

func rulePlace(r placedRule) string {
	if r.Range.Filename == "" {
		return " (which replication needs)"
	}
	return fmt.Sprintf(" (%s:%d)", path.Base(r.Range.Filename), r.Range.Start.Line)
}

// shadows tells whether every connection that rule b matches is matched by a.
func shadows(a, b topology.HBARule) bool {
	return typeCovers(a.Type, b.Type) && nameCovers(a.Database, b.Database, true) &&
		nameCovers(a.User, b.User, false) && addressCovers(a, b)
}

func typeCovers(a, b string) bool {
	return a == b || a == "host" && strings.HasPrefix(b, "host")
}

// nameCovers compares databases or users. "all" does not match physical
// replication connections.
func nameCovers(a, b []string, database bool) bool {
	for _, name := range b {
		if slices.Contains(a, name) {
			continue
		}
		if !slices.Contains(a, "all") || database && name == "replication" {
			return false
		}
	}
	return true
}

func addressCovers(a, b topology.HBARule) bool {
	if a.Type == "local" || a.Address == b.Address || a.Address == "all" {
		return true
	}
	outer, errA := netip.ParsePrefix(a.Address)
	inner, errB := netip.ParsePrefix(b.Address)
	return errA == nil && errB == nil && outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// refuseLockout is an error where the new rules would keep repltool itself out: it
// logs in over the Unix socket as the OS user.
func (s *scope) refuseLockout(n *topology.Node, f *facts.Node, out *findings) {
	if n.SQL != nil || f.Host == nil || brokenRules(f.Server) {
		return
	}
	us := login{database: maintenance, user: f.Host.OSUser, roles: rolesOf(f.Server, f.Host.OSUser), major: s.major()}
	rule, certain := first(append(s.ourRules(n), s.theirRules(n)...), us)
	const how = "repltool logs in to %s over the Unix socket as the OS user %s, by peer authentication. "
	const mend = "Put a rule `local all %s peer` above it, or give the node an sql block."
	switch {
	case rule == nil && f.Server != nil && len(f.Server.HBA) > 0:
		out.fail(s.rangeOf(n), "No rule lets repltool in", how+"No rule of pg_hba.conf would match that. Add a rule `local all %s peer`, or give the node an sql block.",
			n.Name, us.user, us.user)
	case rule == nil || !certain || rule.Method == "trust" || rule.Method == "peer":
	case rule.ours:
		out.fail(rule.Range, "Rule locks repltool out", how+"This rule would be the first to match that, with method %s. "+mend, n.Name, us.user, rule.Method, us.user)
	default:
		out.fail(s.rangeOf(n), "Rule locks repltool out", how+"%s:%d would be the first rule to match that, with method %s:\n  %s\n"+mend,
			n.Name, us.user, rule.path, rule.line, rule.Method, hbaLine(rule.shown()), us.user)
	}
}

// brokenRules tells that the file has lines that the server cannot read: that is
// told, and which rule comes first cannot be.
func brokenRules(server *facts.Server) bool {
	return server != nil && slices.ContainsFunc(server.HBA, func(r facts.HBARule) bool { return r.Error != "" })
}

// refuseCutOff is an error where a rule of the topology would keep out a standby
// that streams from n now.
func (s *scope) refuseCutOff(n *topology.Node, f *facts.Node, out *findings) {
	if f.Server == nil {
		return
	}
	told := map[string]bool{}
	for _, sender := range f.Server.Senders {
		address, err := netip.ParseAddr(sender.ClientAddr)
		if err != nil || decodes(f.Server, sender) {
			continue
		}
		l := login{address: address, replication: true, user: sender.User, roles: rolesOf(f.Server, sender.User), major: s.major()}
		rule, certain := first(append(s.ourRules(n), s.theirRules(n)...), l)
		if rule == nil || !certain || rule.Method != "reject" || !rule.ours || told[sender.ClientAddr+sender.User] {
			continue
		}
		told[sender.ClientAddr+sender.User] = true
		out.fail(rule.Range, "Rule cuts off a running standby",
			"%s streams from %s now, as %s from %s. This rule would be the first to match it, and rejects it. Put a rule that lets it in above this one, or stop it first.",
			sender.ApplicationName, n.Name, ident(sender.User), sender.ClientAddr)
	}
}

// checkTLS refuses to let standbys in by TLS only where the server has none, and
// warns of rules of the topology that nobody meets then.
func (s *scope) checkTLS(n *topology.Node, f *facts.Node, out *findings) {
	if f.Server == nil || f.Server.InForce("ssl") != "off" {
		return
	}
	if p, given := s.parametersOf(n)["ssl"]; given && same(f.Server.Settings["ssl"], p.Value, "on") {
		return
	}
	var told hcl.Range // a block with a list of addresses makes several rules
	for _, r := range s.ourRules(n) {
		switch {
		case r.Type != "hostssl" || r.Range.Filename != "" && r.Range == told:
		case r.Range.Filename == "" && s.feeds(n):
			out.fail(s.ruleRange(r), "No TLS on the server",
				"Standbys log in to %s by TLS only (sslmode = %q), and the server has ssl = off. Give it a certificate and set ssl = \"on\" in its parameters, or choose sslmode = \"prefer\".",
				n.Name, s.cluster.Replication.SSLMode)
			return
		case r.Range.Filename != "":
			told = r.Range
			out.warn(r.Range, "No TLS on the server", "%s has ssl = off, so that this rule of type hostssl never matches there. Set ssl = \"on\" in its parameters.", n.Name)
		}
	}
}
