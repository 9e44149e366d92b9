package cluster

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// A replication slot holds a position that its consumer cannot get back once another
// one has moved it. A slot that exists is therefore used only where one of these holds:
//   - the ledger says that repltool created it, or the ledger has an intent and the
//     slot is as that creation leaves it (intent.go);
//   - it is evidently in use by the standby or the subscription that the topology has
//     for it, so that this one is adopted as it is;
//   - the topology claims it in words: a slot block, or create_slot = false.
// A name is no claim: any other slot is an error, active or not (PostgreSQL docs,
// 27.2.6 "Replication Slots" and 49.2.2 "Replication Slots").

// MayUse reports whether a slot that exists is the wanted one.
func (s *Cluster) MayUse(w WantedSlot, found *facts.Slot) bool {
	switch {
	case s.IsOurs(Object{"slot", w.Name, w.On.Name}), s.CarriedOver(w, found) != nil, s.CreatedByIntent(w, found):
		return true
	case w.Fed != nil:
		return s.standbyUses(w, found)
	case w.By != nil:
		return !w.By.CreateSlot || s.subscriptionUses(w, found)
	}
	return true // a slot block
}

// standbyUses reports whether a physical slot is that of the standby it is wanted for. A
// standby that is down, or was not read, is not judged: this plan gives it no slot.
func (s *Cluster) standbyUses(w WantedSlot, found *facts.Slot) bool {
	f := s.Found(w.Fed)
	if f.Server == nil {
		return !s.Recloned(w.Fed)
	}
	up := s.UpstreamOf(f)
	return f.Server.InRecovery && f.Server.InForce("primary_slot_name") == w.Name && (up == nil || up == w.On || found.Active)
}

// subscriptionUses reports whether a logical slot is that of the subscription as it is:
// it names the slot, and connects to this cluster, or has a worker while the slot is
// in use (its connection may name the host in another way).
func (s *Cluster) subscriptionUses(w WantedSlot, found *facts.Slot) bool {
	v, unknown := s.SubscriptionOf(w.By)
	is := v.Is
	if is == nil || is.Options.SlotName != w.Name {
		return unknown // nothing is planned for it then
	}
	conn := conninfo.Map(is.ConnInfo.Reveal())
	here := slices.ContainsFunc(s.Cluster.Members(), func(n *topology.Node) bool { return conn["host"] == n.Address && pg.PortOf(conn) == n.Port })
	return here || found.Active && is.Worker != nil
}

// SlotText describes a slot that exists.
func SlotText(slot facts.Slot) string {
	text := slot.Type
	if slot.Type == topology.SlotLogical {
		text += ", " + slot.Plugin + ", database " + pg.Ident(slot.Database)
	}
	text += ", " + Activity(slot)
	if slot.RetainedBytes != nil {
		text += fmt.Sprintf(", holds back %s of WAL", words.BytesText(*slot.RetainedBytes))
	}
	return text
}

// DeclaresSlot reports whether a slot block makes the slot.
func (s *Cluster) DeclaresSlot(name string) bool {
	return slices.ContainsFunc(s.Cluster.PermanentSlots, func(slot *topology.Slot) bool { return slot.Name == name })
}
