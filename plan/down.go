package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// A node that is down is started with what its files say: there is no server to ask, and
// a value that keeps it from starting cannot be changed later. So before it starts its
// files get the topology's values, and what replication needs of them: a standby starts
// with no less of the hot-standby parameters than the WAL that it replays asks for, a
// primary with no more than its standbys have. What it runs with is compared once it is up
// (PostgreSQL docs, 27.4.3 "Administrator's Overview").

// isDown tells that n has a cluster, no server runs, and this plan starts it.
func (s *scope) isDown(n *topology.Node) bool {
	f := s.found(n)
	return f.Complete() && f.Server == nil && f.Host.Data.State == facts.DataCluster && !s.recloned(n) && !s.willRun(n)
}

// start brings a node up that has a cluster and is down.
func (s *scope) start(n *topology.Node) *draft {
	h := s.found(n).Host
	d := newDraft(Update, s.nodeAddress(n), n)
	d.Reason = fmt.Sprintf("%s is down; what it runs with is compared once it is up", n.Name)
	d.differ("running", ptr("no"), ptr("yes"), "")
	for _, l := range s.held(n, s.givenLines(n)) {
		d.Reason += fmt.Sprintf("; %s stays %s: its standbys are raised first, plan again then", l.name, l.value)
	}
	d.after = []topology.Address{s.parametersAddress(n)}
	sb := s.cluster.Standby(n)
	if sb != nil {
		d.after = append(d.after, s.upstreamAddresses(sb)...)
		s.passfileOfDown(d, sb)
	}
	if rules := s.hbaBlock(h); rules.found() && !rules.is(s.hbaText(n).Text, conftext.First) {
		d.step(n, "write the block", s.hbaFile(n, h.HBA.Text))
	}
	d.step(n, "start", control(n, h, "start"))
	s.awaitStart(d, n)
	if sb == nil {
		s.wakeFollowers(d, n)
		return d
	}
	if s.knowsConn(n) && s.running(sb.Upstream) && !s.lost(n) {
		s.awaitNewReceiver(d, n)
		s.removePrevious(d, sb)
	}
	s.wakeFollowers(d, n)
	return d
}

// wakeFollowers makes the standbys of a server that was down reconnect at once: commits may
// wait for them. They are not waited for: one that cannot come back is a finding of the next
// plan, which compares what the server runs with.
func (s *scope) wakeFollowers(d *draft, n *topology.Node) {
	for _, sb := range s.cluster.Standbys {
		if m := sb.Node; s.upstreamOf(s.found(m)) == n && !s.recloned(m) {
			d.sql(m, "reconnect at once", "SELECT pg_reload_conf();")
		}
	}
}

// downParameters writes the files of a node that is down. It is a change of its own: a
// primary that runs is restarted with more of a hot-standby parameter only after it. Where
// no block is there, only the port and what the start needs are written.
func (s *scope) downParameters(n *topology.Node) *draft {
	h := s.found(n).Host
	d := newDraft(Update, s.parametersAddress(n), n)
	d.Reason = n.Name + " is down: in force with its start"
	if now := s.portInForce(n); now != n.Port {
		d.differ("port", ptr(strconv.Itoa(now)), ptr(strconv.Itoa(n.Port)), "with its start")
	}
	block := s.confBlock(h)
	lines := s.linesOfDown(d, n, block)
	if len(lines) > 0 && !block.is(confRevealed(lines), conftext.Last) {
		d.step(n, "write the block", s.confFile(n, lines, h.Conf.Text))
	}
	var own []line
	if sb := s.cluster.Standby(n); sb != nil {
		own = s.repointDown(d, sb)
	}
	s.editDown(d, n, s.overrides(n, lines), own)
	return d
}

// linesOfDown are the lines that the topology gives, and of those in the block the
// ones that are repltool's own to derive.
func (s *scope) linesOfDown(d *draft, n *topology.Node, block confBlock) []line {
	var lines []line
	if block.found() {
		lines = s.givenLines(n)
	}
	if s.ownsPort(n) && (block.found() || s.portInForce(n) != n.Port) {
		lines = append(lines, line{name: "port", value: strconv.Itoa(n.Port)})
	}
	for _, name := range append(hotStandby(), "listen_addresses", "unix_socket_directories", syncNames) {
		if v, there := block.value(name); there && !hasLine(lines, name) {
			lines = append(lines, line{name: name, value: v})
		}
	}
	if s.cluster.Standby(n) != nil {
		return s.raiseDown(d, n, block, lines)
	}
	for _, l := range s.held(n, lines) {
		lines = withLine(lines, l)
	}
	return sortLines(lines)
}

