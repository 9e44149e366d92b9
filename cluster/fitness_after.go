package cluster

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/repltool/repltool/facts"
)

// A client that has written wants to read what it wrote: from a server that has replayed the place
// in the WAL that it was told of. A place is void once its timeline was left before it: a
// failover lost what was written there, and the same position is something else now (PostgreSQL
// docs, 26.3.6 "Timelines").

// lacks reports whether a position is before the place that is wanted.
func (j *judge) lacks(lsn string) bool {
	return j.asked.After.LSN != "" && *cmp.Or(facts.Behind(lsn, j.asked.After.LSN), new(int64)) > 0
}

// void is why nobody has, or will have, what was written up to the place that is wanted; "" for no
// reason. A primary may be asked for a position that it is about to write.
func (j *judge) void() string {
	after, w := j.asked.After, j.Found(j.writer)
	if after.LSN == "" {
		return ""
	}
	at := fmt.Sprintf("%d:%s", after.Timeline, after.LSN)
	switch {
	case after.Timeline > w.Server.Timeline:
		return fmt.Sprintf("%s is of timeline %d, and %s is on %d: it is of another cluster, or %s has replaced who wrote it", at, after.Timeline, j.writer.Name, w.Server.Timeline, j.writer.Name)
	case after.Timeline == w.Server.Timeline:
		if ahead := facts.Behind(w.Server.LSN, after.LSN); ahead != nil && *ahead > farApart {
			return fmt.Sprintf("%s is beyond what %s has written, %s: it is of another cluster", at, j.writer.Name, w.Server.LSN)
		}
		return ""
	case w.Host == nil || w.Host.History.Timeline != w.Server.Timeline:
		return fmt.Sprintf("the history of timeline %d could not be read on %s: whether %s is in it is not known", w.Server.Timeline, j.writer.Name, at)
	}
	i := slices.IndexFunc(w.Host.History.Left, func(b facts.Branch) bool { return b.Timeline == after.Timeline })
	if i < 0 {
		return fmt.Sprintf("%s: timeline %d is not in the history of %s", at, after.Timeline, j.writer.Name)
	}
	if left := w.Host.History.Left[i].LSN; *cmp.Or(facts.Behind(left, after.LSN), new(int64)) > 0 {
		return fmt.Sprintf("%s is lost: %s left timeline %d at %s, before it", at, j.writer.Name, after.Timeline, left)
	}
	return ""
}
