package streaming

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A node that is down is started with what its files say: there is no server to ask, and
// a value that keeps it from starting cannot be changed later. So before it starts its
// files get the topology's values, and what replication needs of them: a standby starts
// with no less of the hot-standby parameters than the WAL that it replays asks for, a
// primary with no more than its standbys have. What it runs with is compared once it is up
// (PostgreSQL docs, 27.4.3 "Administrator's Overview").

// start brings a node up that has a cluster and is down.
func start(s *cluster.Cluster, n *topology.Node) *draft.Draft {
	h := s.Found(n).Host
	d := draft.NewDraft(plan.Update, s.NodeAddress(n), n)
	d.Reason = fmt.Sprintf("%s is down; what it runs with is compared once it is up", n.Name)
	d.Differ("running", plan.Ptr("no"), plan.Ptr("yes"), "")
	for _, l := range held(s, n, s.GivenLines(n)) {
		d.Reason += fmt.Sprintf("; %s stays %s: its standbys are raised first, then plan again", l.Name, l.Value)
	}
	d.Needs = []topology.Address{s.ParametersAddress(n)}
	sb := s.Cluster.Standby(n)
	if sb != nil {
		d.Needs = append(d.Needs, s.UpstreamAddresses(sb)...)
		d.After = []topology.Address{s.ParametersAddress(sb.Upstream), s.ParametersAddress(s.Goal.Primary)}
		passfileOfDown(s, d, sb)
	}
	if rules := s.HBABlock(h); rules.Found() && !rules.Is(s.HBATextPassing(n).Text, conftext.First) {
		d.Step(n, "write pg_hba.conf", draft.HBAFile(s, n, h.HBA.Text))
	}
	if s.Follows(n) {
		becomeStandby(s, d, n)
	}
	draft.CheckFirst(s, d, n)
	d.Step(n, "start", draft.Control(n, h, "start"))
	draft.AwaitStart(s, d, n)
	if sb == nil {
		wakeFollowers(s, d, n)
		return d
	}
	if (s.KnowsConn(n) || s.Follows(n)) && s.Running(sb.Upstream) && !s.Lost(n) {
		draft.AwaitNewReceiver(s, d, n)
		removePrevious(s, d, sb)
	}
	wakeFollowers(s, d, n)
	return d
}

// wakeFollowers makes the standbys of a server that was down reconnect at once: commits may
// wait for them. They are not waited for: one that cannot come back is a finding of the next
// plan, which compares what the server runs with.
func wakeFollowers(s *cluster.Cluster, d *draft.Draft, n *topology.Node) {
	for _, sb := range s.Cluster.Standbys {
		if m := sb.Node; s.UpstreamOf(s.Found(m)) == n && !s.Recloned(m) && s.MayWake(m) {
			d.SQL(m, "reconnect at once", "SELECT pg_reload_conf();")
		}
	}
}

// downParameters writes the files of a node that is down. It is a change of its own: a
// primary that runs is restarted with more of a hot-standby parameter only after it. Where
// no block is there, only the port and what the start needs are written.
func downParameters(s *cluster.Cluster, n *topology.Node) *draft.Draft {
	h := s.Found(n).Host
	d := draft.NewDraft(plan.Update, s.ParametersAddress(n), n)
	d.Reason = n.Name + " is down: takes effect when it starts"
	if now := s.PortInForce(n); now != n.Port {
		d.Differ("port", plan.Ptr(strconv.Itoa(now)), plan.Ptr(strconv.Itoa(n.Port)), "with its start")
	}
	block := s.ConfBlock(h)
	lines := linesOfDown(s, d, n, block)
	if len(lines) > 0 && !block.Is(cluster.ConfRevealed(lines), conftext.Last) {
		d.Step(n, "write postgresql.conf", draft.ConfFile(s, n, lines, h.Conf.Text))
	}
	var own []cluster.Line
	if sb := s.Cluster.Standby(n); sb != nil {
		own = repointDown(s, d, sb)
	}
	editDown(s, d, n, overrides(s, n, lines), own)
	return d
}

// linesOfDown are the lines that the topology gives, and of those in the block the
// ones that are repltool's own to derive. It derives no listen_addresses but '*': another one
// was edited by hand, or left the topology.
func linesOfDown(s *cluster.Cluster, d *draft.Draft, n *topology.Node, block cluster.ConfBlock) []cluster.Line {
	var lines []cluster.Line
	if block.Found() {
		lines = s.GivenLines(n)
	}
	if s.OwnsPort(n) && (block.Found() || s.PortInForce(n) != n.Port) {
		lines = append(lines, cluster.Line{Name: "port", Value: strconv.Itoa(n.Port)})
	}
	for _, name := range append(pg.HotStandby(), "listen_addresses", "unix_socket_directories", cluster.SyncNames) {
		v, there := block.Value(name)
		if name == "listen_addresses" && v != "*" {
			v, there = "*", there && s.Feeds(n)
		}
		if there && !cluster.HasLine(lines, name) {
			lines = append(lines, cluster.Line{Name: name, Value: v})
		}
	}
	if s.Cluster.Standby(n) != nil {
		return raiseDown(s, d, n, block, lines)
	}
	for _, l := range held(s, n, lines) {
		lines = cluster.WithLine(lines, l)
	}
	return cluster.SortLines(lines)
}

