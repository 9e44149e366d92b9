package plan

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// pg_hba.conf holds one marked block, first in the file, since the first rule
// that matches is the one that counts. It has the rules that replication needs,
// and then the topology's own in the order written. Every node of a cluster has
// the same block, so that any of them can become the primary (PostgreSQL docs,
// 21.1 "The pg_hba.conf File").

// A rule that the server understands and cannot serve yet (hostssl without SSL) has
// an error, and a type; it stops nothing. A line that it cannot read has no type, and for
// some errors (RADIUS servers) no error text either: success is a type, not the lack of
// an error. A file without any rule is refused as well.
const hbaErrors = `SELECT line_number, coalesce(error, 'the server does not accept this line; its log has the reason') AS reason FROM pg_hba_file_rules WHERE type IS NULL
UNION ALL SELECT NULL, 'the file has no rule' WHERE NOT EXISTS (SELECT FROM pg_hba_file_rules)`

// hbaLoaded is true once the server has read pg_hba.conf since it was written, and finds
// no error in it: that a reload was asked for says neither. A file that a skewed clock
// dates into the future counts as read.
const hbaLoaded = "SELECT CASE WHEN EXISTS (" + hbaErrors + `) THEN 'failed'
  WHEN modification < pg_conf_load_time() OR modification > clock_timestamp() THEN 't' ELSE 'f' END,
  (SELECT string_agg(concat_ws(' ', 'line', line_number, reason), '; ') FROM (` + hbaErrors + `) e)
FROM pg_stat_file(current_setting('hba_file'))`

// reloadRules makes the server read pg_hba.conf, and waits until it has.
func (d *draft) reloadRules(n *topology.Node) {
	d.reload(n)
	d.wait(n, "rules in force", hbaLoaded, settleTimeout)
}

func hbaRules(s *scope, out *findings) {
	for _, n := range s.cluster.Members() {
		if !s.running(n) || s.recloned(n) {
			continue
		}
		d := newDraft(Update, s.hbaAddress(n), n)
		d.worsen(Reload)
		d.after = s.leavingSubscribers()
		f := s.found(n)
		wanted, block := s.hbaText(n), s.hbaBlock(f.Host)
		switch {
		case !block.is(wanted.Text, conftext.First):
			d.Reason = hbaReason(block, wanted.Text)
			d.step(n, "write the block", s.hbaFile(n, f.Host.HBA.Text))
			d.reloadRules(n)
		case f.Host.HBA.Modified > f.Server.ConfLoaded:
			d.Reason = "the server has not read the file since it was last written"
			d.reloadRules(n)
		}
		out.put(d)
	}
}

// leavingSubscribers are the subscriptions to the cluster that this plan drops: the rule
// that lets one in goes after it.
func (s *scope) leavingSubscribers() []topology.Address {
	var all []topology.Address
	for _, m := range s.ledgered() {
		of := s.of(m.by)
		found, _ := of.logical(m.in)
		is := found.Subscription(m.name)
		if is == nil || of.wantsSubscription(m.in, m.name) {
			continue
		}
		if n := of.publisherOf(is); n == nil || slices.Contains(s.cluster.Members(), n) {
			all = append(all, of.goneAddress(m.row))
		}
	}
	return all
}

func hbaReason(block confBlock, wanted string) string {
	if !block.found() || block.renamed() || block.body() != wanted {
		return "" // the diff tells
	}
	return "the first match wins, and above the block stands " + ruleAbove(block)
}

// ruleAbove names the first rule above the block, without its options: some of
// those are secrets.
func ruleAbove(block confBlock) string {
	lines := conftext.ParseHBA(block.text)
	if len(lines) == 0 || lines[0].Line >= block.firstLine() {
		return "something else"
	}
	l := lines[0]
	r, err := l.Rule()
	if err != nil { // include "more.conf"
		return fmt.Sprintf("line %d: %s %s", l.Line, l.Fields[0][0].Text, l.Fields[len(l.Fields)-1][0].Text)
	}
	r.Options = nil
	return fmt.Sprintf("line %d: %s", l.Line, r)
}

// blockRules computes wantedRules.
func (s *scope) blockRules(n *topology.Node) []topology.HBARule {
	var rules []topology.HBARule
	if role := s.cluster.Replication.Role; role != nil {
		for _, address := range s.peerAddresses(n) {
			rules = append(rules, s.rule("replication", role, address))
			if s.failsOver() { // who copies slots asks for them in a database
				rules = append(rules, s.rule(maintenance, role, address))
			}
		}
	}
	rules = append(rules, s.subscriberRules(n)...)
	return append(rules, s.cluster.HBA...)
}

