package streaming

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A clone is pg_basebackup from the upstream into an empty directory, verified,
// given its own settings and configuration, started, and waited for until it streams. The copy
// runs detached under a job whose directory marks the data directory as half
// made: an apply that died is taken up where it was. A directory that holds
// anything else is never written over; cloning again keeps it aside until the new
// one streams (PostgreSQL docs, pg_basebackup and pg_verifybackup).

func clone(s *cluster.Cluster, sb *topology.Standby, out *draft.Findings) *draft.Draft {
	n, h := sb.Node, s.Found(sb.Node).Host
	again := s.Moves(n)
	action := plan.Create
	lost := len(s.Traces(n)) > 0
	if again || lost {
		action = plan.Replace
	}
	diverged := s.Diverged(n, s.Now.Leader)
	d := draft.NewDraft(action, s.StandbyAddress(n), n)
	if lost {
		d.Reason = "the previous data is lost: cloned again because of -replace"
	}
	d.Needs = append(s.UpstreamAddresses(sb), earlierClone(s, sb)...)
	d.Needs = append(d.Needs, s.NodeAddress(n), s.BasebackupAddress(n))
	d.After = s.RestartsBefore(sb)
	d.Needs = append(d.Needs, leaveFirst(s, sb, out)...)
	d.Worsen(plan.CopyData)
	size := s.CloneBytes(sb)
	d.Effect = copyNote(size)
	d.Copies = []plan.Copy{{Node: n.Name, Bytes: size}}
	d.Differ("upstream", nil, plan.Ptr(sb.Upstream.Name), "")
	// Before all else: from now on what is there is the job's.
	if !again && h.Job(cluster.JobID(h, "clone")) == nil {
		d.Note(n, h, cluster.JobID(h, "clone"), toCopy(s, sb)...)
	}
	if s.Cluster.Replication.Role.Password.IsSet() {
		draft.WritePassfile(s, d, n, h.Passfile, s.StandbyPasswords(sb), nil)
	}
	if again {
		setAside(s, d, sb, diverged)
	}
	if !copySteps(s, d, sb, out) {
		return draft.NewDraft(action, s.StandbyAddress(n), n)
	}
	configure(s, d, sb)
	startClone(s, d, sb)
	if again || h.AsideJob != nil {
		removeAside(s, d, n, "the new clone streams: remove the old data directory", s.OldOnes(sb))
	}
	return d
}

// copySteps adds the copy and its check, or what is left to do of those that an earlier
// apply began. It is false, with an error, where that needs a word of the user's.
func copySteps(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby, out *draft.Findings) bool {
	n, h := sb.Node, s.Found(sb.Node).Host
	copying := plan.Command{Argv: s.Basebackup(sb), Job: cluster.JobID(h, "clone"), Bytes: s.CloneBytes(sb), Remedy: draft.Admit(s, sb)}
	checking := plan.Command{Argv: verify(s, n, h), Job: cluster.JobID(h, "verify")}
	verify := h.Job(checking.Job)
	left, why := s.LeftOf(sb)
	switch left {
	case cluster.LeftNothing:
		if s.Moves(n) {
			d.Note(n, h, copying.Job, toCopy(s, sb)...)
		}
	case cluster.LeftOther:
		otherRuns(s, sb, why, out)
		return false
	case cluster.LeftStarted:
		out.Finding(s.StandbyAddress(n), sb.Range, "Unverifiable earlier base backup",
			"%s: an earlier apply was interrupted while it cloned into %s, and a server has been started there since. "+
				"repltool removes no directory in which a server has run. Clone the standby again; the old data directory is "+
				"kept until the new clone streams:\n  repltool apply -allow=reclone -replace=%s",
			n.Name, h.DataDir, s.StandbyAddress(n))
		return false
	case cluster.LeftAside: // what was there is aside; only the markers are in the way
		d.Remove(n, "remove the markers of an earlier base backup", cluster.Markers(h)...)
		d.Note(n, h, copying.Job, toCopy(s, sb)...)
	case cluster.LeftRunning:
		d.Reason = why
		if clone := h.Job(copying.Job); clone != nil {
			copying.Argv = clone.Argv
		}
	case cluster.LeftWhole, cluster.LeftUnjudged:
		d.Reason = why
		if verify.Failed() {
			d.Remove(n, "remove the record of an interrupted check", cluster.JobDir(h, checking.Job))
		}
	case cluster.LeftCancelled:
		d.Reason = why
		cancel(s, d, sb)
		discard(s, d, sb)
	case cluster.LeftPart:
		d.Reason = why
		discard(s, d, sb)
	}
	finished := left == cluster.LeftRunning && draft.FinishFirst(s, sb, copying, out)
	if left != cluster.LeftWhole && left != cluster.LeftUnjudged && !finished {
		d.Step(n, "base backup", copying)
	}
	if left == cluster.LeftUnjudged || s.Cluster.BaseBackup.Verify && !(left == cluster.LeftWhole && verify.Done()) {
		d.Step(n, "verify the base backup", checking)
	}
	return true
}

// verify is the command line that checks the copy against its manifest.
// Configuration files that did not come with it may lie in it already.
func verify(s *cluster.Cluster, n *topology.Node, h *facts.Host) []string {
	argv := []string{cluster.Binary(h, "pg_verifybackup")}
	if h.Layout == facts.LayoutDebian || s.NeedsConfig(n) {
		for _, file := range cluster.ConfigFiles() {
			argv = append(argv, "--ignore", file)
		}
	}
	return append(argv, h.DataDir)
}

// earlierClone keeps clones from one upstream within its free WAL senders: a
// copy takes two, a standby that streams one.
func earlierClone(s *cluster.Cluster, sb *topology.Standby) []topology.Address {
	var siblings []*topology.Standby
	for _, other := range s.Cluster.Standbys {
		if other.Upstream == sb.Upstream && s.Recloned(other.Node) {
			siblings = append(siblings, other)
		}
	}
	window := max(1, s.FreeSenders(sb.Upstream)-len(siblings))
	if i := slices.Index(siblings, sb); i >= window {
		return []topology.Address{s.StandbyAddress(siblings[i-window].Node)}
	}
	return nil
}

// configure gives the copy its files and the blocks in them.
func configure(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) {
	n, h := sb.Node, s.Found(sb.Node).Host
	if s.NeedsConfig(n) {
		takeConfig(s, d, n)
	}
	takeOwn(s, d, sb)
	d.Step(n, "write postgresql.conf", draft.ConfFile(s, n, s.Lines(n), h.Conf.Text))
	d.Step(n, "write pg_hba.conf", draft.HBAFile(s, n, h.HBA.Text))
}

// startClone starts the copy and waits for it.
func startClone(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) {
	n, h := sb.Node, s.Found(sb.Node).Host
	draft.CheckFirst(s, d, n)
	// Before it starts: from then on the directory is a standby like any other, and
	// no later plan may take it for a half-made one.
	d.Remove(n, "the base backup is complete: remove its marker", cluster.Markers(h)...)
	d.Step(n, "start", draft.Control(n, h, "start"))
	d.Enable(n, h)
	draft.AwaitStart(s, d, n)
	draft.AwaitNewReceiver(s, d, n)
}
