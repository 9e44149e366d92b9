package cluster

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// LeavingSubscribers are the subscriptions to the cluster that this plan drops: the rule
// that lets one in goes after it.
func (s *Cluster) LeavingSubscribers() []topology.Address {
	var all []topology.Address
	for _, m := range s.Ledgered() {
		of := s.Of(m.By)
		found, _ := of.Logical(m.In)
		is := found.Subscription(m.Name)
		if is == nil || of.WantsSubscription(m.In, m.Name) {
			continue
		}
		if n := of.PublisherOf(is); n == nil || slices.Contains(s.Cluster.Members(), n) {
			all = append(all, of.GoneAddress(m.Row))
		}
	}
	return all
}

// blockRules are the rules of the block in pg_hba.conf, and those that stay in it for somebody.
type blockRules struct {
	all  []topology.HBARule
	kept []KeptRule
}

// KeptRule is a rule that is not wanted, and who logs in by it.
type KeptRule struct {
	User User
	Rule string
}

func (s *Cluster) blockRules(n *topology.Node) blockRules {
	var rules []topology.HBARule
	if role := s.Cluster.Replication.Role; role != nil {
		for _, address := range s.peerAddresses(n) {
			rules = append(rules, s.rule("replication", role, address))
			if s.FailsOver() { // who copies slots asks for them in a database
				rules = append(rules, s.rule(pg.Maintenance, role, address))
			}
		}
	}
	rules = append(rules, s.subscriberRules(n)...)
	needed, rules := len(rules), append(rules, s.Cluster.HBA...)
	stay, kept := s.keptRules(n, rules)
	return blockRules{slices.Insert(rules, needed, stay...), kept}
}

// rule lets a role in from an address.
func (s *Cluster) rule(database string, role *topology.Role, address string) topology.HBARule {
	return topology.HBARule{
		Type: s.ReplicationType(), Database: []string{database}, User: []string{conftext.LiteralUser(role.Name)},
		Address: address, Method: s.Cluster.Replication.Method,
	}
}

// subscriberRules let in the subscribers of the cluster, from every node that is or
// may become their primary.
func (s *Cluster) subscriberRules(n *topology.Node) []topology.HBARule {
	var rules []topology.HBARule
	for _, sub := range s.Subscribers() {
		for _, address := range s.addressesOf(n, sub.Cluster.Members()) {
			rule := s.rule(conftext.LiteralDatabase(sub.SourceDatabase()), sub.Role, address)
			if !slices.ContainsFunc(rules, func(r topology.HBARule) bool { return HBALine(r) == HBALine(rule) }) {
				rules = append(rules, rule)
			}
		}
	}
	return rules
}

// ReplicationType is hostssl where the standbys insist on encryption.
func (s *Cluster) ReplicationType() string {
	r := s.Cluster.Replication
	if r.Method == "cert" || slices.Contains([]string{"require", "verify-ca", "verify-full"}, r.SSLMode) {
		return "hostssl"
	}
	return "host"
}

// peerAddresses returns, in order and without doubles, where the cluster's other
// nodes connect from. A name is what it resolves to on n: host names in
// pg_hba.conf would need reverse look-ups that agree.
func (s *Cluster) peerAddresses(n *topology.Node) []string {
	return s.addressesOf(n, slices.DeleteFunc(s.Cluster.Members(), func(m *topology.Node) bool { return m == n }))
}

func (s *Cluster) addressesOf(n *topology.Node, nodes []*topology.Node) []string {
	set := map[string]bool{}
	for _, m := range nodes {
		for _, a := range append(s.Resolve(n, m.Address), s.sources(m, n)...) {
			set[netip.PrefixFrom(a, a.BitLen()).String()] = true
		}
	}
	return list.SortedKeys(set)
}

// sources returns the addresses from which m connects to n, as its routes have it: they
// need not be the address where others reach m.
func (s *Cluster) sources(m, n *topology.Node) []netip.Addr {
	h := s.Found(m).Host
	if h == nil || m == n {
		return nil
	}
	var all []netip.Addr
	for _, a := range s.Resolve(m, n.Address) {
		if source, err := netip.ParseAddr(h.Sources[a.String()]); err == nil && !source.IsUnspecified() {
			all = append(all, source.Unmap())
		}
	}
	return all
}