// rule lets a role in from an address.
func (s *scope) rule(database string, role *topology.Role, address string) topology.HBARule {
	return topology.HBARule{
		Type: s.replicationType(), Database: []string{database}, User: []string{conftext.LiteralUser(role.Name)},
		Address: address, Method: s.cluster.Replication.Method,
	}
}

// subscriberRules let in the subscribers of the cluster, from every node that is or
// may become their primary.
func (s *scope) subscriberRules(n *topology.Node) []topology.HBARule {
	var rules []topology.HBARule
	for _, sub := range s.subscribers() {
		for _, address := range s.addressesOf(n, sub.Cluster.Members()) {
			rule := s.rule(conftext.LiteralDatabase(sub.SourceDatabase()), sub.Role, address)
			if !slices.ContainsFunc(rules, func(r topology.HBARule) bool { return hbaLine(r) == hbaLine(rule) }) {
				rules = append(rules, rule)
			}
		}
	}
	return rules
}

// replicationType is hostssl where the standbys insist on encryption.
func (s *scope) replicationType() string {
	r := s.cluster.Replication
	if r.Method == "cert" || slices.Contains([]string{"require", "verify-ca", "verify-full"}, r.SSLMode) {
		return "hostssl"
	}
	return "host"
}

// peerAddresses answers, in order and without doubles, where the cluster's other
// nodes connect from. A name is what it resolves to on n: host names in
// pg_hba.conf would need reverse look-ups that agree.
func (s *scope) peerAddresses(n *topology.Node) []string {
	return s.addressesOf(n, slices.DeleteFunc(s.cluster.Members(), func(m *topology.Node) bool { return m == n }))
}

func (s *scope) addressesOf(n *topology.Node, nodes []*topology.Node) []string {
	set := map[string]bool{}
	for _, m := range nodes {
		for _, a := range append(s.resolve(n, m.Address), s.sources(m, n)...) {
			set[netip.PrefixFrom(a, a.BitLen()).String()] = true
		}
	}
	return sortedKeys(set)
}

// sources answers the addresses from which m connects to n, as its routes have it: they
// need not be the address where others reach m.
func (s *scope) sources(m, n *topology.Node) []netip.Addr {
	h := s.found(m).Host
	if h == nil || m == n {
		return nil
	}
	var all []netip.Addr
	for _, a := range s.resolve(m, n.Address) {
		if source, err := netip.ParseAddr(h.Sources[a.String()]); err == nil && !source.IsUnspecified() {
			all = append(all, source.Unmap())
		}
	}
	return all
}

// resolve answers the addresses of a name as n sees it.
func (s *scope) resolve(n *topology.Node, name string) []netip.Addr {
	texts := []string{name}
	if _, err := netip.ParseAddr(name); err != nil {
		texts = nil
		if h := s.found(n).Host; h != nil {
			texts = h.Resolved[name]
		}
	}
	var addresses []netip.Addr
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil {
			addresses = append(addresses, a.Unmap().WithZone(""))
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}

// rulesText computes hbaText.
func (s *scope) rulesText(n *topology.Node) Text {
	var b textBuilder
	for _, r := range s.wantedRules(n) {
		r.Database, r.User = s.literalNames(r.Database), s.literalNames(r.User)
		b.write(hbaLine(r), "\n")
	}
	return b.done()
}

// literalNames rewrites names in quotes that begin with a slash: from PostgreSQL 16
// on, quotes or not, the server reads a regular expression there.
func (s *scope) literalNames(words []string) []string {
	if s.major() < 16 {
		return words
	}
	all := slices.Clone(words)
	for i, w := range all {
		if strings.HasPrefix(w, `"/`) {
			all[i] = "/^" + escapeRegex(unquoteHBA(w)) + "$"
		}
	}
	return all
}

// escapeRegex puts a backslash before what is more than itself in one of
// PostgreSQL's regular expressions.
func escapeRegex(text string) string {
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(`\.[]{}()*+?^$|`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// hbaLine writes one rule as pg_hba.conf has it.
func hbaLine(r topology.HBARule) string {
	line := conftext.HBARule{Type: r.Type, Database: r.Database, User: r.User, Address: r.Address, Method: r.Method}
	for _, o := range r.Options {
		line.Options = append(line.Options, conftext.HBAOption(o))
	}
	return line.String()
}

// hbaFile is the write of the block; was is the file as found, "" where it is
// made earlier in the plan.
func (s *scope) hbaFile(n *topology.Node, was string) File {
	return s.blockFile(n, File{Path: s.found(n).Host.HBA.Path, Block: &Block{First: true}, Content: s.hbaText(n), Mode: 0o640, Check: hbaErrors}, was)
}
