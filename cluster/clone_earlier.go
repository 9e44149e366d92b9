package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// CopyRuns recognizes a standby whose base backup an earlier apply began and which runs.
func (s *Cluster) CopyRuns(sb *topology.Standby) bool {
	if !s.Recloned(sb.Node) {
		return false
	}
	left, _ := s.LeftOf(sb)
	return left == LeftRunning
}

func (s *Cluster) BasebackupAddress(n *topology.Node) topology.Address {
	return s.StandbyAddress(n).With(topology.PartBaseBackup)
}

// earlier is what an apply that was cut off left of a clone.
type earlier int

const (
	LeftNothing   earlier = iota
	LeftAside             // the records of a clone whose directory goes aside
	LeftRunning           // a base backup that runs, as wanted
	LeftOther             // one that runs with other options
	LeftCancelled         // one that runs, and is to be canceled
	LeftWhole             // a base backup that succeeded
	LeftUnjudged          // one that came to its end, with its exit status unknown
	LeftPart              // part of one, or one of another kind; it was never started
	LeftStarted           // a directory in which a server was started
)

// LeftOf says what an apply left for sb, and why that is not continued.
func (s *Cluster) LeftOf(sb *topology.Standby) (left earlier, why string) {
	n, h := sb.Node, s.Found(sb.Node).Host
	clone, verify := h.Job(JobID(h, "clone")), h.Job(JobID(h, "verify"))
	differs := copyDiffers(clone, s.Basebackup(sb))
	switch {
	case len(h.Jobs) == 0:
		return LeftNothing, ""
	case h.Making() && s.Decision(n) == Reclone:
		return LeftCancelled, "an earlier apply started a base backup that is still running: it is canceled, and what it left is removed " +
			"first"
	case h.Making() && len(differs) > 0:
		return LeftOther, strings.Join(differs, ", ")
	case h.Making() && !clone.Done():
		return LeftRunning, "an earlier apply started the base backup, and it is still running: this apply waits for it"
	case s.Moves(n):
		return LeftAside, ""
	case h.Data.State != facts.DataCluster && clone != nil && clone.Argv == nil:
		return LeftPart, "an earlier apply ended before the base backup began"
	case h.Data.State != facts.DataCluster:
		return LeftPart, "an earlier apply left part of a base backup, in which no server was started: it is removed first"
	case !h.Data.Unstarted:
		return LeftStarted, ""
	case s.Decision(n) == Reclone:
		return LeftPart, "an earlier apply left a base backup in which no server was started: it is removed first, as -replace asks"
	case len(differs) > 0:
		return LeftPart, "an earlier apply left a base backup with other options, in which no server was started: it is removed first: " + strings.Join(differs, ", ")
	case verify != nil && verify.ExitCode != nil && !verify.Done():
		return LeftPart, "an earlier apply left a base backup that did not pass pg_verifybackup: it is removed first"
	case clone.Done():
		return LeftWhole, "an earlier apply completed the base backup: it is used"
	case h.Data.Manifest && clone.ExitCode == nil:
		return LeftUnjudged, "an earlier apply completed a base backup whose exit status is unknown: pg_verifybackup decides"
	default:
		return LeftPart, "an earlier apply left a base backup that failed, in which no server was started: it is removed first"
	}
}

// copyDiffers names the options in which a base backup is another one than wanted: what
// it is a copy of, which WAL is kept for it, and which directories it fills. At what speed
// it was made does not matter, and neither does how it logged in.
func copyDiffers(job *facts.Job, wanted []string) []string {
	if job == nil {
		return nil
	}
	was, is := copyOptions(job.Argv), copyOptions(wanted)
	either := maps.Clone(was)
	maps.Copy(either, is)
	var all []string
	for _, name := range list.SortedKeys(either) {
		if was[name] != is[name] {
			all = append(all, fmt.Sprintf("%s was %s, is %s", name, cmp.Or(was[name], "not set"), cmp.Or(is[name], "not set")))
		}
	}
	return all
}

// copyOptions returns the options of pg_basebackup that make what it copies.
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
			options["its source"] = from["host"] + ":" + strconv.Itoa(pg.PortOf(from))
		}
	}
	return options
}
