package plan

import (
	"fmt"
	"path"
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
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
		f := s.found(n)
		made := n == s.cluster.Primary && s.fresh()
		if f.Complete() && f.Server == nil && f.Host.Data.State == facts.DataCluster && !s.recloned(n) && !made {
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
			d.removeHalfMade(n, h, "remove the half-made cluster", job)
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

// filesOfDown mends the blocks of a node that is down before it starts: a value that
// keeps it from starting cannot be mended later. Only blocks that are there are
// looked at, and only what the topology itself says: what is derived wants a server. The
// port is written in any case: the one that it has may be taken.
func (s *scope) filesOfDown(d *draft, n *topology.Node) {
	h := s.found(n).Host
	block := s.confBlock(h)
	now := s.portInForce(n)
	if now != n.Port {
		d.differ("port", ptr(strconv.Itoa(now)), ptr(strconv.Itoa(n.Port)), "with its start")
	}
	if lines := s.linesOfDown(n, block); (block.found() || now != n.Port) && !block.is(confRevealed(lines), conftext.Last) {
		d.step(n, "write the block", s.confFile(n, lines, h.Conf.Text))
	}
	if rules := s.hbaBlock(h); rules.found() && !rules.is(s.hbaText(n).Text, conftext.First) {
		d.step(n, "write the block", s.hbaFile(n, h.HBA.Text))
	}
}

// linesOfDown are the lines that the topology gives, and of those in the block the
// ones that are repltool's own to derive.
func (s *scope) linesOfDown(n *topology.Node, block confBlock) []line {
	var lines []line
	if block.found() {
		lines = s.givenLines(n)
	}
	if s.ownsPort(n) {
		lines = append(lines, line{name: "port", value: strconv.Itoa(n.Port)})
	}
	for _, name := range append(hotStandby(), "listen_addresses", "unix_socket_directories", syncNames) {
		if v, there := block.value(name); there && !hasLine(lines, name) {
			lines = append(lines, line{name: name, value: v})
		}
	}
	if s.cluster.Standby(n) != nil && s.live() != nil && block.found() {
		lines = s.raiseDown(n, block, lines)
	}
	return sortLines(lines)
}

// raiseDown gives a standby that is down no less of the hot-standby parameters than it has
// in its block and than its primary has now: it may not have replayed yet that they were
// lowered, and does not start with less than what it replays. They are lowered once it is up.
func (s *scope) raiseDown(n *topology.Node, block confBlock, lines []line) []line {
	for _, name := range hotStandby() {
		setting := s.live().Settings[name]
		has := setting.Boot
		for _, f := range conftext.ParseConf(s.found(n).Host.Conf.Text) { // the block is its last part
			if conftext.SameName(f.Name, name) {
				has = f.Value
			}
		}
		if given, is := s.cluster.ParametersOf(n)[name]; is {
			has = given.Value
		}
		need := s.live().InForce(name)
		if v, there := block.value(name); there && number(setting, v) > number(setting, need) {
			need = v
		}
		if number(setting, need) > number(setting, has) {
			lines = withLine(lines, line{name: name, value: need})
		}
	}
	return lines
}

// passfileOfDown mends the passfile of a standby that is down, where it has one.
func (s *scope) passfileOfDown(d *draft, sb *topology.Standby) {
	file, wanted := s.found(sb.Node).Host.Passfile, s.standbyPasswords(sb)
	if s.cluster.Replication.Role.Password.IsSet() && file.Exists && !s.passfileFits(sb.Node, file, wanted) {
		s.writePassfile(d, sb.Node, file, wanted)
	}
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
		s.passfileOfDown(d, sb)
	}
	s.filesOfDown(d, n)
	d.step(n, "start", control(n, h, "start"))
	s.awaitStart(d, n)
	if sb != nil && s.running(sb.Upstream) && !s.lost(n) {
		s.awaitNewReceiver(d, n)
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
