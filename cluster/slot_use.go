package cluster

import (
	"slices"

	"github.com/repltool/repltool/topology"
)

// LeavesSlot reports whether whoever uses a slot leaves it in this plan: a standby that gets
// another upstream or another slot, or a subscription that is dropped or gets another publisher.
func (s *Cluster) LeavesSlot(n *topology.Node, slot string) bool {
	for _, sb := range s.Cluster.Standbys {
		if sb.Slot == slot || s.SlotInUse(sb, n) == slot {
			return true
		}
	}
	return s.leavingSubscription(slot) != "" || s.movesAway(n, slot)
}

// movesAway reports whether the subscription that uses a slot is recreated with another publisher.
func (s *Cluster) movesAway(n *topology.Node, slot string) bool {
	found := s.FoundSlot(n, slot)
	return found != nil && slices.ContainsFunc(s.Consumers(slot, found.Database), func(c Consumer) bool {
		v := c.declared()
		return v != nil && v.Remade() && s.Targeted(v.Address()) && (v.Source == nil || v.Source.Cluster != s.Cluster)
	})
}

// SlotInUse returns the slot of n that a standby uses now, or used before it went down, or "".
func (s *Cluster) SlotInUse(sb *topology.Standby, n *topology.Node) string {
	f := s.Found(sb.Node)
	if s.IsDown(sb.Node) && s.sameAddress(sb.Node, s.ConnNow(sb.Node)["host"], n.Address) {
		slot, _ := s.StandbyValue(sb.Node, "primary_slot_name")
		return slot
	}
	if f.Server == nil || !f.Server.InRecovery || s.Followed(sb) != n {
		return ""
	}
	return f.Server.InForce("primary_slot_name")
}
