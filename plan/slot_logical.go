package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A logical slot is a slot block's, for a client that decodes by itself, or a
// subscription's. It holds a position that cannot be had again: one that is gone is
// made anew only where nobody has used it (PostgreSQL docs, 47.2.2 "Replication
// Slots").

// slotFor answers the slot of a subscription on this cluster's primary.
func (s *scope) slotFor(sub *topology.Subscription) wantedSlot {
	return wantedSlot{
		Slot: topology.Slot{
			Name: sub.Options.SlotName, Type: topology.SlotLogical, Plugin: "pgoutput", Database: sub.SourceDatabase(),
			Failover: isOn(sub.Options.Failover), Range: sub.Range,
		},
		on: s.cluster.Primary, by: sub,
	}
}

// publications come before the slot that decodes for them: what is decoded is seen with
// the catalog of its time, and a publication that was not there yet stops it for good. The
// slot is the subscription's own, or a slot block's that it uses.
func (s *scope) slotPublications(w wantedSlot) []topology.Address {
	var ids []topology.Address
	for _, sub := range s.subscribers() {
		if w.on == s.cluster.Primary && w.fed == nil && w.Name == sub.Options.SlotName {
			for _, p := range sub.Publications {
				ids = append(ids, p.Address())
			}
		}
	}
	return ids
}

// mayMake is false for the slot of a subscription that is there already, or may be,
// for one that the user makes, and for that of a standby that could not be read: nobody
// knows which slot that one uses.
func (s *scope) mayMake(w wantedSlot) bool {
	if w.by == nil {
		return w.fed == nil || s.found(w.fed).Complete()
	}
	of := s.of(w.by.Cluster)
	local, unknown := of.logical(w.by.Database)
	return w.by.CreateSlot && !unknown && s.targeted(w.by.Address()) && of.subscription(w.by, local).is == nil
}

// spent tells that a slot is of no use and is to be made anew: it has lost its WAL, and
// its standby is cloned again; or the subscription that it was made for was never made,
// and it lost its WAL or is older than a publication of it.
func (s *scope) spent(w wantedSlot, found *facts.Slot) bool {
	lost := found.WALStatus == "lost"
	if w.by == nil {
		return lost && w.fed != nil && s.recloned(w.fed)
	}
	return !found.Active && s.isOurs(object{"slot", w.Name, w.on.Name}) && s.mayMake(w) && (lost || s.publicationsToCome(w.by))
}

// publicationsToCome tells whether this plan makes a publication of the subscription.
func (s *scope) publicationsToCome(sub *topology.Subscription) bool {
	return slices.ContainsFunc(sub.Publications, func(p *topology.Publication) bool {
		found, _ := s.logical(p.Database)
		return found.Publication(p.Name) == nil
	})
}

// createSlotSQL makes a logical slot. Its consistent point comes once every
// transaction that writes now has ended.
func createSlotSQL(w wantedSlot) string {
	args := []string{literal(w.Name), literal(w.Plugin), "false"} // not temporary
	if w.TwoPhase || w.Failover {
		args = append(args, fmt.Sprint(w.TwoPhase))
	}
	if w.Failover {
		args = append(args, "true")
	}
	return "SET LOCAL lock_timeout = '10min';\nSELECT pg_create_logical_replication_slot(" + strings.Join(args, ", ") + ");"
}

// cameAlong confirms a slot that an interrupted apply created, or writes down that a failover slot, which repltool made on the primary before,
// is on the one that was promoted: it goes on being repltool's.
func (s *scope) cameAlong(d *draft, w wantedSlot, found *facts.Slot) {
	if found == nil || s.isOurs(object{"slot", w.Name, w.on.Name}) {
		return
	}
	if s.createdByIntent(w, found) {
		d.Action, d.Reason = Update, "an apply that was interrupted created it; the ledger does not have that yet"
		d.sql(s.cluster.Primary, "confirm", record(s.slotRow(w.on, w.Name)))
		return
	}
	if m := s.carriedOver(w, found); m != nil {
		d.Action, d.Reason = Update, "repltool made it on "+m.in+", and it came along to "+w.on.Name
		d.sql(s.cluster.Primary, "write down where it is", record(s.slotRow(w.on, w.Name)))
	}
}

// carriedOver answers the ledger's row of a failover slot that repltool created on the
// primary of before, or nil.
func (s *scope) carriedOver(w wantedSlot, found *facts.Slot) *row {
	if w.on != s.cluster.Primary || !found.Failover {
		return nil
	}
	for _, m := range s.managed("slot") {
		if m.name == w.Name {
			return &m
		}
	}
	return nil
}

// checkKind refuses a slot block whose slot is there and is another one; that of a
// subscription is the subscription's to judge.
func (s *scope) checkKind(w wantedSlot, found *facts.Slot, out *findings) {
	if w.by != nil || w.fed != nil {
		return
	}
	if w.Type == topology.SlotLogical {
		for _, need := range []struct {
			what  string
			since int
			asked bool
		}{{"two_phase", 14, w.TwoPhase}, {"failover", 17, w.Failover}} {
			if need.asked && s.major() != 0 && !s.atLeast(need.since) {
				s.tooOld(w.Range, "slot "+w.Name+": "+need.what, need.since, out)
			}
		}
		s.checkWALLevel(w.Range, "slot "+w.Name, out)
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
		if a.is != a.wanted && !s.ignores(w.Lifecycle, "slot", a.name) {
			out.fail(w.Range, "Slot is another one",
				"slot %s on %s has %s = %s, and the topology wants %s. A slot cannot be altered: write what is there, or drop it once its client needs it no more:\n  SELECT pg_drop_replication_slot(%s);",
				ident(w.Name), w.on.Name, a.name, cmp.Or(a.is, "none"), cmp.Or(a.wanted, "none"), literal(w.Name))
		}
	}
}

// leavingSubscription answers the subscription that uses the slot now and that this
// plan drops, or "".
func (s *scope) leavingSubscription(slot string) string {
	for _, m := range s.ledgered() {
		of := s.of(m.by)
		found, _ := of.logical(m.in)
		is := found.Subscription(m.name)
		if is != nil && is.Options.SlotName == slot && !of.wantsSubscription(m.in, m.name) {
			return m.name
		}
	}
	return ""
}

func (s *scope) wantsSubscription(database, name string) bool {
	return slices.ContainsFunc(s.subscriptions(), func(sub *topology.Subscription) bool {
		return sub.Database == database && (sub.Name == name || s.earlier("subscription", sub.Address(), database, sub.Name) == name)
	})
}

// subscribersSlot tells whether a subscription of the topology uses the slot.
func (s *scope) subscribersSlot(name string) bool {
	return slices.ContainsFunc(s.subscribers(), func(sub *topology.Subscription) bool { return sub.Options.SlotName == name })
}

// droppedWithRemake tells whether a subscription that is made anew, with a slot of
// another name, drops the slot itself.
func (s *scope) droppedWithRemake(slot string) bool {
	return slices.ContainsFunc(s.subscribers(), func(sub *topology.Subscription) bool {
		of := s.of(sub.Cluster)
		local, _ := of.logical(sub.Database)
		v := of.subscription(sub, local)
		return sub.CreateSlot && v.remade() && v.is.Options.SlotName == slot
	})
}
