package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// That a cluster is not there is proved, not assumed: an empty data directory is what an
// unmounted file system looks like. A cluster is created, and a standby is cloned, only
// where nothing on the host says that one was there before: no configuration files, no
// password file, no server log, no record of a job that completed, no file system that
// belongs there and is not mounted. Before a job fills directories, it records which of
// them did not exist or were empty; nothing else is removed after it.

// checkMounted refuses a node that is down, or has no cluster, while a file system that its
// directories belong on is not mounted.
func (s *scope) checkMounted(n *topology.Node, f *facts.Node, out *findings) {
	if f.Server != nil || f.Host.Running {
		return
	}
	for _, m := range f.Host.Unmounted {
		if d := f.Host.Dir(m.Dir); m.Dir != f.Host.DataDir && (d == nil || d.Link == "") && !s.recloned(n) {
			continue // what a clone would fill, and none is made
		}
		out.finding(s.nodeAddress(n), s.rangeOf(n), "File system is not mounted",
			"%s: %s says that a file system belongs on %s, and none is mounted there. %s is on it: what it holds now cannot be seen. Mount it on %s and plan again:\n  mount %s\nIf there is no such file system any more, remove that entry.",
			n.Name, m.Source, m.Point, m.Dir, n.Name, m.Point)
	}
}

// checkLinks refuses to start a server whose WAL directory or a tablespace is missing:
// recovery would create the directories again, in the wrong place, and go on without the
// data (PostgreSQL docs, 23.6 "Tablespaces").
func (s *scope) checkLinks(n *topology.Node, f *facts.Node, out *findings) {
	if f.Server != nil || f.Host.Running || f.Host.Data.State != facts.DataCluster || s.recloned(n) {
		return
	}
	for _, d := range f.Host.Dirs {
		if d.Link != "" && empty(d.State) {
			out.finding(s.nodeAddress(n), s.rangeOf(n), "Directory of the cluster is missing",
				"%s is down, and its %s is a link to %s, which %s. It is not started: the server would run without the data that belong there. Check on %s whether a file system is not mounted.",
				n.Name, path.Join(f.Host.DataDir, d.Link), d.Path, emptiness(d.State), n.Name)
		}
	}
}

// checkTraces refuses to create a cluster where one was before.
func (s *scope) checkTraces(n *topology.Node, f *facts.Node, out *findings) {
	traces, h := s.traces(n), f.Host
	if s.needsConfig(n) && h.ConfigDir != h.DataDir && !empty(h.ConfigState) && !h.WasAbsent(h.ConfigDir) {
		out.fail(s.rangeOf(n), "Configuration directory is not empty",
			"%s: %s has files and no postgresql.conf. repltool writes over nothing: move that directory away, or put the configuration files back.", n.Name, h.ConfigDir)
		return
	}
	if len(traces) == 0 || s.replace[s.standbyAddress(n)] {
		return
	}
	way := fmt.Sprintf("If the data are lost, clone %s again with -replace=%s.", n.Name, s.standbyAddress(n))
	if n == s.cluster.Primary {
		way = "If the data are lost, restore a backup there, or name a standby that has them as the primary. Only if an empty cluster is to be created in their place, move these files away."
	}
	out.finding(s.nodeAddress(n), s.rangeOf(n), "Data directory is missing",
		"%s: %s %s, and a cluster was there before:\n  %s\nNothing is created in its place. Check on %s whether a file system is not mounted. %s",
		n.Name, f.Host.DataDir, emptiness(f.Host.Data.State), strings.Join(traces, "\n  "), n.Name, way)
}

// traces answers what says that the missing data directory of n was a cluster; none
// where the directory is there, or a job of repltool explains what is left.
func (s *scope) traces(n *topology.Node) []string {
	f := s.found(n)
	h := f.Host
	if h == nil || h.Running || f.Server != nil || h.Data.State == facts.DataCluster || h.AsideJob != nil {
		return nil
	}
	var traces []string
	for _, j := range h.Jobs {
		if j.Done() && !strings.HasSuffix(j.ID, ".verify") {
			traces = append(traces, JobDir(h, j.ID)+": the record of a job that completed")
		}
	}
	begun := len(h.Jobs) > 0 && len(traces) == 0
	if h.ConfigDir != h.DataDir && !empty(h.ConfigState) && !(begun && (n != s.cluster.Primary || h.WasAbsent(h.ConfigDir))) {
		traces = append(traces, h.ConfigDir+": configuration files"+s.blockNote(h))
	}
	if begun {
		return traces
	}
	for _, left := range []struct{ file, what string }{{h.ServerLog, "the log of its server"}, {mayBeOf(h.DataDir, h.Passfile), "its password file"}} {
		if left.file != "" {
			traces = append(traces, left.file+": "+left.what)
		}
	}
	return traces
}

