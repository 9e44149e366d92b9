package plan

import (
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// health tells of states that need eyes: standbys that do not stream, lag and WAL
// beyond the thresholds, slots that are lost. Changes answer some of them; it is
// told all the same, since an apply takes time.
func health(s *scope, out *findings) {
	s.reportApplies(out)
	for _, sb := range s.cluster.Standbys {
		s.standbyHealth(sb, out)
	}
	s.syncHealth(out)
	s.lossHealth(out)
	s.slotsHealth(out)
	subscriptionHealth(s, out)
	for _, n := range s.cluster.Members() {
		if s.running(n) {
			s.slotHealth(n, out)
		}
		s.nodeHealth(n, out)
	}
}

// reportApplies reports the applies that are at work: what differs may be their doing, and
// may be gone in a moment.
func (s *scope) reportApplies(out *findings) {
	if s.live() == nil || s.inApply {
		return
	}
	for _, a := range s.live().Applies {
		out.tellHealth(Warning, s.clusterAddress, "What differs may be on its way: check again when that apply has ended.",
			"an apply by %s is running on %s since %s", a.Who, s.cluster.Primary.Name, a.Since)
	}
}

func (s *scope) slotHealth(n *topology.Node, out *findings) {
	for _, slot := range s.found(n).Server.Slots {
		bad := func(severity Severity, hint, format string, args ...any) {
			out.tellHealth(severity, s.address("slot", slot.Name), hint, format, args...)
		}
		limit := s.cluster.Thresholds.SlotRetained
		switch {
		case slot.WALStatus == "lost" && slot.Type == topology.SlotLogical:
			if !s.subscribersSlot(slot.Name) { // of which the subscription tells
				bad(Error, s.recreateSlot(n, slot.Name), "slot %s on %s has lost WAL that it needs", ident(slot.Name), n.Name)
			}
		case slot.WALStatus == "lost":
			bad(Error, s.wayOut(n, slot.Name), "slot %s on %s has lost WAL that it needs", ident(slot.Name), n.Name)
		case limit != nil && slot.RetainedBytes != nil && *slot.RetainedBytes > *limit:
			bad(Error, slotHint(slot), "slot %s on %s holds back %s of WAL; the threshold is %s", ident(slot.Name), n.Name, bytesText(*slot.RetainedBytes), bytesText(*limit))
		case slot.WALStatus == "unreserved":
			bad(Warning, "it is lost at the next checkpoint unless its user catches up: "+slotHint(slot), "slot %s on %s is beyond max_slot_wal_keep_size", ident(slot.Name), n.Name)
		}
	}
}

// recreateSlot says how to recreate a logical slot that is no subscription's.
func (s *scope) recreateSlot(n *topology.Node, name string) string {
	drop := "SELECT pg_drop_replication_slot(" + literal(name) + ")"
	for _, slot := range s.cluster.PermanentSlots {
		if slot.Name == name && n == s.cluster.Primary {
			return "The slot cannot be recovered. To fix: stop its client, recreate the slot with -replace=" + s.address("slot", name).String() + ", and re-initialize the client."
		}
	}
	return "The slot cannot be recovered. To fix: stop its client, drop the slot on " + n.Name + " (" + drop + "), and re-initialize the client with another."
}

// wayOut tells what to do about a slot that has lost WAL.
func (s *scope) wayOut(n *topology.Node, slot string) string {
	for _, sb := range s.cluster.Standbys {
		if sb.Upstream == n && sb.Slot == slot {
			return "clone the standby again: -replace=" + s.standbyAddress(sb.Node).String()
		}
	}
	return "nothing brings that back: drop the slot on " + n.Name + " (SELECT pg_drop_replication_slot(" + literal(slot) + ")); one that the topology names is made anew, and who used it has to begin anew"
}

// slotHint tells whom to look at.
func slotHint(slot facts.Slot) string {
	if slot.Active {
		return "its user is connected and behind: look at that one"
	}
	return "nobody uses it: start its user, or drop the slot if there is none any more"
}
