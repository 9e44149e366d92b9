package cluster

import (
	"time"

	"github.com/repltool/repltool/facts"
)

// How old is what a standby shows? Its primary was at a position at one moment; a standby that has
// replayed that position has all that was committed by then. Both moments are taken by one
// clock, that of repltool, so that neither the clocks of the servers nor how often a WAL receiver
// reports count, and replay_lag, which is NULL for a standby that has nothing to report as well as
// for one that replays nothing, is not asked.

// Courses are where members that accept writes were, and when; by name.
type Courses map[string]*course

type course struct {
	timeline int
	marks    []mark // the oldest first
}

// mark is a position that was written at a moment, or later.
type mark struct {
	at  time.Time
	lsn uint64
}

// Add notes where a primary was. What was noted of another timeline is forgotten, and what is
// older than anybody asks for.
func (all Courses) Add(primary string, g facts.Glance, keep time.Duration) {
	lsn, known := facts.LSN(g.Server.LSN)
	if !known {
		return
	}
	c := all[primary]
	if c == nil || c.timeline != g.Server.Timeline {
		c = &course{timeline: g.Server.Timeline}
		all[primary] = c
	}
	c.marks = append(c.marks, mark{g.Asked, lsn})
	for len(c.marks) > 2 && g.Asked.Sub(c.marks[1].at) > keep {
		c.marks = c.marks[1:]
	}
}

// age is how old at most what a standby shows is, at the end of the glance; not known where it
// has not replayed anything that was noted of its primary.
func (all Courses) age(primary string, g facts.Glance) (age time.Duration, known bool) {
	lsn, ok := facts.LSN(g.Server.LSN)
	if c := all[primary]; c != nil && ok {
		for i := len(c.marks) - 1; i >= 0; i-- {
			if c.marks[i].lsn <= lsn {
				return max(g.Answered.Sub(c.marks[i].at), 0), true
			}
		}
	}
	return 0, false
}

// since is the moment of the oldest note of a primary, and now where there is none.
func (all Courses) since(primary string, now time.Time) time.Time {
	if c := all[primary]; c != nil {
		return c.marks[0].at
	}
	return now
}
