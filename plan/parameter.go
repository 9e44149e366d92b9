package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// Parameters live in one marked block at the end of postgresql.conf, where the
// last value wins. What is in force is what pg_settings says, never the text;
// what postgresql.auto.conf overrides is reset there, since the topology names
// the parameter (PostgreSQL docs, 20.1.2 and 20.1.3).

const syncNames = "synchronous_standby_names"

// line is one setting of the block.
type line struct {
	name   string
	value  string
	secret topology.Secret // in place of value
	note   string          // why, where the topology does not say it
}

// shown is the value for people.
func (l line) shown() string {
	if l.secret.IsSet() {
		return topology.Redacted
	}
	return l.value
}

func (l line) reveal() string {
	if l.secret.IsSet() {
		return l.secret.Reveal()
	}
	return l.value
}

// parameters compares every node that runs.
func parameters(s *scope, out *findings) {
	var changed []*paramChange
	for _, n := range s.cluster.Members() {
		if !s.running(n) || s.recloned(n) {
			continue
		}
		c := s.compareParameters(n, out)
		if c.needed() {
			changed = append(changed, c)
		} else {
			out.unchanged++
		}
	}
	orderRestarts(s, changed, out)
}

// paramChange is what one node's parameters need.
type paramChange struct {
	scope *scope
	node  *topology.Node
	found *facts.Node
	lines []line // wanted, synchronous_standby_names as it is now

	write   bool     // the block is not as wanted, or not in its place
	reset   []string // names that postgresql.auto.conf overrides
	reload  bool
	restart bool
	raises  []string // of the hot-standby five
	lowers  []string
	behind  bool // a value is lowered that the primary has to lower first
	diffs   []Attribute
}

func (c *paramChange) needed() bool { return c.write || len(c.reset) > 0 || c.reload || c.restart }

// compareParameters finds what differs on a node that runs.
func (s *scope) compareParameters(n *topology.Node, out *findings) *paramChange {
	found := s.found(n)
	c := &paramChange{scope: s, node: n, found: found, lines: s.lines(n)}
	block := s.confBlock(found.Host)
	if v, ok := block.value(syncNames); ok && n == s.cluster.Primary {
		c.lines = withLine(c.lines, line{name: syncNames, value: v})
	}
	c.write = !block.is(confRevealed(c.lines), conftext.Last)
	for _, l := range c.lines {
		setting, current := found.Server.Settings[l.name], found.Server.InForce(l.name)
		switch {
		case l.name == syncNames: // whose values are synchronous's to mend, behind its gates
		case fixed(setting):
			if !same(setting, current, l.reveal()) {
				s.tellFixed(n, l.name, withUnit(setting, current), l.shown(), out)
			}
		default:
			c.compareLine(l, block)
		}
	}
	for _, name := range block.names() {
		if !hasLine(c.lines, name) {
			c.compareRemoved(name, block)
		}
	}
	c.compareOwn()
	c.tellPending(out)
	c.reload = c.reload || c.write && !c.restart || len(c.reset) > 0 && !c.restart
	return c
}

// compareLine looks at one wanted parameter.
func (c *paramChange) compareLine(l line, block confBlock) {
	setting, known := c.found.Server.Settings[l.name]
	if !known { // a setting with a dot that no file names yet
		if c.write {
			c.diffs = append(c.diffs, Attribute{Name: l.name, After: ptr(l.shown())})
		}
		return
	}
	current, note := c.found.Server.InForce(l.name), l.note
	over := c.override(l.name, block)
	if over != nil && same(setting, over.Value, l.reveal()) {
		over = nil
	}
	if over != nil {
		note = join(note, overriddenBy(over))
		if path.Base(over.File) == autoConf {
			c.reset = append(c.reset, l.name)
		}
	}
	switch {
	case over == nil && c.inForce(l, setting, current, block):
	case same(setting, current, l.reveal()): // another one waits, which a reload takes away
		c.reload = true
		c.diffs = append(c.diffs, Attribute{Name: l.name, Before: ptr(c.waiting(l, setting)), After: ptr(l.shown()), Note: join("a reload is enough", note)})
	default:
		c.differ(l.name, l.reveal(), l.shown(), note)
	}
}

