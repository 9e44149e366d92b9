package streaming

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// An apply that was cut off leaves a base backup behind: one that still runs, a whole one,
// or a part of one. Its job's record says what it makes, and the directory itself says how
// far it came:
//
//   - pg_basebackup leaves postmaster.opts out, and a server that starts writes it; recovery
//     takes backup_label away. A directory with the second and without the first was never
//     started: nobody's data are in it, and it may be removed and made again;
//   - backup_manifest gets its name last, after everything is synced. With it the backup is
//     judged by pg_verifybackup, whatever became of its exit status;
//   - a directory in which a server was started is never removed: -replace keeps it aside.
//
// Each of these has a way on that apply walks by itself, except two that need a word:
// a backup that runs with other options is canceled by -replace, and a directory in which
// a server was started is replaced by -replace.

// otherRuns is the error of a base backup that runs with other options.
func otherRuns(s *cluster.Cluster, sb *topology.Standby, why string, out *draft.Findings) {
	n, h := sb.Node, s.Found(sb.Node).Host
	for _, job := range h.Jobs {
		if job.Running {
			out.Finding(s.StandbyAddress(n), sb.Range, "Base backup with different options in progress",
				"%s: process %d, started by an earlier apply, runs\n"+
					"  %s\n"+
					"but the topology asks for a different one: %s. Wait until it has ended: the next apply removes its result "+
					"and starts the other one. Or cancel it:\n  repltool apply -replace=%s",
				n.Name, job.PID, strings.Join(job.Argv, " "), why, s.StandbyAddress(n))
			return
		}
	}
}

// cancelJob ends the process group of a job that runs, and waits until it has ended. The
// lock, not the number, says that it runs.
const cancelJob = `flock --nonblock --shared "$1/lock" true || ` +
	`{ read -r pid <"$1/pid" && kill -s TERM -- "-$pid" && flock --shared --wait 60 "$1/lock" true; }`

// cancel ends the jobs that run for sb.
func cancel(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) {
	n, h := sb.Node, s.Found(sb.Node).Host
	for _, job := range h.Jobs {
		if job.Running {
			d.Command(n, "cancel the running base backup", "sh", "-c", cancelJob, "sh", cluster.JobDir(h, job.ID))
		}
	}
	if sb.Slot != "" && s.Running(sb.Upstream) {
		d.Wait(sb.Upstream, "slot "+sb.Slot+" is free",
			"SELECT count(*) = 0 FROM pg_replication_slots WHERE active AND slot_name = "+pg.Literal(sb.Slot), draft.StreamTimeout)
	}
}

// discard removes what an earlier apply left, by its record, and records again what the
// next one fills.
func discard(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby) {
	n, h := sb.Node, s.Found(sb.Node).Host
	job := cluster.JobID(h, "clone")
	clone := h.Job(job)
	if len(h.Jobs) > 1 || clone == nil {
		d.Remove(n, "remove the record of its check", list.Without(cluster.Markers(h), []string{cluster.JobDir(h, job)})...)
	}
	if left := s.Leftovers(sb); len(left) > 0 {
		d.Command(n, "remove what it left outside the data directory", removeLeftovers(h, left)...)
	}
	if clone != nil {
		d.RemoveHalfMade(n, h, "remove it", draft.OfBasebackup, clone)
	}
	d.Note(n, h, job, toCopy(s, sb)...)
}

// asideJob names the job that moves the standby that is cloned again out of the way. Its
// record says that what is there is repltool's to remove, and goes with it.
func asideJob(h *facts.Host) string {
	if h.AsideJob != nil {
		return h.AsideJob.ID
	}
	return h.Key() + ".aside"
}

// removeAside removes what waits aside, and the record of it last.
func removeAside(s *cluster.Cluster, d *draft.Draft, n *topology.Node, why string, dirs []string) {
	h := s.Found(n).Host
	d.Remove(n, why, append(slices.Clone(dirs), cluster.JobDir(h, asideJob(h)))...)
}
