package draft

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// NoteAbsent records directories that do not exist or are empty, and fails on one that
// holds something: what is found in them later is the job's.
const NoteAbsent = `umask 077; job=$1; shift; for dir; do [ ! -e "$dir" ] && [ ! -L "$dir" ] || { files=$(ls -A -- "$dir") && [ -z "$files" ]; } || ` +
	`{ echo "$dir is not empty" >&2; exit 1; }; done; mkdir -p -- "$job" && printf '%s\0' "$@" >"$job/absent.new" && mv -f -- "$job/absent.new" "$job/absent"`

// Note adds the step that records what a job is going to fill.
func (d *Draft) Note(n *topology.Node, h *facts.Host, job string, dirs ...string) {
	d.Command(n, "record which directories do not exist yet", append([]string{"sh", "-c", NoteAbsent, "sh", cluster.JobDir(h, job)}, dirs...)...)
}

// What a program leaves that writes a data directory, as a test of its directory $1:
// backup_label tells a base backup from a new cluster.
const (
	OfBasebackup = `[ -e "$1/backup_label" ]`
	OfInitdb     = `[ ! -e "$1/backup_label" ]`
)

// NeverStarted ends a script unless no server was started in the directory $1: it has no
// pg_control, or is as the program leaves it, without postmaster.opts, which a server writes
// as it starts. What cannot be known counts as started.
func NeverStarted(asMade string) string {
	return `case $(LC_ALL=C stat -- "$1/global/pg_control" 2>&1) in *'No such file or directory' | *'Not a directory') ;; ` +
		`*) ` + asMade + ` && [ ! -e "$1/postmaster.opts" ] || { echo "a server may have been started in $1" >&2; exit 1; } ;; esac; `
}

// removeHalfMade empties the directories that the job's record names, and leaves the
// record. A directory in which a server was started between the plan and this step is
// left alone.
func removeHalfMade(asMade string) string {
	return `job=$1; shift; ` + NeverStarted(asMade) + `for dir; do [ ! -d "$dir" ] || { find "$dir" -xdev -mindepth 1 -delete && { rmdir -- "$dir" 2>/dev/null || :; }; } || exit; done; ` +
		`find "$job" -mindepth 1 ! -name absent -delete`
}

// RemoveHalfMade adds the step that removes what a job left that did not complete.
func (d *Draft) RemoveHalfMade(n *topology.Node, h *facts.Host, why, asMade string, j *facts.Job) {
	argv := []string{"sh", "-c", removeHalfMade(asMade), "sh", cluster.JobDir(h, j.ID), h.DataDir}
	if h.ConfigDir != h.DataDir && slices.Contains(j.Absent, h.ConfigDir) {
		argv = append(argv, h.ConfigDir)
	}
	d.Command(n, why, argv...)
}