// raiseDown gives a standby that is down no less of the hot-standby parameters than it has
// in its block, than it has replayed last, and than its primary has now or will have: it may
// not have replayed yet that they were lowered, and does not start with less than what it
// replays. They are lowered once it is up.
func (s *scope) raiseDown(d *draft, n *topology.Node, block confBlock, lines []line) []line {
	for _, name := range hotStandby() {
		need := s.hotStandbyNeed(name)
		written, _ := block.value(name)
		for _, value := range []string{written, s.replayed(n, name)} {
			if limitOf(value) > limitOf(need) {
				need = value
			}
		}
		has := s.startValue(n, name)
		if given := lineOf(lines, name); given != "" {
			has = given
		}
		if limitOf(need) > limitOf(has) {
			lines = withLine(lines, line{name: name, value: need})
		}
		if now := s.startValue(n, name); limitOf(need) > limitOf(now) {
			d.differ(name, ptr(now), ptr(cmp.Or(lineOf(lines, name), need)), "with its start: a standby does not start with less than its primary has, or had")
		}
	}
	return sortLines(lines)
}

// held are the hot-standby parameters with which a primary that is down starts as it ran
// before, since a standby has less than the topology gives: it would stop its replay. They
// are raised once the primary is up, after its standbys.
func (s *scope) held(n *topology.Node, lines []line) []line {
	var all []line
	if n != s.cluster.Primary || !s.confBlock(s.found(n).Host).found() {
		return nil
	}
	for _, name := range hotStandby() {
		had, given := s.replayed(n, name), lineOf(lines, name)
		if had != "" && limitOf(given) > limitOf(had) && slices.ContainsFunc(s.cluster.Standbys, func(sb *topology.Standby) bool { return s.hasLess(sb.Node, name, given) }) {
			all = append(all, line{name: name, value: had})
		}
	}
	return all
}

// hasLess tells whether a standby has less of a parameter, or is not known to have as much.
func (s *scope) hasLess(n *topology.Node, name, value string) bool {
	switch f := s.found(n); {
	case f.Server != nil:
		return limitOf(f.Server.InForce(name)) < limitOf(value)
	case s.isDown(n):
		return limitOf(s.startValue(n, name)) < limitOf(value)
	default:
		return !s.recloned(n)
	}
}

// replayed is what the control file of n has of a parameter; "" where it was not read.
func (s *scope) replayed(n *topology.Node, name string) string {
	h := s.found(n).Host
	if h == nil || h.Control == nil || h.Control.Limits[name] == 0 && h.Control.Limits["max_connections"] == 0 {
		return ""
	}
	return strconv.Itoa(h.Control.Limits[name])
}

// startValue is what a node that is down starts with, by its files as they are: the last
// line of postgresql.conf, after which postgresql.auto.conf is read; else the built-in value.
func (s *scope) startValue(n *topology.Node, name string) string {
	h := s.found(n).Host
	value := bootValue(name)
	for _, text := range []string{h.Conf.Text, h.AutoConf.Text.Reveal()} {
		if v, there := lastValue(text, name); there {
			value = v
		}
	}
	return value
}

// lastValue is what the last line of a file that names a parameter gives it.
func lastValue(text, name string) (value string, there bool) {
	for _, f := range conftext.ParseConf(text) {
		if conftext.SameName(f.Name, name) {
			value, there = f.Value, true
		}
	}
	return value, there
}

// overrides are the hot-standby parameters of the block that postgresql.auto.conf overrides
// with less than the start needs, or with another value than the topology gives.
func (s *scope) overrides(n *topology.Node, lines []line) []string {
	return slices.DeleteFunc(hotStandby(), func(name string) bool {
		v, there := lastValue(s.found(n).Host.AutoConf.Text.Reveal(), name)
		wanted := limitOf(lineOf(lines, name))
		return !there || !hasLine(lines, name) || limitOf(v) >= wanted && (limitOf(v) == wanted || !s.given(n, name))
	})
}

// limitOf is the number of a hot-standby parameter, which has no unit; 0 for none.
func limitOf(value string) float64 { return number(facts.Setting{}, value) }

// lineOf is the value of a line; "" for none.
func lineOf(lines []line, name string) string {
	for _, l := range lines {
		if l.name == name {
			return l.reveal()
		}
	}
	return ""
}
