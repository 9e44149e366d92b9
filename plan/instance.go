package plan

import (
	"path"
	"slices"
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// An instance is made where the primary has none, and started where a node has
// one that is down (PostgreSQL docs, 19.2 "Creating a Database Cluster").

func instances(s *scope, out *findings) {
	if s.fresh() {
		out.put(s.create())
	}
	if p := s.cluster.Primary; s.running(p) && s.primary().Host.Job(jobID(s.primary().Host, "init")) != nil {
		d := newDraft(Update, s.nodeAddress(p), p)
		d.Reason = "an earlier apply made it and died before it took its marker away"
		s.removeInitMarker(d)
		out.put(d)
	}
	for _, n := range s.cluster.Members() {
		if s.needsConfig(n) {
			out.put(s.initialConfig(n))
		}
		if s.isDown(n) {
			out.put(s.downParameters(n))
			out.put(s.start(n))
		}
	}
}

// willRun tells that n has no server yet and this plan makes one.
func (s *scope) willRun(n *topology.Node) bool {
	return n == s.cluster.Primary && s.fresh() || s.recloned(n)
}

// create makes the primary's cluster, with its parameters and rules in place
// before it starts for the first time. Until it has started, the job that made it
// marks it: an apply that finds the marker goes on from there.
func (s *scope) create() *draft {
	n := s.cluster.Primary
	h := s.found(n).Host
	d := newDraft(Create, s.nodeAddress(n), n)
	d.differ("version", nil, ptr(strconv.Itoa(h.Version)), "")
	d.differ("data_dir", nil, ptr(h.DataDir), "")
	making := Command{Argv: s.initdb(n, h), Job: jobID(h, "init")}
	if job := h.Job(making.Job); job == nil || job.Failed() {
		if job != nil {
			d.Reason = "an earlier apply left a half-made cluster, which never ran: it is removed first"
			d.removeHalfMade(n, h, "remove the half-made cluster", ofInitdb, job)
		}
		d.note(n, h, making.Job, s.toMake(h)...)
		d.step(n, "make the cluster", making)
	} else if !job.Done() || h.Data.State != facts.DataCluster {
		d.step(n, "make the cluster", making)
	} else {
		d.Reason = "an earlier apply made the cluster, and died before it ran: it goes on from there"
	}
	d.step(n, "write the block", s.confFile(n, s.lines(n), ""))
	d.step(n, "write the block", s.hbaFile(n, ""))
	d.step(n, "start", control(n, h, "start"))
	d.enable(n, h)
	s.awaitStart(d, n)
	s.removeInitMarker(d)
	return d
}

// initUnclear tells that the command which made the primary's cluster ended badly, and that
// what it left may hold data: it has a pg_control, and the record of the job does not name
// the directory, or a server was started in it.
func (s *scope) initUnclear() bool {
	f := s.primary()
	job := f.Host.Job(jobID(f.Host, "init"))
	ours := f.Host.Data.Initdb && job != nil && slices.Contains(job.Absent, f.Host.DataDir)
	return job.Failed() && f.Host.Data.State == facts.DataCluster && f.Server == nil && !ours
}

// toMake are the directories that initdb or pg_createcluster makes.
func (s *scope) toMake(h *facts.Host) []string {
	if h.ConfigDir == h.DataDir || h.Layout != facts.LayoutDebian {
		return []string{h.DataDir}
	}
	return []string{h.DataDir, h.ConfigDir}
}

func (s *scope) removeInitMarker(d *draft) {
	n, h := s.cluster.Primary, s.primary().Host
	d.remove(n, "it runs: take the marker away", JobDir(h, jobID(h, "init")))
}

// initdb is the command that makes a cluster. The superuser is named after the OS
// user, so that peer authentication lets repltool in.
func (s *scope) initdb(n *topology.Node, h *facts.Host) []string {
	o := s.cluster.InitDB
	var argv []string
	if h.Layout == facts.LayoutDebian {
		argv = []string{
			"pg_createcluster", strconv.Itoa(h.Version), h.Instance, "--datadir", h.DataDir,
			"--port", strconv.Itoa(n.Port), "--locale", o.Locale, "--encoding", o.Encoding, "--",
		}
	} else {
		argv = []string{
			binary(h, "initdb"), "--pgdata", h.DataDir, "--locale", o.Locale, "--encoding", o.Encoding,
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

// Debian keeps a cluster's configuration in a directory of its own, which a copy
// does not bring along. pg_createcluster makes it of the files that initdb writes:
// they come from a cluster that is made for them beside, under StateDir, and goes.

// needsConfig tells that n is a clone to be and has no configuration yet. Where it lies
// in the data directory it comes with the copy, but not from a Debian upstream.
func (s *scope) needsConfig(n *topology.Node) bool {
	h := s.found(n).Host
	switch {
	case !s.recloned(n):
		return false
	case h.Layout == facts.LayoutDebian:
		return !h.Conf.Exists
	default:
		up := s.found(s.cluster.Standby(n).Upstream).Host
		return h.ConfigDir == h.DataDir && up != nil && up.ConfigDir != up.DataDir
	}
}

func initialDir(h *facts.Host) string { return path.Join(h.StateDir, "initial", h.Key()) }

// configFiles are those that initdb writes.
func configFiles() []string { return []string{"postgresql.conf", "pg_hba.conf", "pg_ident.conf"} }

// initialConfig makes the files; the clone takes them over.
func (s *scope) initialConfig(n *topology.Node) *draft {
	h, o := s.found(n).Host, s.cluster.InitDB
	d := newDraft(Create, s.nodeAddress(n), n)
	d.Reason = "its first configuration files, made aside by initdb: the data come from the copy"
	d.remove(n, "take away what an earlier apply left", initialDir(h))
	argv := []string{
		binary(h, "initdb"), "--pgdata", initialDir(h), "--locale", o.Locale, "--encoding", o.Encoding,
		"--auth-local", "peer", "--auth-host", o.Auth, "--no-sync",
	}
	if size := s.walSegment(); size > 0 && size != 16 { // min_wal_size and max_wal_size fit it then
		argv = append(argv, "--wal-segsize", strconv.Itoa(size))
	}
	d.command(n, "make the files", argv...)
	return d
}

// takeConfig gives the copy its configuration directory.
func (s *scope) takeConfig(d *draft, n *topology.Node) {
	h := s.found(n).Host
	move := []string{"mv", "--target-directory", h.DataDir, "--"}
	for _, file := range configFiles() {
		move = append(move, path.Join(initialDir(h), file))
	}
	d.command(n, "take the configuration files", move...)
	// Before the configuration is there: its presence tells the next plan that
	// nothing of this is left to do.
	d.remove(n, "take away what they came from", initialDir(h))
	if h.Layout != facts.LayoutDebian {
		return
	}
	d.command(n, "make its configuration", "pg_createcluster", strconv.Itoa(h.Version), h.Instance,
		"--datadir", h.DataDir, "--port", strconv.Itoa(n.Port))
}
