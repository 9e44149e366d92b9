package cluster

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// WantedSlot is a physical slot and the node that it is wanted on.
type WantedSlot struct {
	topology.Slot
	On  *topology.Node
	Fed *topology.Node // the standby that uses it; nil for a slot block
	// By is the subscription that uses it, or nil.
	By *topology.Subscription
}

// slotsOfUsers computes WantedSlots.
func (s *Cluster) slotsOfUsers() []WantedSlot {
	var all []WantedSlot
	for _, sb := range s.Cluster.Standbys {
		if sb.Slot != "" {
			all = append(all, WantedSlot{Slot: topology.Slot{Name: sb.Slot, Type: topology.SlotPhysical, Range: sb.Range}, On: sb.Upstream, Fed: sb.Node})
		}
	}
	for _, slot := range s.Cluster.PermanentSlots {
		all = append(all, WantedSlot{Slot: *slot, On: s.Goal.Primary})
	}
	for _, sub := range s.Subscribers() {
		all = append(all, s.SlotFor(sub))
	}
	return all
}

// FoundSlot returns the slot on n, or nil.
func (s *Cluster) FoundSlot(n *topology.Node, name string) *facts.Slot {
	if s.Recloned(n) {
		return nil
	}
	return s.Found(n).Server.Slot(name)
}

func Activity(slot facts.Slot) string {
	if slot.Active {
		return "in use"
	}
	return "not in use"
}

func SlotWanted(wanted []WantedSlot, n *topology.Node, name string) bool {
	return slices.ContainsFunc(wanted, func(w WantedSlot) bool { return w.On == n && w.Name == name })
}

// PerhapsRenamed says how to rename a node, where the slot that it leaves has the name of
// none of the topology.
func (s *Cluster) PerhapsRenamed(n *topology.Node, slot string) string {
	named := func(n *topology.Node) bool { return n.SlotName() == slot }
	if slices.ContainsFunc(s.Topology.Nodes, named) || len(n.Earlier) > 0 {
		return ""
	}
	return fmt.Sprintf("; if node %s was renamed, add to the topology: moved { from = node.%s, to = %s } (each on its own line)", slot, slot, n.ID)
}

// HeldBy returns the standby that uses a slot and keeps it while its replay is paused; or nil.
func (s *Cluster) HeldBy(slot string) *topology.Node {
	for _, sb := range s.Cluster.Standbys {
		if sb.Slot == slot && !s.Recloned(sb.Node) && s.Paused(sb.Node) {
			return sb.Node
		}
	}
	return nil
}

func (s *Cluster) StandbyAddresses() []topology.Address {
	var all []topology.Address
	for _, sb := range s.Cluster.Standbys {
		all = append(all, s.StandbyAddress(sb.Node))
	}
	return all
}

// WantedSlots returns every slot that the cluster is to have.
func (s *Cluster) WantedSlots() []WantedSlot {
	return compute(s, "slots", s.Cluster, func() []WantedSlot { return slices.Clip(s.slotsOfUsers()) })
}

// SlotFor returns the slot of a subscription on the member that should lead.
func (s *Cluster) SlotFor(sub *topology.Subscription) WantedSlot {
	return WantedSlot{
		Slot: topology.Slot{
			Name: sub.Options.SlotName, Type: topology.SlotLogical, Plugin: "pgoutput", Database: sub.SourceDatabase(),
			Failover: pg.IsOn(sub.Options.Failover), Range: sub.Range,
		},
		On: s.Goal.Primary, By: sub,
	}
}