// mayBeOf answers the path of a password file that has a block of the data directory's
// instance, or lines without a block, which may be its own; "" where all that it has
// belongs to other instances.
func mayBeOf(dataDir string, f facts.SecretFile) string {
	names := conftext.BlockNames(f.Text.Reveal())
	rest, err := conftext.RenameBlock(f.Text.Reveal(), names, dataDir, "", conftext.First)
	others := len(names) > 0 && !slices.Contains(names, dataDir) && err == nil && strings.TrimSpace(rest) == ""
	if !f.Exists || others {
		return ""
	}
	return f.Path
}

func (s *scope) blockNote(h *facts.Host) string {
	if !s.confBlock(h).found() {
		return ""
	}
	return ", with the block of cluster " + s.cluster.Name
}

func empty(state facts.DataState) bool {
	return slices.Contains([]facts.DataState{"", facts.DataAbsent, facts.DataEmpty}, state)
}

func emptiness(state facts.DataState) string {
	if state == facts.DataAbsent {
		return "does not exist"
	}
	return "is empty"
}

// noteAbsent records directories that do not exist or are empty, and fails on one that
// holds something: what is found in them later is the job's.
const noteAbsent = `umask 077; job=$1; shift; for dir; do [ ! -e "$dir" ] && [ ! -L "$dir" ] || { files=$(ls -A -- "$dir") && [ -z "$files" ]; } || ` +
	`{ echo "$dir is not empty" >&2; exit 1; }; done; mkdir -p -- "$job" && printf '%s\0' "$@" >"$job/absent.new" && mv -f -- "$job/absent.new" "$job/absent"`

// note adds the step that records what a job is going to fill.
func (d *draft) note(n *topology.Node, h *facts.Host, job string, dirs ...string) {
	d.command(n, "record which directories do not exist yet", append([]string{"sh", "-c", noteAbsent, "sh", JobDir(h, job)}, dirs...)...)
}

// What a program leaves that writes a data directory, as a test of its directory $1:
// backup_label tells a base backup from a new cluster.
const (
	ofBasebackup = `[ -e "$1/backup_label" ]`
	ofInitdb     = `[ ! -e "$1/backup_label" ]`
)

// neverStarted ends a script unless no server was started in the directory $1: it has no
// pg_control, or is as the program leaves it, without postmaster.opts, which a server writes
// as it starts. What cannot be told counts as started.
func neverStarted(asMade string) string {
	return `case $(LC_ALL=C stat -- "$1/global/pg_control" 2>&1) in *'No such file or directory' | *'Not a directory') ;; ` +
		`*) ` + asMade + ` && [ ! -e "$1/postmaster.opts" ] || { echo "a server may have been started in $1" >&2; exit 1; } ;; esac; `
}

// removeHalfMade empties the directories that the job's record names, and leaves the
// record. A directory in which a server was started between the plan and this step is
// left alone.
func removeHalfMade(asMade string) string {
	return `job=$1; shift; ` + neverStarted(asMade) + `for dir; do [ ! -d "$dir" ] || { find "$dir" -xdev -mindepth 1 -delete && { rmdir -- "$dir" 2>/dev/null || :; }; } || exit; done; ` +
		`find "$job" -mindepth 1 ! -name absent -delete`
}

// removeHalfMade adds the step that removes what a job left that did not complete.
func (d *draft) removeHalfMade(n *topology.Node, h *facts.Host, why, asMade string, j *facts.Job) {
	argv := []string{"sh", "-c", removeHalfMade(asMade), "sh", JobDir(h, j.ID), h.DataDir}
	if h.ConfigDir != h.DataDir && slices.Contains(j.Absent, h.ConfigDir) {
		argv = append(argv, h.ConfigDir)
	}
	d.command(n, why, argv...)
}
