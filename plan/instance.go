package plan

import (
	"fmt"
	"strconv"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// An instance is made where the primary has none, and started where a node has
// one that is down (PostgreSQL docs, 19.2 "Creating a Database Cluster").

func instances(s *scope, out *findings) {
	if s.fresh() {
		out.put(s.create())
	}
	for _, n := range s.cluster.Members() {
		f := s.found(n)
		if f.Complete() && f.Server == nil && f.Host.Data.State == facts.DataCluster && !s.recloned(n) {
			out.put(s.start(n))
		}
	}
}

// willRun tells that n has no server yet and this plan makes one.
func (s *scope) willRun(n *topology.Node) bool {
	return n == s.cluster.Primary && s.fresh() || s.recloned(n)
}

// create makes the primary's cluster, with its parameters and rules in place
// before it starts for the first time.
func (s *scope) create() *draft {
	n := s.cluster.Primary
	h := s.found(n).Host
	d := newDraft(Create, s.nodeAddress(n), n)
	d.differ("version", nil, ptr(strconv.Itoa(h.Version)), "")
	d.differ("data_dir", nil, ptr(h.DataDir), "")
	d.command(n, "make the cluster", s.initdb(n, h)...)
	d.step(n, "write the block", s.confFile(n, s.lines(n), ""))
	d.step(n, "write the block", s.hbaFile(n, ""))
	d.step(n, "start", control(n, h, "start"))
	d.wait(n, n.Name+" accepts connections", accepting(false), acceptTimeout)
	return d
}

// initdb is the command that makes a cluster. The superuser is named after the OS
// user, so that peer authentication lets repltool in.
func (s *scope) initdb(n *topology.Node, h *facts.Host) []string {
	o := s.cluster.InitDB
	var argv []string
	if h.Layout == facts.LayoutDebian {
		argv = []string{"pg_createcluster", strconv.Itoa(h.Version), h.Instance, "--datadir", h.DataDir,
			"--port", strconv.Itoa(n.Port), "--locale", o.Locale, "--encoding", o.Encoding, "--"}
	} else {
		argv = []string{binary(h, "initdb"), "--pgdata", h.DataDir, "--locale", o.Locale, "--encoding", o.Encoding,
			"--auth-local", "peer"}
	}
	argv = append(argv, "--auth-host", o.Auth)
	switch {
	case o.DataChecksums:
		argv = append(argv, "--data-checksums")
	case h.Version >= 18: // on by default from then on
		argv = append(argv, "--no-data-checksums")
	}
	return argv
}

// start brings a node up that has a cluster and is down.
func (s *scope) start(n *topology.Node) *draft {
	h := s.found(n).Host
	d := newDraft(Update, s.nodeAddress(n), n)
	d.Reason = fmt.Sprintf("%s is down; what it runs with is compared once it is up", n.Name)
	d.differ("running", ptr("no"), ptr("yes"), "")
	sb := s.cluster.Standby(n)
	if sb != nil {
		d.after = s.upstreamAddresses(sb)
	}
	d.step(n, "start", control(n, h, "start"))
	d.wait(n, n.Name+" accepts connections", accepting(sb != nil), acceptTimeout)
	if sb != nil && s.running(sb.Upstream) {
		d.wait(n, n.Name+" streaming", "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')", streamTimeout)
	}
	return d
}
