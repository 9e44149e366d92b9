package check

import (
	"cmp"
	"fmt"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// CheckSlots refuses to take a slot for one that it is not.
func CheckSlots(s *cluster.Cluster, out *draft.Findings) {
	for _, w := range s.WantedSlots() {
		if s.Running(w.On) || s.WillRun(w.On) {
			found := s.FoundSlot(w.On, w.Name)
			checkKind(s, w, found, out)
			checkStandbySlot(s, w, found, out)
		}
	}
}

// checkStandbySlot refuses to give a standby a slot that may be another server's.
func checkStandbySlot(s *cluster.Cluster, w cluster.WantedSlot, found *facts.Slot, out *draft.Findings) {
	if w.Fed == nil || found == nil || s.MayUse(w, found) {
		return
	}
	draft.RefuseSlot(s, w, found, out)
}

// checkClaim refuses to subscribe by a slot that is another consumer's, or that this
// subscription could not continue from.
func checkClaim(v *cluster.Subscription, slot *facts.Slot, out *draft.Findings) {
	if slot == nil || v.TakenBy(slot.Name) != nil || v.Is != nil && v.Is.Options.SlotName != slot.Name && !v.Remade() || checkSlotDatabase(v, slot, out) {
		return // of a slot that another one uses, and of one that it does not use, checkTaken and checkSlotName tell
	}
	p := v.Source
	n, w := p.Now.Leader, p.SlotFor(v.Subscription)
	refuse := func(summary, format string, args ...any) {
		what := fmt.Sprintf("%s: replication slot %s on %s ", v.ID, pg.Ident(slot.Name), n.Name)
		out.Fail(v.Range, summary, "%s", what+fmt.Sprintf(format, args...))
	}
	switch again := v.Remade() && v.Is.Options.SlotName != slot.Name; {
	case again && (!v.DropsSlot(slot.Name) || !p.IsOurs(cluster.Object{Kind: "slot", Name: slot.Name, In: n.Name})) || !p.MayUse(w, slot):
		refuse("Replication slot already exists", "already exists (%s), and %s for this subscription: another subscriber may depend on its position. "+
			"Give the subscription a slot of its own:\n  slot_name = \"NAME\"\nor, if the slot was created for this subscription, say so:\n  create_slot = false\n"+
			"The subscription then continues from the position of the slot.", cluster.SlotText(*slot), p.NotCreated(w, slot))
	case v.Is != nil:
		return // it is in use by this subscription
	case slot.Active:
		refuse("Slot in use", "is in use by process %d. Give the subscription another slot_name.", slot.ActivePID)
	case slot.WALStatus == "lost" && !p.Spent(w, slot):
		refuse("Slot with lost WAL", "exists, but has lost WAL that it needs. Give the subscription another slot_name.")
	case slot.Type != topology.SlotLogical || slot.Plugin != "pgoutput" || slot.Database != v.SourceDatabase():
		refuse("Slot of a different type", "exists, but is not a pgoutput slot of database %s. Give the subscription another slot_name.", v.SourceDatabase())
	case p.PublicationsToCome(v.Subscription) && !p.Spent(w, slot):
		refuse("Slot older than its publication",
			"exists, and this plan creates a publication that the subscription lists: earlier changes cannot be decoded "+
				"with it, and replication would stop with \"publication does not exist\". Remove create_slot and give the "+
				"subscription another slot_name, or apply the publications first and create the slot after them.")
	}
}

// checkKind refuses a slot block whose slot is there and is another one; that of a
// subscription is the subscription's to judge.
func checkKind(s *cluster.Cluster, w cluster.WantedSlot, found *facts.Slot, out *draft.Findings) {
	if w.By != nil || w.Fed != nil {
		return
	}
	if w.Type == topology.SlotLogical {
		for _, need := range []struct {
			what  string
			since int
			asked bool
		}{{"two_phase", 14, w.TwoPhase}, {"failover", 17, w.Failover}} {
			if need.asked && s.Major() != 0 && !s.AtLeast(need.since) {
				tooOld(s, w.Range, "slot "+w.Name+": "+need.what, need.since, out)
			}
		}
		checkWALLevel(s, w.Range, "slot "+w.Name, out)
	}
	if found == nil {
		return
	}
	for _, a := range []struct{ name, is, wanted string }{
		{"type", found.Type, w.Type},
		{"plugin", found.Plugin, w.Plugin},
		{"database", found.Database, w.Database},
		{"two_phase", fmt.Sprint(found.TwoPhase), fmt.Sprint(w.TwoPhase)},
		{"failover", fmt.Sprint(found.Failover), fmt.Sprint(w.Failover)},
	} {
		if a.is != a.wanted && !s.Ignores(w.Lifecycle, "slot", a.name) {
			out.Fail(w.Range, "Existing slot has different properties",
				"slot %s on %s has %s = %s, but the topology has %s. A slot cannot be altered: set the current value, or "+
					"drop it once its client does not need it any more:\n  SELECT pg_drop_replication_slot(%s);",
				pg.Ident(w.Name), w.On.Name, a.name, cmp.Or(a.is, "none"), cmp.Or(a.wanted, "none"), pg.Literal(w.Name))
		}
	}
}
