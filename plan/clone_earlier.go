package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
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
// a backup that runs with other options is cancelled by -replace, and a directory in which
// a server was started is replaced by -replace.

// earlier is what an apply that was cut off left of a clone.
type earlier int

const (
	leftNothing   earlier = iota
	leftAside             // the records of a clone whose directory goes aside
	leftRunning           // a base backup that runs, as wanted
	leftOther             // one that runs with other options
	leftCancelled         // one that runs, and is to be cancelled
	leftWhole             // a base backup that succeeded
	leftUnjudged          // one that came to its end, with its exit status unknown
	leftPart              // part of one, or one of another kind; it was never started
	leftStarted           // a directory in which a server was started
)

// leftOf tells what an apply left for sb, and why that is not gone on with.
func (s *scope) leftOf(sb *topology.Standby) (left earlier, why string) {
	n, h := sb.Node, s.found(sb.Node).Host
	clone, verify := h.Job(jobID(h, "clone")), h.Job(jobID(h, "verify"))
	differs := copyDiffers(clone, s.basebackup(sb))
	switch {
	case len(h.Jobs) == 0:
		return leftNothing, ""
	case h.Making() && s.replace[s.standbyAddress(n)]:
		return leftCancelled, "an earlier apply started a base backup that still runs: it is cancelled, and what it left is removed first"
	case h.Making() && len(differs) > 0:
		return leftOther, strings.Join(differs, ", ")
	case h.Making() && !clone.Done():
		return leftRunning, "an earlier apply started the base backup, and it still runs: it is followed to its end"
	case s.moves(n):
		return leftAside, ""
	case h.Data.State != facts.DataCluster && clone != nil && clone.Argv == nil:
		return leftPart, "an earlier apply ended before the base backup began"
	case h.Data.State != facts.DataCluster:
		return leftPart, "an earlier apply left part of a base backup, in which no server was started: it is removed first"
	case !h.Data.Unstarted:
		return leftStarted, ""
	case s.replace[s.standbyAddress(n)]:
		return leftPart, "an earlier apply left a base backup in which no server was started: it is removed first, as -replace asks"
	case len(differs) > 0:
		return leftPart, "an earlier apply left a base backup with other options, in which no server was started: it is removed first: " + strings.Join(differs, ", ")
	case verify != nil && verify.ExitCode != nil && !verify.Done():
		return leftPart, "an earlier apply left a base backup that did not pass pg_verifybackup: it is removed first"
	case clone.Done():
		return leftWhole, "an earlier apply made the base backup: it is used"
	case h.Data.Manifest && clone.ExitCode == nil:
		return leftUnjudged, "an earlier apply made a base backup whose exit status is not known: pg_verifybackup decides"
	default:
		return leftPart, "an earlier apply left a base backup that failed, in which no server was started: it is removed first"
	}
}

// discards tells that a copy that an earlier apply left is removed.
func (s *scope) discards(sb *topology.Standby) bool {
	left, _ := s.leftOf(sb)
	return left == leftPart || left == leftCancelled
}

// copyDiffers names the options in which a base backup is another one than wanted: what
// it is a copy of, which WAL is kept for it, and which directories it fills. At what speed
// it was made does not matter, and neither does how it logged in.
func copyDiffers(job *facts.Job, wanted []string) []string {
	if job == nil {
		return nil
	}
	was, is := copyOptions(job.Argv), copyOptions(wanted)
	var names []string
	for name := range was {
		names = append(names, name)
	}
	for name := range is {
		names = append(names, name)
	}
	slices.Sort(names)
	var all []string
	for _, name := range slices.Compact(names) {
		if was[name] != is[name] {
			all = append(all, fmt.Sprintf("%s was %s, is %s", name, cmpOr(was[name], "not set"), cmpOr(is[name], "not set")))
		}
	}
	return all
}

func cmpOr(text, empty string) string {
	if text == "" {
		return empty
	}
	return text
}

// copyOptions answers the options of pg_basebackup that make what it copies.
func copyOptions(argv []string) map[string]string {
	options := map[string]string{}
	for i, word := range argv[:max(len(argv)-1, 0)] {
		value := argv[i+1]
		switch word {
		case "--pgdata", "--slot", "--waldir":
			options[word] = value
		case "--tablespace-mapping":
			options[word] = strings.TrimSpace(options[word] + " " + value)
		case "--dbname":
			from := conninfo.Map(value)
			options["its source"] = from["host"] + ":" + strconv.Itoa(portOf(from))
		}
	}
	return options
}

// otherRuns is the error of a base backup that runs with other options.
func (s *scope) otherRuns(sb *topology.Standby, why string, out *findings) {
	n, h := sb.Node, s.found(sb.Node).Host
	for _, job := range h.Jobs {
		if job.Running {
			out.finding(s.standbyAddress(n), sb.Range, "A base backup with other options is running",
				"%s: process %d, started by an earlier apply, runs\n  %s\nand the topology asks for another one: %s. Wait until it has ended: the next apply removes what it made and starts the other. Or cancel it:\n  repltool apply -replace=%s",
				n.Name, job.PID, strings.Join(job.Argv, " "), why, s.standbyAddress(n))
			return
		}
	}
}

// cancelJob ends the process group of a job that runs, and waits until it has ended. The
// lock, not the number, says that it runs.
const cancelJob = `flock --nonblock --shared "$1/lock" true || ` +
	`{ read -r pid <"$1/pid" && kill -s TERM -- "-$pid" && flock --shared --wait 60 "$1/lock" true; }`

// cancel ends the jobs that run for sb.
func (s *scope) cancel(d *draft, sb *topology.Standby) {
	n, h := sb.Node, s.found(sb.Node).Host
	for _, job := range h.Jobs {
		if job.Running {
			d.command(n, "cancel the base backup that runs", "sh", "-c", cancelJob, "sh", JobDir(h, job.ID))
		}
	}
	if sb.Slot != "" && s.running(sb.Upstream) {
		d.wait(sb.Upstream, "slot "+sb.Slot+" is free",
			"SELECT count(*) = 0 FROM pg_replication_slots WHERE active AND slot_name = "+literal(sb.Slot), streamTimeout)
	}
}

// discard removes what an earlier apply left, by its record, and records anew what the
// next one fills.
func (s *scope) discard(d *draft, sb *topology.Standby) {
	n, h := sb.Node, s.found(sb.Node).Host
	job := jobID(h, "clone")
	clone := h.Job(job)
	if len(h.Jobs) > 1 || clone == nil {
		d.remove(n, "remove the record of its check", without(markers(h), []string{JobDir(h, job)})...)
	}
	if left := s.leftovers(sb); len(left) > 0 {
		d.command(n, "remove what it left beside the data directory", removeLeftovers(h, left)...)
	}
	if clone != nil {
		d.removeHalfMade(n, h, "remove it", ofBasebackup, clone)
	}
	d.note(n, h, job, s.toCopy(sb)...)
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
func (s *scope) removeAside(d *draft, n *topology.Node, why string, dirs []string) {
	h := s.found(n).Host
	d.remove(n, why, append(slices.Clone(dirs), path.Join(h.StateDir, "jobs", asideJob(h)))...)
}
