package plan

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// keepSlotNames answers the topology with the slots that its subscriptions have. A slot
// cannot be renamed: a subscription that gets another name, and whose slot_name is not
// written, keeps the slot that repltool created for it.
func keepSlotNames(t *topology.Topology, f facts.Facts, o Options) *topology.Topology {
	kept := *t
	kept.Subscriptions = slices.Clone(t.Subscriptions)
	for i, sub := range t.Subscriptions {
		s := newScope(t, sub.Cluster, f, o)
		local, _ := s.logical(sub.Database)
		v := s.subscription(sub, local)
		if sub.NamesSlot() || s.replace[sub.Address()] || v.is == nil || v.is.Options.SlotName == sub.Options.SlotName || !v.madeSlot() {
			continue
		}
		same := *sub
		same.Options.SlotName = v.is.Options.SlotName
		kept.Subscriptions[i] = &same
	}
	return &kept
}

// madeSlot tells whether the ledger has the slot that the subscription uses now.
func (v *subscription) madeSlot() bool {
	if v.publisher == nil || v.is.Options.SlotName == "" {
		return false
	}
	return slices.ContainsFunc(v.publisher.managed("slot"), func(r row) bool { return r.name == v.is.Options.SlotName })
}
