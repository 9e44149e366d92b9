package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

// Failover slots (PostgreSQL 17): a subscription or a slot block says failover = true,
// and everything else follows from that. Standbys that follow the primary itself copy
// its slots: they need sync_replication_slots, hot_standby_feedback, a slot of their
// own and a database in primary_conninfo; the primary lists their slots in
// synchronized_standby_slots, so that no subscriber gets ahead of them. A name in that
// list whose slot is not there stalls every subscriber: it comes in last, once its
// standby streams, and leaves before its slot goes (PostgreSQL docs, 47.2.3
// "Replication Slot Synchronization").

const syncedSlots = "synchronized_standby_slots"

// failsOver tells whether some logical slot of the cluster is to survive a failover.
func (s *scope) failsOver() bool {
	if !s.atLeast(17) {
		return false
	}
	return slices.ContainsFunc(s.wantedSlots(), func(w wantedSlot) bool { return w.Failover })
}

// copiesSlots tells whether n keeps copies of the primary's slots, or would as its heir.
func (s *scope) copiesSlots(n *topology.Node) bool {
	sb := s.cluster.Standby(n)
	return s.failsOver() && (sb == nil || sb.Upstream == s.cluster.Primary)
}

// slotCopyLines are the parameters that follow.
func (s *scope) slotCopyLines(n *topology.Node) []line {
	if !s.copiesSlots(n) || len(s.cluster.Standbys) == 0 {
		return nil
	}
	const note = "for failover slots"
	return []line{
		{name: "hot_standby_feedback", value: "on", note: note},
		{name: "sync_replication_slots", value: "on", note: note},
	}
}

func (s *scope) syncedSlotsAddress() string { return s.cluster.ID + ".synchronized_slots" }

// wantedSyncedSlots is the value of synchronized_standby_slots.
func (s *scope) wantedSyncedSlots() string {
	if !s.failsOver() {
		return ""
	}
	var names []string
	for _, sb := range s.cluster.Standbys {
		if sb.Upstream == s.cluster.Primary && sb.Slot != "" {
			names = append(names, sb.Slot)
		}
	}
	return strings.Join(names, ", ")
}

// synchronizedSlots brings the list in line, after the standbys and before any slot goes.
func synchronizedSlots(s *scope, out *findings) {
	n := s.cluster.Primary
	if _, theirs := s.cluster.ParametersOf(n)[syncedSlots]; theirs || !s.atLeast(17) {
		return
	}
	s.checkFailover(out)
	current, wanted := s.inForce(syncedSlots), s.wantedSyncedSlots()
	if wanted == "" && !s.failsOver() && current != "" && !s.setBySystem(syncedSlots) {
		return // the user's own
	}
	d := newDraft(Update, s.syncedSlotsAddress(), n)
	if !sameNames(current, wanted) {
		d.worsen(Reload)
		d.after = append(s.standbyAddresses(), s.nodeAddress(n), s.parametersAddress(n))
		for _, sb := range s.cluster.Standbys {
			d.after = append(d.after, s.address("slot", sb.Slot))
		}
		d.differ(syncedSlots, ptr(literal(current)), ptr(literal(wanted)), "")
		set := "ALTER SYSTEM SET " + syncedSlots + " = " + literal(wanted) + ";"
		if wanted == "" {
			set = "ALTER SYSTEM RESET " + syncedSlots + ";"
		}
		d.sql(n, "set", set)
		d.reload(n)
	}
	out.put(d)
}

// setBySystem tells whether a value comes from ALTER SYSTEM.
func (s *scope) setBySystem(name string) bool {
	return s.live() != nil && strings.HasSuffix(s.live().Settings[name].SourceFile, autoConf)
}

func sameNames(a, b string) bool {
	split := func(text string) []string {
		return strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })
	}
	return sameSet(split(a), split(b))
}

// checkFailover refuses standbys that could not copy the slots.
func (s *scope) checkFailover(out *findings) {
	if !s.failsOver() {
		return
	}
	for _, sb := range s.cluster.Standbys {
		if sb.Upstream == s.cluster.Primary && sb.Slot == "" {
			out.fail(sb.Range, "No slot for failover slots", "%s has no slot on %s, and failover = true needs one: take out slots = false, or slot = false.", sb.Node.Name, s.cluster.Primary.Name)
		}
	}
}