// waiting is the value that the files have and the server has not taken.
func (c *paramChange) waiting(l line, setting facts.Setting) string {
	if l.secret.IsSet() {
		return topology.Redacted
	}
	when := "reload"
	if setting.Context == "postmaster" {
		when = "restart"
	}
	return withUnit(setting, c.found.Server.Outside(l.name, "", nil)) + " at the next " + when
}

const autoConf = "postgresql.auto.conf"

// inForce tells whether the wanted value is the one that the server uses. A
// string that the server rewrites (iso becomes ISO) is in force when it was taken
// from its line of the block.
func (c *paramChange) inForce(l line, setting facts.Setting, current string, block confBlock) bool {
	if same(setting, current, l.reveal()) {
		return !setting.PendingRestart
	}
	if setting.VarType != "string" || c.write || setting.PendingRestart {
		return false
	}
	return setting.SourceFile == c.found.Host.Conf.Path && block.has(setting.SourceLine)
}

// compareRemoved looks at a parameter that leaves the block: the value that the
// other files give comes back.
func (c *paramChange) compareRemoved(name string, block confBlock) {
	setting, known := c.found.Server.Settings[name]
	if !known {
		return
	}
	current := c.found.Server.InForce(name)
	after := c.found.Server.Outside(name, c.found.Host.Conf.Path, block.has)
	if !same(setting, current, after) {
		c.differ(name, after, withUnit(setting, after), "no longer in the topology")
	}
}

// differ notes a value that changes, and what the change takes.
func (c *paramChange) differ(name, wanted, shown, note string) {
	setting, current := c.found.Server.Settings[name], c.found.Server.InForce(name)
	before, takes := withUnit(setting, current), "a reload is enough"
	if shown == topology.Redacted {
		before = shown
	}
	if setting.Context == "postmaster" {
		takes, c.restart = "needs a restart", true
	} else {
		c.reload = true
	}
	switch {
	case setting.Context != "postmaster" || !slices.Contains(hotStandby(), name):
	case number(setting, wanted) > number(setting, current):
		c.raises = append(c.raises, name)
	default:
		c.lowers = append(c.lowers, name)
		live := c.scope.live()
		c.behind = c.behind || c.node == c.scope.cluster.Primary || live == nil || number(setting, wanted) < number(setting, live.InForce(name))
	}
	c.diffs = append(c.diffs, Attribute{Name: name, Before: ptr(before), After: ptr(shown), Note: join(takes, note)})
}

// hotStandby are the parameters that a standby must not have lower than its
// primary (PostgreSQL docs, 27.4.3 "Administrator's Overview").
func hotStandby() []string {
	return []string{"max_connections", "max_locks_per_transaction", "max_prepared_transactions", "max_wal_senders", "max_worker_processes"}
}

// wantedLines computes lines.
func (s *scope) wantedLines(n *topology.Node) []line {
	lines, wanted := s.givenLines(n), s.parametersOf(n)
	for _, l := range s.derived(n) {
		if _, given := wanted[l.name]; !given {
			lines = append(lines, l)
		}
	}
	return sortLines(lines)
}

// givenLines are those that the topology writes.
func (s *scope) givenLines(n *topology.Node) []line {
	var lines []line
	wanted := s.parametersOf(n)
	for _, name := range wanted.Names() {
		lines = append(lines, line{name: name, value: wanted[name].Value, secret: wanted[name].Secret})
	}
	return lines
}

func sortLines(lines []line) []line {
	slices.SortFunc(lines, func(a, b line) int { return strings.Compare(a.name, b.name) })
	return lines
}

// derive computes derived.
func (s *scope) derive(n *topology.Node) []line {
	var lines []line
	if s.ownsPort(n) {
		lines = append(lines, line{name: "port", value: fmt.Sprint(n.Port), note: "of the node"})
	}
	if n.SocketDir != "" {
		lines = append(lines, line{name: "unix_socket_directories", value: n.SocketDir, note: "of the node"})
	}
	// A line that is in the block stays: a clone gets it before the files beside the block
	// are known, which may have a value that would do.
	if s.feeds(n) && (s.setsListen(n) || !s.listensFor(n, s.outside(n, "listen_addresses", "localhost"))) {
		lines = append(lines, line{name: "listen_addresses", value: "*", note: "so that others reach it"})
	}
	lines = append(lines, s.slotCopyLines(n)...)
	if s.cluster.Standby(n) != nil {
		lines = append(lines, s.minimums(n)...)
		lines = append(lines, s.walSizes(n)...)
	}
	return lines
}

