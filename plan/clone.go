package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A clone is pg_basebackup from the upstream into an empty directory, verified,
// given its own settings and configuration, started, and waited for until it streams. The copy
// runs detached under a job whose directory marks the data directory as half
// made: an apply that died is taken up where it was. A directory that holds
// anything else is never written over; cloning again keeps it aside until the new
// one streams (PostgreSQL docs, pg_basebackup and pg_verifybackup).

func (s *scope) clone(sb *topology.Standby, out *findings) *draft {
	n, h := sb.Node, s.found(sb.Node).Host
	again := s.moves(n)
	action := Create
	lost := len(s.traces(n)) > 0
	if again || lost {
		action = Replace
	}
	d := newDraft(action, s.standbyAddress(n), n)
	if lost {
		d.Reason = "the data that were there before are lost: cloned again because of -replace"
	}
	d.after = append(s.upstreamAddresses(sb), s.earlierClone(sb)...)
	d.after = append(d.after, s.nodeAddress(n), s.basebackupAddress(n), s.parametersAddress(s.followed(sb)))
	d.after = append(d.after, s.leaveFirst(sb, out)...)
	d.worsen(CopyData)
	size := s.cloneBytes(sb)
	d.Effect = copyNote(size)
	d.copies = []Copy{{Node: n.Name, Bytes: size}}
	d.differ("upstream", nil, ptr(sb.Upstream.Name), "")
	// Before all else: from now on what is there is the job's.
	if !again && h.Job(jobID(h, "clone")) == nil {
		d.note(n, h, jobID(h, "clone"), s.toCopy(sb)...)
	}
	if s.cluster.Replication.Role.Password.IsSet() {
		s.writePassfile(d, n, h.Passfile, s.standbyPasswords(sb))
	}
	if again {
		s.setAside(d, sb)
	}
	if !s.copySteps(d, sb, out) {
		return newDraft(action, s.standbyAddress(n), n)
	}
	s.configure(d, sb)
	s.startClone(d, sb)
	if again || h.AsideJob != nil {
		s.removeAside(d, n, "the new one streams: remove the old one", s.oldOnes(sb))
	}
	return d
}

// jobID names the detached command that does what to a data directory: as an earlier
// apply named it, else after that directory. Two topologies on one machine share the
// directory of jobs, and may have nodes of one name.
func jobID(h *facts.Host, what string) string {
	for _, job := range h.Jobs {
		if strings.HasSuffix(job.ID, "."+what) {
			return job.ID
		}
	}
	return h.Key() + "." + what
}

// JobDir is the directory of a job: the marker of a half-made data directory.
func JobDir(h *facts.Host, id string) string { return path.Join(h.StateDir, "jobs", id) }

// markers are the directories of all jobs that make or made the data directory of n,
// and of those that this plan starts.
func markers(h *facts.Host) []string {
	clone := JobDir(h, jobID(h, "clone"))
	dirs := []string{JobDir(h, jobID(h, "verify"))}
	for _, job := range h.Jobs {
		dirs = append(dirs, JobDir(h, job.ID))
	}
	slices.Sort(dirs)
	return append(without(slices.Compact(dirs), []string{clone}), clone) // last: it marks the data directory
}

// copySteps adds the copy and its check, or what is left to do of those that an earlier
// apply began. It is false, with an error, where that needs a word of the user's.
func (s *scope) copySteps(d *draft, sb *topology.Standby, out *findings) bool {
	n, h := sb.Node, s.found(sb.Node).Host
	copying := Command{Argv: s.basebackup(sb), Job: jobID(h, "clone"), Bytes: s.cloneBytes(sb), Remedy: s.admit(sb)}
	checking := Command{Argv: s.verify(n, h), Job: jobID(h, "verify")}
	verify := h.Job(checking.Job)
	left, why := s.leftOf(sb)
	switch left {
	case leftNothing:
		if s.moves(n) {
			d.note(n, h, copying.Job, s.toCopy(sb)...)
		}
	case leftOther:
		s.otherRuns(sb, why, out)
		return false
	case leftStarted:
		out.finding(s.standbyAddress(n), sb.Range, "Cannot verify the state of an earlier base backup",
			"%s: an earlier apply was cut off while it cloned into %s, and a server has been started there since. repltool removes nothing in which a server has run. Clone it again; what is there is kept aside until the new one streams:\n  repltool apply -allow=reclone -replace=%s",
			n.Name, h.DataDir, s.standbyAddress(n))
		return false
	case leftAside: // what was there is aside; only the markers are in the way
		d.remove(n, "remove the markers of an earlier copy", markers(h)...)
		d.note(n, h, copying.Job, s.toCopy(sb)...)
	case leftRunning:
		d.Reason = why
		if clone := h.Job(copying.Job); clone != nil {
			copying.Argv = clone.Argv
		}
	case leftWhole, leftUnjudged:
		d.Reason = why
		if verify.Failed() {
			d.remove(n, "remove the record of a check that was cut off", JobDir(h, checking.Job))
		}
	case leftCancelled:
		d.Reason = why
		s.cancel(d, sb)
		s.discard(d, sb)
	case leftPart:
		d.Reason = why
		s.discard(d, sb)
	}
	finished := left == leftRunning && s.finishFirst(sb, copying, out)
	if left != leftWhole && left != leftUnjudged && !finished {
		d.step(n, "copy", copying)
	}
	if left == leftUnjudged || s.cluster.BaseBackup.Verify && !(left == leftWhole && verify.Done()) {
		d.step(n, "verify the copy", checking)
	}
	return true
}