// HBATextPassing is HBAText with the rules that go later in the plan (login_kept.go).
func (s *Cluster) HBATextPassing(n *topology.Node) plan.Text {
	var passing []topology.HBARule
	for _, r := range s.PassingRules(n) {
		passing = append(passing, r.HBARule)
	}
	rules := s.wantedRules(n)
	return s.rulesText(slices.Insert(slices.Clone(rules), len(rules)-len(s.Cluster.HBA), passing...))
}

// rulesText is the text of rules.
func (s *Cluster) rulesText(rules []topology.HBARule) plan.Text {
	var b plan.TextBuilder
	for _, r := range rules {
		r.Database, r.User = s.literalNames(r.Database), s.literalNames(r.User)
		b.Write(HBALine(r), "\n")
	}
	return b.Done()
}

// literalNames rewrites names in quotes that begin with a slash: from PostgreSQL 16
// on, quotes or not, the server reads a regular expression there.
func (s *Cluster) literalNames(words []string) []string {
	if s.Major() < 16 {
		return words
	}
	all := slices.Clone(words)
	for i, w := range all {
		if strings.HasPrefix(w, `"/`) {
			all[i] = "/^" + pg.EscapeRegex(unquoteHBA(w)) + "$"
		}
	}
	return all
}

// HBALine writes one rule as pg_hba.conf has it.
func HBALine(r topology.HBARule) string {
	line := conftext.HBARule{Type: r.Type, Database: r.Database, User: r.User, Address: r.Address, Method: r.Method}
	for _, o := range r.Options {
		line.Options = append(line.Options, conftext.HBAOption(o))
	}
	return line.String()
}

// wantedRules returns the rules of the block in pg_hba.conf for n, KeptRules those of them
// that stay for somebody.
func (s *Cluster) wantedRules(n *topology.Node) []topology.HBARule { return s.rules(n).all }

func (s *Cluster) KeptRules(n *topology.Node) []KeptRule { return s.rules(n).kept }

func (s *Cluster) rules(n *topology.Node) blockRules {
	return compute(s, "rules", n, func() blockRules { return s.blockRules(n) })
}

// HBAText is the body of the block in pg_hba.conf.
func (s *Cluster) HBAText(n *topology.Node) plan.Text {
	return compute(s, "hbaText", n, func() plan.Text { return s.rulesText(s.wantedRules(n)) })
}

// OurRules are the same as placed rules, TheirRules those outside of the block, in the
// server's order.
func (s *Cluster) OurRules(n *topology.Node) []PlacedRule {
	return compute(s, "ours", n, func() []PlacedRule { return placedFirst(s.wantedRules(n)) })
}

// keptRules returns the rules of n's block that are not wanted and that stay: a
// subscription that remains logs in by them, who streams does, or a machine that could not
// be read may.
func (s *Cluster) keptRules(n *topology.Node, wanted []topology.HBARule) (rules []topology.HBARule, kept []KeptRule) {
	for _, r := range s.unwantedRules(n, wanted) {
		u := s.userOf(func(u User) bool { return s.letsIn(n, r, u) })
		if u == nil {
			u = s.streamsBy(n, r)
		}
		if u != nil {
			kept = append(kept, KeptRule{*u, HBALine(r)})
		}
		if u != nil || s.letsInUnread(r) {
			rules = append(rules, r)
		}
	}
	return rules, kept
}

// letsIn reports whether a rule on n is, or may be, the one by which a subscription logs in.
func (s *Cluster) letsIn(n *topology.Node, r topology.HBARule, u User) bool {
	members := u.scope.Cluster.Members()
	if !u.scope.anyUnread(members) && !slices.Contains(s.addressesOf(n, members), r.Address) {
		return false
	}
	if u.Is != nil {
		return slices.Equal(r.User, []string{conftext.LiteralUser(u.Conn["user"])}) && slices.Equal(r.Database, []string{conftext.LiteralDatabase(u.Conn["dbname"])})
	}
	role := s.Live().Role(unquoteHBA(r.User[0]))
	return len(r.User) == 1 && len(r.Database) == 1 && r.Database[0] != "replication" && role != nil && role.Login && (role.Replication || role.Superuser)
}