// feeds tells whether standbys or subscribers connect to n, or our block made it ready
// for that: a clone is, so that it can take the primary's place without a restart, and
// who has fed others stays so, since ceasing would take one.
func (s *scope) feeds(n *topology.Node) bool {
	return n == s.cluster.Primary && len(s.subscribers()) > 0 || s.recloned(n) || s.setsListen(n) ||
		slices.ContainsFunc(s.cluster.Standbys, func(sb *topology.Standby) bool { return sb.Upstream == n })
}

// setsListen tells whether repltool's block on n opens listen_addresses already.
func (s *scope) setsListen(n *topology.Node) bool {
	h := s.found(n).Host
	if h == nil {
		return false
	}
	value, ours := s.confBlock(h).value("listen_addresses")
	return ours && value == "*"
}

// minimums raises a standby's hot-standby parameters to those of its primary,
// where neither the topology nor the standby's own files do.
func (s *scope) minimums(n *topology.Node) []line {
	if s.live() == nil {
		return nil
	}
	var lines []line
	for _, name := range hotStandby() {
		setting, need := s.live().Settings[name], s.onPrimary(name)
		if number(setting, need) > number(setting, s.outside(n, name, setting.Boot)) {
			lines = append(lines, line{name: name, value: need, note: "as on the primary"})
		}
	}
	return lines
}

// onPrimary answers what a parameter of a live primary will be after this plan: one that
// leaves the block has the value of the other files then.
func (s *scope) onPrimary(name string) string {
	n := s.cluster.Primary
	p, given := s.parametersOf(n)[name]
	switch _, ours := s.confBlock(s.primary().Host).value(name); {
	case fixed(s.live().Settings[name]):
		return s.live().InForce(name)
	case given:
		return p.Value
	case ours:
		return s.outside(n, name, s.live().InForce(name))
	default:
		return s.live().InForce(name)
	}
}

// outside answers the value that n has without our block; fallback where there
// is no server to ask.
func (s *scope) outside(n *topology.Node, name, fallback string) string {
	f := s.found(n)
	if f.Server == nil || s.recloned(n) {
		return fallback
	}
	block := s.confBlock(f.Host)
	return f.Server.Outside(name, f.Host.Conf.Path, block.has)
}

// number answers a numeric setting in its base unit; 0 for what is no number.
func number(setting facts.Setting, value string) float64 {
	x, err := inBase(setting, value)
	if err != nil {
		return 0
	}
	return x
}

// withUnit writes a value of pg_settings as people do: 16384 of 8kB is 128MB.
func withUnit(setting facts.Setting, value string) string {
	n, name := splitBase(setting.Unit)
	x, err := parseNumber(value)
	if setting.Unit == "" || err != nil || x <= 0 {
		return value
	}
	larger := map[string][]string{
		"B": {"TB", "GB", "MB", "kB"}, "kB": {"TB", "GB", "MB"}, "MB": {"TB", "GB"},
		"ms": {"d", "h", "min", "s"}, "s": {"d", "h", "min"}, "min": {"d", "h"},
	}
	for _, unit := range larger[name] {
		factor, ok := convert(1, unit, name)
		if y := x * n / factor; ok && y == float64(int64(y)) && y >= 1 {
			return fmt.Sprintf("%d%s", int64(y), unit)
		}
	}
	return fmt.Sprintf("%g%s", x*n, name)
}

func hasLine(lines []line, name string) bool {
	return slices.ContainsFunc(lines, func(l line) bool { return l.name == name })
}

// withLine answers the lines with l in its place; a line with no value leaves.
func withLine(lines []line, l line) []line {
	all := slices.DeleteFunc(slices.Clone(lines), func(other line) bool { return other.name == l.name })
	if l.value != "" || l.secret.IsSet() {
		all = append(all, l)
	}
	return sortLines(all)
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}
