package cluster

import (
	"cmp"
	"fmt"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A promotion ends a timeline where the new primary had replayed it. A standby that has
// more of that timeline cannot follow, and may be the only one with commits that clients
// were told of; so may the old primary (PostgreSQL docs, 26.3.6 "Timelines", 27.3 "Failover").

// Divergence is what a member has and a primary does not.
type Divergence struct {
	Has  facts.Branch // how far the member has WAL
	Left string       // where the primary left that timeline; "" if it never was on it
}

// String says so, of the member n and the primary.
func (d Divergence) String(n, primary string) string {
	if d.Left == "" {
		return fmt.Sprintf("%s has WAL of timeline %d up to %s, and timeline %d is not in the history of %s", n, d.Has.Timeline, d.Has.LSN, d.Has.Timeline, primary)
	}
	return fmt.Sprintf("%s has WAL of timeline %d up to %s, and %s left that timeline at %s: the %d bytes beyond may contain acknowledged commits that %s does not have",
		n, d.Has.Timeline, d.Has.LSN, primary, d.Left, *facts.Behind(d.Left, d.Has.LSN), primary)
}

// Diverged returns where n parted from a primary that runs; nil where it did not, or where
// it is not known. It is proved by WAL segments, since what the server says of its timeline
// may be minutes old.
func (s *Cluster) Diverged(n, primary *topology.Node) *Divergence {
	f, p := s.Found(n), s.Found(primary)
	if n == primary || f.Host == nil || p.Host == nil || p.Server == nil || p.Server.InRecovery || !SameSystem(f, p) {
		return nil
	}
	has := ends(f)
	if has.LSN == "" || has.Timeline == 0 || has.Timeline >= p.Server.Timeline || p.Host.History.Timeline != p.Server.Timeline {
		return nil
	}
	for _, b := range p.Host.History.Left {
		if b.Timeline == has.Timeline {
			if beyond(f, has, b.LSN) {
				return &Divergence{has, b.LSN}
			}
			return nil
		}
	}
	return &Divergence{Has: has}
}

// SameSystem reports whether two nodes have data of one cluster.
func SameSystem(a, b *facts.Node) bool {
	return a.Host.Control != nil && b.Host != nil && b.Host.Control != nil && a.Host.Control.SystemIdentifier == b.Host.Control.SystemIdentifier
}

// SystemOf is the system identifier of a node's data, as its server or its files say; "" is
// not known.
func SystemOf(f *facts.Node) string {
	switch {
	case f.Server != nil:
		return f.Server.SystemIdentifier
	case f.Host != nil && f.Host.Control != nil:
		return f.Host.Control.SystemIdentifier
	}
	return ""
}

// reached is how far a standby has WAL, at least.
func reached(f *facts.Node) facts.Branch {
	if f.Server == nil {
		if f.Host.Control == nil {
			return facts.Branch{}
		}
		return facts.Branch{Timeline: max(f.Host.Control.Reached.Timeline, f.Host.WALTimeline), LSN: f.Host.Control.Reached.LSN}
	}
	has := facts.Branch{Timeline: max(f.Server.Timeline, f.Host.WALTimeline), LSN: f.Server.LSN}
	if r := f.Server.Receiver; r != nil && *cmp.Or(facts.Behind(has.LSN, r.ReceiveLSN), new(int64)) > 0 {
		has.LSN = r.ReceiveLSN
	}
	return has
}

// NewestTimeline is the newest one of which a server has WAL, also where it is down: it starts
// with that one. 0 is not known.
func NewestTimeline(f *facts.Node) int {
	if f.Host == nil {
		return 0
	}
	return reached(f).Timeline
}

// MostWAL returns the standby that has the most WAL; n where no other one has more.
func (s *Cluster) MostWAL(n *topology.Node) (*topology.Node, facts.Branch) {
	best, has := n, reached(s.Found(n))
	for _, m := range s.Cluster.Members() {
		f := s.Found(m)
		if m == n || f.Host == nil || f.Server == nil {
			continue
		}
		if r := reached(f); r.Timeline > has.Timeline || r.Timeline == has.Timeline && *cmp.Or(facts.Behind(has.LSN, r.LSN), new(int64)) > 0 {
			best, has = m, r
		}
	}
	return best, has
}
