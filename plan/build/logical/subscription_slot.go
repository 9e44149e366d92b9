package logical

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// KeepSlotNames returns the topology with the slots that its subscriptions have. A slot
// cannot be renamed: a subscription that gets another name, and whose slot_name is not
// written, keeps the slot that repltool created for it (cluster, slot_consumer.go).
func KeepSlotNames(t *topology.Topology, f facts.Facts, o cluster.Options) *topology.Topology {
	kept := *t
	kept.Subscriptions = slices.Clone(t.Subscriptions)
	world := cluster.New(t, f, o)
	for i, sub := range t.Subscriptions {
		v, _ := world.Of(sub.Cluster).SubscriptionOf(sub)
		if !v.KeepsSlot() {
			continue
		}
		same := *sub
		same.Options.SlotName = v.Is.Options.SlotName
		kept.Subscriptions[i] = &same
	}
	return &kept
}