// admit is what to do where the upstream refuses the standby's address.
func (s *scope) admit(sb *topology.Standby) string {
	up, role := sb.Upstream.Name, s.cluster.Replication.Role.Name
	return fmt.Sprintf("%s lets in the addresses of its rules: %s is %s in the topology, and connects from another address, as behind address translation. Let in the one that %s names, in %s:\n"+
		"  hba {\n    type     = %q\n    database = \"replication\"\n    user     = %q\n    address  = \"ADDRESS/32\"\n    method   = %q\n  }",
		up, sb.Node.Name, sb.Node.Address, up, s.cluster.ID, s.replicationType(), role, s.cluster.Replication.Method)
}

// basebackup is the command line of the copy.
func (s *scope) basebackup(sb *topology.Standby) []string {
	h, b := s.found(sb.Node).Host, s.cluster.BaseBackup
	argv := []string{
		binary(h, "pg_basebackup"), "--pgdata", h.DataDir, "--dbname", formatConnInfo(s.copyConn(sb)),
		"--wal-method", "stream", "--checkpoint", b.Checkpoint, "--write-recovery-conf", "--no-password", "--progress",
	}
	if sb.Slot != "" {
		argv = append(argv, "--slot", sb.Slot)
	}
	if b.MaxRate != "" {
		argv = append(argv, "--max-rate", b.MaxRate)
	}
	if b.WALDir != "" {
		argv = append(argv, "--waldir", b.WALDir)
	}
	for _, dir := range sortedKeys(b.TablespaceMapping) {
		argv = append(argv, "--tablespace-mapping", mapped(dir)+"="+mapped(b.TablespaceMapping[dir]))
	}
	return argv
}

// mapped writes a directory for --tablespace-mapping, where = parts the two.
func mapped(dir string) string { return strings.ReplaceAll(dir, "=", `\=`) }

// verify is the command line that checks the copy against its manifest.
// Configuration files that did not come with it may lie in it already.
func (s *scope) verify(n *topology.Node, h *facts.Host) []string {
	argv := []string{binary(h, "pg_verifybackup")}
	if h.Layout == facts.LayoutDebian || s.needsConfig(n) {
		for _, file := range configFiles() {
			argv = append(argv, "--ignore", file)
		}
	}
	return append(argv, h.DataDir)
}

// cloneBytes is what the copy reads, as far as facts tell.
func (s *scope) cloneBytes(sb *topology.Standby) int64 {
	for _, n := range []*topology.Node{sb.Upstream, s.cluster.Primary} {
		if server := s.found(n).Server; server != nil {
			return server.DataBytes
		}
	}
	return 0
}

// earlierClone keeps clones from one upstream within its free WAL senders: a
// copy takes two, a standby that streams one.
func (s *scope) earlierClone(sb *topology.Standby) []topology.Address {
	var siblings []*topology.Standby
	for _, other := range s.cluster.Standbys {
		if other.Upstream == sb.Upstream && s.recloned(other.Node) {
			siblings = append(siblings, other)
		}
	}
	window := max(1, s.freeSenders(sb.Upstream)-len(siblings))
	if i := slices.Index(siblings, sb); i >= window {
		return []topology.Address{s.standbyAddress(siblings[i-window].Node)}
	}
	return nil
}

// freeSenders is how many WAL senders of n nobody uses, once its parameters are
// as wanted.
func (s *scope) freeSenders(n *topology.Node) int {
	limit, _ := s.limit(n, "max_wal_senders")
	if server := s.found(n).Server; server != nil {
		return limit - len(server.Senders)
	}
	return limit
}

// configure gives the copy its files and the blocks in them.
func (s *scope) configure(d *draft, sb *topology.Standby) {
	n, h := sb.Node, s.found(sb.Node).Host
	if s.needsConfig(n) {
		s.takeConfig(d, n)
	}
	s.takeOwn(d, sb)
	d.step(n, "write the block", s.confFile(n, s.lines(n), h.Conf.Text))
	d.step(n, "write the block", s.hbaFile(n, h.HBA.Text))
}

// startClone starts the copy and waits for it.
func (s *scope) startClone(d *draft, sb *topology.Standby) {
	n, h := sb.Node, s.found(sb.Node).Host
	// Before it starts: from then on the directory is a standby like any other, and
	// no later plan may take it for a half-made one.
	d.remove(n, "the copy is whole: remove its marker", markers(h)...)
	d.step(n, "start", control(n, h, "start"))
	d.enable(n, h)
	s.awaitStart(d, n)
	s.awaitNewReceiver(d, n)
}
