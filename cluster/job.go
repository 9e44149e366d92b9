package cluster

import (
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
)

// JobID names the detached command that does what to a data directory: as an earlier
// apply named it, else after that directory. Two topologies on one machine share the
// directory of jobs, and may have nodes of one name.
func JobID(h *facts.Host, what string) string {
	for _, job := range h.Jobs {
		if strings.HasSuffix(job.ID, "."+what) {
			return job.ID
		}
	}
	return h.Key() + "." + what
}

// JobDir is the directory of a job: the marker of an incomplete data directory.
func JobDir(h *facts.Host, id string) string { return path.Join(h.StateDir, "jobs", id) }

// Markers are the directories of all jobs that make or made the data directory of n,
// and of those that this plan starts.
func Markers(h *facts.Host) []string {
	clone := JobDir(h, JobID(h, "clone"))
	dirs := []string{JobDir(h, JobID(h, "verify"))}
	for _, job := range h.Jobs {
		dirs = append(dirs, JobDir(h, job.ID))
	}
	slices.Sort(dirs)
	return append(list.Without(slices.Compact(dirs), []string{clone}), clone) // last: it marks the data directory
}
