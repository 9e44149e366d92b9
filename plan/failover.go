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

func (s *scope) syncedSlotsAddress() topology.Address {
	return s.address("synchronized_slots", "")
}

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
// A slot leaves it before its standby is cloned again or it is made again: subscribers
// would wait for the copy, or advance on what the copy has flushed.
func synchronizedSlots(s *scope, out *findings) {
	n := s.cluster.Primary
	if !s.atLeast(17) {
		return
	}
	current, wanted := s.inForce(syncedSlots), s.wantedSyncedSlots()
	_, theirs := s.parametersOf(n)[syncedSlots]
	theirs = theirs || wanted == "" && !s.failsOver() && current != "" && !s.setBySystem(syncedSlots)
	d := newDraft(Update, s.syncedSlotsAddress(), n)
	shrunk, leaves := s.leaveSlots(current, out)
	d.after = s.beforeSyncedSlots()
	switch {
	case theirs && !leaves:
		return // parameters compares it, or nobody does
	case theirs, leaves && s.closes(d, s.leavingSlotsAddress(), out):
		wanted = current
		d.Reason = "this plan relaxes it: it is restored"
	}
	if leaves || !sameNames(current, wanted) {
		d.worsen(Reload)
		d.differ(syncedSlots, ptr(literal(shrunk)), ptr(literal(wanted)), "")
		set := "ALTER SYSTEM SET " + syncedSlots + " = " + literal(wanted) + ";"
		if wanted == "" || theirs && !s.setBySystem(syncedSlots) {
			set = "ALTER SYSTEM RESET " + syncedSlots + ";"
		}
		d.sql(n, "set", set)
		d.reload(n)
	}
	out.put(d)
}

func (s *scope) beforeSyncedSlots() []topology.Address {
	n := s.cluster.Primary
	after := append(s.standbyAddresses(), s.nodeAddress(n), s.parametersAddress(n), s.leavingSlotsAddress())
	for _, sb := range s.cluster.Standbys {
		after = append(after, s.address("slot", sb.Slot))
	}
	return after
}

func (s *scope) leavingSlotsAddress() topology.Address {
	return s.syncedSlotsAddress().With(topology.PartLeaving)
}

// leaveSlots takes the slots out of the list in force whose standbys are copied, or which
// are made again, and puts those changes after that. It answers the list from then on.
func (s *scope) leaveSlots(current string, out *findings) (value string, leaves bool) {
	if s.live() == nil || current == "" {
		return current, false
	}
	var stay []string
	var disturbing []*draft
	for _, name := range slotNames(current) {
		before := len(disturbing)
		for _, d := range out.drafts {
			if s.disturbsSlot(d, name) {
				disturbing = append(disturbing, d)
			}
		}
		if len(disturbing) == before {
			stay = append(stay, name)
		}
	}
	if len(disturbing) == 0 {
		return current, false
	}
	n := s.cluster.Primary
	d := newDraft(Update, s.leavingSlotsAddress(), n)
	d.worsen(Reload)
	d.closedBy = s.syncedSlotsAddress()
	d.Reason = "subscribers must neither wait for a base backup nor advance with one"
	d.after = []topology.Address{s.nodeAddress(n), s.parametersAddress(n)}
	value = strings.Join(stay, ", ")
	d.differ(syncedSlots, ptr(literal(current)), ptr(literal(value)), "")
	d.sql(n, "leave the list", "ALTER SYSTEM SET "+syncedSlots+" = "+literal(value)+";")
	d.reload(n)
	d.wait(n, "value in force", "SELECT setting = "+literal(value)+" FROM pg_settings WHERE name = "+literal(syncedSlots), settleTimeout)
	for _, other := range disturbing {
		other.after = append(other.after, d.Address)
	}
	out.drafts = append(out.drafts, d)
	return value, true
}

// disturbsSlot tells that a draft clones the slot's standby again, or makes the slot again.
func (s *scope) disturbsSlot(d *draft, name string) bool {
	if d.Address == s.address("slot", name) {
		return d.Action == Replace
	}
	return slices.ContainsFunc(s.cluster.Standbys, func(sb *topology.Standby) bool {
		return sb.Slot == name && d.Address == s.standbyAddress(sb.Node) && d.Impact == CopyData
	})
}

// setBySystem tells whether a value comes from ALTER SYSTEM.
func (s *scope) setBySystem(name string) bool {
	return s.live() != nil && strings.HasSuffix(s.live().Settings[name].SourceFile, autoConf)
}

func sameNames(a, b string) bool {
	return sameSet(slotNames(a), slotNames(b))
}

func slotNames(list string) []string {
	return strings.FieldsFunc(list, func(r rune) bool { return r == ',' || r == ' ' || r == '"' })
}

// checkFailover refuses standbys that could not copy the slots.
func checkFailover(s *scope, out *findings) {
	if !s.atLeast(17) || !s.failsOver() {
		return
	}
	for _, sb := range s.cluster.Standbys {
		if sb.Upstream == s.cluster.Primary && sb.Slot == "" {
			out.fail(sb.Range, "No slot for failover slots", "%s has no slot on %s, and failover = true needs one: take out slots = false, or slot = false.", sb.Node.Name, s.cluster.Primary.Name)
		}
	}
}
