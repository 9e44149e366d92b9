package cluster

import (
	"cmp"
	"fmt"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// A standby that needs WAL which its upstream has removed asks for it again and again, and only
// its log says that it is refused (PostgreSQL docs, 26.2.5 "Streaming Replication"). A slot
// says so itself; without one, positions prove it.

// Lost reports whether a standby needs WAL that its upstream no longer has: it cannot continue,
// if no archive has it, and is not waited for.
func (s *Cluster) Lost(n *topology.Node) bool {
	sb := s.Cluster.Standby(n)
	return sb != nil && (s.SlotLost(sb) || s.lacksWAL(sb, sb.Upstream) != "" && !s.hasArchive(n))
}

// SlotLost reports whether the slot of a standby has lost WAL that it needs.
func (s *Cluster) SlotLost(sb *topology.Standby) bool {
	if sb.Slot == "" {
		return false
	}
	slot := s.FoundSlot(sb.Upstream, sb.Slot)
	return slot != nil && slot.WALStatus == "lost"
}

// WhyLost says which WAL a standby needs that its upstream, as it is now, no longer has, and how
// it recovers; "" and "" where that is not known.
func (s *Cluster) WhyLost(sb *topology.Standby, upstream *topology.Node) (what, fix string) {
	n := sb.Node
	again := fmt.Sprintf("clone it again: plan and apply with -replace=%s, and allow it with -allow=reclone.", s.StandbyAddress(n))
	what = s.lacksWAL(sb, upstream)
	if s.SlotLost(sb) && upstream == sb.Upstream {
		what = fmt.Sprintf("its slot %s on %s has lost WAL that it needs", pg.Ident(sb.Slot), upstream.Name)
	}
	switch {
	case what == "":
		return "", ""
	case s.hasArchive(n):
		return what, fmt.Sprintf("Its restore_command must fetch that from the archive: the log of %s says what fails. If the archive does not have it either, %s", n.Name, again)
	case upstream != sb.Upstream && !s.Lost(n):
		return what, "Apply: that repoints it to " + sb.Upstream.Name + "."
	}
	return what, "Cannot be recovered: " + again
}

// lacksWAL says that a standby needs WAL from before the oldest segment of an upstream, which
// does not serve it; "" where that is not proved. A standby has a received position once it
// has replayed all that it has, and has asked for more.
func (s *Cluster) lacksWAL(sb *topology.Standby, upstream *topology.Node) string {
	standby, up := s.Found(sb.Node), s.Found(upstream)
	if standby.Server == nil || standby.Server.Receiver == nil || up.Server == nil || up.Host == nil || !SameSystem(up, standby) {
		return ""
	}
	r := standby.Server.Receiver
	if r.ReceiveLSN == "" || r.Status == "streaming" || s.SenderOf(sb, upstream) != nil {
		return ""
	}
	needs := r.ReceiveLSN
	if *cmp.Or(facts.Behind(needs, standby.Server.LSN), new(int64)) > 0 {
		needs = standby.Server.LSN
	}
	if *cmp.Or(facts.Behind(needs, up.Host.OldestWAL), new(int64)) == 0 {
		return ""
	}
	return fmt.Sprintf("it needs WAL from %s on, and %s has removed all before %s", needs, upstream.Name, up.Host.OldestWAL)
}

func (s *Cluster) hasArchive(n *topology.Node) bool {
	server := s.Found(n).Server
	return server != nil && server.InForce("restore_command") != ""
}
