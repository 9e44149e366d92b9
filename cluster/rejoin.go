package cluster

import (
	"cmp"
	"fmt"
	"path"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A promotion leaves the old primary behind, and perhaps a standby that had more of the old
// timeline than the new primary. Such a member is a standby of the new primary again in one of
// two ways (PostgreSQL docs, 26.3.6 "Timelines"):
//
//   - its last record begins before the fork, where the new primary left the timeline: it has
//     nothing that the new primary lacks, and follows as it is, once the apply has seen that the new
//     primary has the same record. Two members may have begun a timeline of the same number, or
//     have written one each, where somebody removed standby.signal;
//   - it has written past the fork: it has diverged, and is cloned again. What only it has is
//     kept as WAL, and nobody discards it without a word of the user's.
//
// Both are proved by what was read: pg_control, the last record in pg_wal, and the new primary's
// history file. Where one of these is missing nothing is planned, and likewise where the
// timeline of the member is not in that history: which one is right is for a person to say.

// WALKept has, by ALTER SYSTEM, the value KeepAllWAL while a member is stopped that is to be cloned
// again: the checkpoint of a shutdown removes WAL.
const (
	WALKept    = "wal_keep_size"
	KeepAllWAL = "1000000GB"
)

// Fork returns where the history of the primary left the timeline of a standby; "" where
// it did not, or where that is not known.
func (s *Cluster) Fork(n *topology.Node) string {
	p := s.Found(s.Now.Leader)
	if p.Host == nil || p.Server == nil || p.Host.History.Timeline != p.Server.Timeline {
		return ""
	}
	for _, b := range p.Host.History.Left {
		if b.Timeline == ends(s.Found(n)).Timeline {
			return b.LSN
		}
	}
	return ""
}

// WasPrimary reports whether a member that is to be a standby is down and would start as a
// primary.
func (s *Cluster) WasPrimary(n *topology.Node) bool {
	f := s.Found(n)
	return s.Cluster.Standby(n) != nil && f.Complete() && f.Server == nil && f.Host.Data.State == facts.DataCluster && !f.Host.StandbySignal
}

// Follows reports whether an old primary that is down can follow the new one as it is.
func (s *Cluster) Follows(n *topology.Node) bool {
	f := s.Found(n)
	return s.WasPrimary(n) && s.Now.Leader == s.Goal.Primary && s.Live() != nil && SameSystem(f, s.Found(s.Now.Leader)) &&
		f.Host.WALEnd.Last != "" && f.Host.WALEnd.Sum.Segment != "" && s.Fork(n) != "" && s.Diverged(n, s.Now.Leader) == nil && s.WALGone(n) == ""
}

// WALGone says that an old primary, which could follow, needs WAL that its upstream has removed,
// to go on from and to be compared with: an archive would do for the first alone.
func (s *Cluster) WALGone(n *topology.Node) string {
	needs := s.Found(n).Host.WALEnd.Last
	for _, up := range []*facts.Node{s.Found(s.Cluster.Standby(n).Upstream), s.Found(s.Leading())} {
		if up.Host != nil && *cmp.Or(facts.Behind(needs, up.Host.OldestWAL), new(int64)) > 0 {
			return fmt.Sprintf("it needs WAL from %s on, and %s has removed all before %s", needs, up.Name, up.Host.OldestWAL)
		}
	}
	return ""
}

// Rejoins returns in what a member has diverged from the primary, where it is to become a standby
// of it again by a new clone; nil where that is not so, or not known.
func (s *Cluster) Rejoins(n *topology.Node) *Divergence {
	f := s.Found(n)
	if s.Cluster.Standby(n) == nil || s.Now.Leader == nil || s.Now.Leader != s.Goal.Primary || !f.Complete() || f.Host.Data.State != facts.DataCluster || len(f.Host.Jobs) > 0 {
		return nil
	}
	if d := s.Diverged(n, s.Now.Leader); d != nil && d.Left != "" {
		return d
	}
	return nil
}

// Lost is how many bytes of WAL only the member has, at least.
func (d Divergence) Lost() int64 { return *cmp.Or(facts.Behind(d.Left, d.Has.LSN), new(int64)) }

// From is where what only the member has begins; 0/0 where nobody knows.
func (d Divergence) From() string { return cmp.Or(d.Left, "0/0") }

// Unkept says that a member has removed some of the WAL that only it has, so that it cannot be kept.
func (d Divergence) Unkept(h *facts.Host) string {
	if *cmp.Or(facts.Behind(d.From(), h.OldestWAL), new(int64)) <= 0 || d.Left == "" {
		return ""
	}
	return fmt.Sprintf("; it has removed the WAL before %s, so of what it wrote from %s to there no WAL is kept: the changes are in its tables alone, so save what matters of them first", h.OldestWAL, d.Left)
}

// LostDir is where the WAL is kept that only a diverged member has.
func LostDir(h *facts.Host, d *Divergence) string {
	return path.Join(h.StateDir, "lost", fmt.Sprintf("%s-timeline%d-%s", h.Key(), d.Has.Timeline, strings.ReplaceAll(d.From(), "/", "_")))
}

// ends is how far a member has WAL: of a server that is down as far as it would recover.
func ends(f *facts.Node) facts.Branch {
	if f.Server != nil || f.Host == nil || f.Host.WALEnd.LSN == "" {
		return reached(f)
	}
	return facts.Branch{Timeline: f.Host.WALEnd.Timeline, LSN: f.Host.WALEnd.LSN}
}

// beyond reports whether a member has a record that begins at the fork or after it. Records that
// two servers share begin and end alike, so the last one that begins before it ends there at most.
func beyond(f *facts.Node, has facts.Branch, fork string) bool {
	if end := f.Host.WALEnd; f.Server == nil && end.Last != "" {
		last, _ := facts.LSN(end.Last)
		at, known := facts.LSN(fork)
		return known && last >= at
	}
	return *cmp.Or(facts.Behind(fork, has.LSN), new(int64)) > 0
}
