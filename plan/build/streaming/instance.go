package streaming

import (
	"path"
	"strconv"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// An instance is made where the primary has none, and started where a node has
// one that is down (PostgreSQL docs, 19.2 "Creating a Database Cluster").

func Instances(s *cluster.Cluster, out *draft.Findings) {
	if p := s.Goal.Primary; s.Running(p) && s.Found(p).Host.Job(cluster.JobID(s.Found(p).Host, "init")) != nil {
		d := draft.NewDraft(plan.Update, s.NodeAddress(p), p)
		d.Reason = "an earlier apply created it, and was interrupted before it removed its marker"
		removeInitMarker(s, d)
		out.Put(d)
	}
	for _, n := range s.Cluster.Members() {
		if s.NeedsConfig(n) {
			out.Put(initialConfig(s, n))
		}
		switch s.Decision(n) {
		case cluster.Create:
			out.Put(create(s))
		case cluster.Start:
			out.Put(downParameters(s, n))
			out.Put(start(s, n))
		default: // it runs, is copied (clone.go), or nothing is done
		}
	}
}

// create makes the primary's cluster, with its parameters and rules in place
// before it starts for the first time. Until it has started, the job that made it
// marks it: an apply that finds the marker continues from there.
func create(s *cluster.Cluster) *draft.Draft {
	n := s.Goal.Primary
	h := s.Found(n).Host
	d := draft.NewDraft(plan.Create, s.NodeAddress(n), n)
	d.Differ("version", nil, plan.Ptr(strconv.Itoa(h.Version)), "")
	d.Differ("data_dir", nil, plan.Ptr(h.DataDir), "")
	making := plan.Command{Argv: initdb(s, n, h), Job: cluster.JobID(h, "init")}
	if job := h.Job(making.Job); job == nil || job.Failed() {
		if job != nil {
			d.Reason = "an earlier apply left an incomplete cluster, in which no server was started: it is removed first"
			d.RemoveHalfMade(n, h, "remove the incomplete cluster", draft.OfInitdb, job)
		}
		d.Note(n, h, making.Job, s.ToMake(h)...)
		d.Step(n, "create the cluster", making)
	} else if !job.Done() || h.Data.State != facts.DataCluster {
		d.Step(n, "create the cluster", making)
	} else {
		d.Reason = "an earlier apply created the cluster, and was interrupted before it was started: this apply continues"
	}
	newClusterConf(s, d, n)
	d.Step(n, "write postgresql.conf", draft.ConfFile(s, n, s.Lines(n), ""))
	d.Step(n, "write pg_hba.conf", draft.HBAFile(s, n, ""))
	draft.CheckFirst(s, d, n)
	d.Step(n, "start", draft.Control(n, h, "start"))
	d.Enable(n, h)
	draft.AwaitStart(s, d, n)
	removeInitMarker(s, d)
	return d
}

func removeInitMarker(s *cluster.Cluster, d *draft.Draft) {
	n := s.Goal.Primary
	h := s.Found(n).Host
	d.Remove(n, "it runs: remove the marker", cluster.JobDir(h, cluster.JobID(h, "init")))
}

// initdb is the command that makes a cluster. The superuser is named after the OS
// user, so that peer authentication lets repltool in.
func initdb(s *cluster.Cluster, n *topology.Node, h *facts.Host) []string {
	o := s.Cluster.InitDB
	var argv []string
	if h.Layout == facts.LayoutDebian {
		argv = []string{
			"pg_createcluster", strconv.Itoa(h.Version), h.Instance, "--datadir", h.DataDir,
			"--port", strconv.Itoa(n.Port), "--locale", o.Locale, "--encoding", o.Encoding, "--",
		}
	} else {
		argv = []string{
			cluster.Binary(h, "initdb"), "--pgdata", h.DataDir, "--locale", o.Locale, "--encoding", o.Encoding,
		}
	}
	// Both, always: the one that is not said is trust, with pg_createcluster too.
	argv = append(argv, "--auth-local", "peer", "--auth-host", o.Auth)
	switch {
	case o.DataChecksums:
		argv = append(argv, "--data-checksums")
	case h.Version >= 18: // on by default from then on
		argv = append(argv, "--no-data-checksums")
	}
	return argv
}

// initialConfig makes the files; the clone takes them over.
func initialConfig(s *cluster.Cluster, n *topology.Node) *draft.Draft {
	h, o := s.Found(n).Host, s.Cluster.InitDB
	d := draft.NewDraft(plan.Create, s.NodeAddress(n), n)
	d.Reason = "creates the default configuration files; the data is cloned from the primary below"
	d.Remove(n, "remove what an earlier apply left", cluster.InitialDir(h))
	argv := []string{
		cluster.Binary(h, "initdb"), "--pgdata", cluster.InitialDir(h), "--locale", o.Locale, "--encoding", o.Encoding,
		"--auth-local", "peer", "--auth-host", o.Auth, "--no-sync",
	}
	if size := s.WALSegment(); size > 0 && size != 16 { // min_wal_size and max_wal_size fit it then
		argv = append(argv, "--wal-segsize", strconv.Itoa(size))
	}
	d.Command(n, "create the files", argv...)
	newClusterTLS(s, d, n)
	newClusterConf(s, d, n)
	return d
}

// takeConfig gives the copy its configuration directory.
func takeConfig(s *cluster.Cluster, d *draft.Draft, n *topology.Node) {
	h := s.Found(n).Host
	move := []string{"mv", "--target-directory", h.DataDir, "--"}
	for _, file := range cluster.ConfigFiles() {
		move = append(move, path.Join(cluster.InitialDir(h), file))
	}
	d.Command(n, "move the configuration files", move...)
	// Before the configuration is there: its presence tells the next plan that
	// nothing of this is left to do.
	d.Remove(n, "remove the temporary cluster", cluster.InitialDir(h))
	if h.Layout != facts.LayoutDebian {
		return
	}
	d.Command(n, "create its configuration", "pg_createcluster", strconv.Itoa(h.Version), h.Instance,
		"--datadir", h.DataDir, "--port", strconv.Itoa(n.Port))
}