// raiseDown gives a standby that is down no less of the hot-standby parameters than it has
// in its block, than it has replayed last, and than its primary has now or will have: it may
// not have replayed yet that they were lowered, and does not start with less than what it
// replays. They are lowered once it is up.
func raiseDown(s *cluster.Cluster, d *draft.Draft, n *topology.Node, block cluster.ConfBlock, lines []cluster.Line) []cluster.Line {
	for _, name := range pg.HotStandby() {
		need := s.HotStandbyNeed(name)
		written, _ := block.Value(name)
		for _, value := range []string{written, s.Replayed(n, name)} {
			if cluster.LimitOf(value) > cluster.LimitOf(need) {
				need = value
			}
		}
		has := startValue(s, n, name)
		if given := lineOf(lines, name); given != "" {
			has = given
		}
		if cluster.LimitOf(need) > cluster.LimitOf(has) {
			lines = cluster.WithLine(lines, cluster.Line{Name: name, Value: need})
		}
		if now := startValue(s, n, name); cluster.LimitOf(need) > cluster.LimitOf(now) {
			d.Differ(name, plan.Ptr(now), plan.Ptr(cmp.Or(lineOf(lines, name), need)), "takes effect when it starts: a standby does not start with less than its primary has, or had")
		}
	}
	return cluster.SortLines(lines)
}

// held are the hot-standby parameters with which a primary that is down starts as it ran
// before, since a standby has less than the topology gives: it would stop its replay. They
// are raised once the primary is up, after its standbys.
func held(s *cluster.Cluster, n *topology.Node, lines []cluster.Line) []cluster.Line {
	var all []cluster.Line
	if n != s.Goal.Primary || !s.ConfBlock(s.Found(n).Host).Found() {
		return nil
	}
	for _, name := range pg.HotStandby() {
		had, given := s.Replayed(n, name), lineOf(lines, name)
		if had != "" && cluster.LimitOf(given) > cluster.LimitOf(had) && slices.ContainsFunc(s.Cluster.Standbys, func(sb *topology.Standby) bool { return hasLess(s, sb.Node, name, given) }) {
			all = append(all, cluster.Line{Name: name, Value: had})
		}
	}
	return all
}

// hasLess reports whether a standby has less of a parameter, or is not known to have as much.
func hasLess(s *cluster.Cluster, n *topology.Node, name, value string) bool {
	switch f := s.Found(n); {
	case f.Server != nil:
		return cluster.LimitOf(f.Server.InForce(name)) < cluster.LimitOf(value)
	case s.IsDown(n):
		return cluster.LimitOf(startValue(s, n, name)) < cluster.LimitOf(value)
	default:
		return !s.Recloned(n)
	}
}

// startValue is what a node that is down starts with, by its files as they are: the last
// line of postgresql.conf, after which postgresql.auto.conf is read; else the built-in value.
func startValue(s *cluster.Cluster, n *topology.Node, name string) string {
	h := s.Found(n).Host
	value := cluster.BootValue(name)
	for _, text := range []string{h.Conf.Text, h.AutoConf.Text.Reveal()} {
		if v, there := cluster.LastValue(text, name); there {
			value = v
		}
	}
	return value
}

// overrides are the hot-standby parameters of the block that postgresql.auto.conf overrides
// with less than the start needs, or with another value than the topology gives.
func overrides(s *cluster.Cluster, n *topology.Node, lines []cluster.Line) []string {
	return slices.DeleteFunc(pg.HotStandby(), func(name string) bool {
		v, there := cluster.LastValue(s.Found(n).Host.AutoConf.Text.Reveal(), name)
		wanted := cluster.LimitOf(lineOf(lines, name))
		return !there || !cluster.HasLine(lines, name) || cluster.LimitOf(v) >= wanted && (cluster.LimitOf(v) == wanted || !s.Given(n, name))
	})
}

// lineOf is the value of a line; "" for none.
func lineOf(lines []cluster.Line, name string) string {
	for _, l := range lines {
		if l.Name == name {
			return l.Reveal()
		}
	}
	return ""
}
