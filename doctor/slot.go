package doctor

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// Slots that have lost WAL, hold back too much of it, or belong to nothing (PostgreSQL docs,
// 54.19 "pg_replication_slots").

func slotHealth(s *cluster.Cluster, n *topology.Node, out *Findings) {
	for _, slot := range s.Found(n).Server.Slots {
		f := Finding{Severity: Error, Address: s.Address("slot", slot.Name), Node: n.Name, Evidence: view("wal_status "+slot.WALStatus+" in pg_replication_slots", n.Name)}
		limit := s.Cluster.Thresholds.SlotRetained
		switch {
		case slot.WALStatus == "lost":
			if slot.Type == topology.SlotLogical && s.SubscribersSlot(slot.Name) {
				continue // reported with the subscription
			}
			if s.Copier(slot.Name) != nil {
				continue // the copy begins again, or is reported with the subscription
			}
			f.Code, f.Fix = "slot_lost", wayOut(s, n, slot)
			out.report(f, "slot %s on %s has lost WAL that it needs", pg.Ident(slot.Name), n.Name)
		case limit != nil && slot.RetainedBytes != nil && *slot.RetainedBytes > *limit:
			f.Code, f.Fix, f.Evidence = "slot_retains_wal", slotHint(s, slot), view("restart_lsn in pg_replication_slots", n.Name)
			out.report(f, "slot %s on %s holds back %s of WAL; the threshold is %s", pg.Ident(slot.Name), n.Name, words.BytesText(*slot.RetainedBytes), words.BytesText(*limit))
		case slot.WALStatus == "unreserved":
			f.Code, f.Severity, f.Fix = "slot_unreserved", Warning, "It is lost at the next checkpoint unless its client catches up. "+slotHint(s, slot)
			out.report(f, "slot %s on %s is beyond max_slot_wal_keep_size", pg.Ident(slot.Name), n.Name)
		}
	}
}

// wayOut says what to do about a slot that has lost WAL.
func wayOut(s *cluster.Cluster, n *topology.Node, slot facts.Slot) string {
	if slot.Type == topology.SlotLogical {
		return recreateSlot(s, n, slot.Name)
	}
	for _, sb := range s.Cluster.Standbys {
		if sb.Upstream == n && sb.Slot == slot.Name {
			return "Clone the standby again: apply with -replace=" + s.StandbyAddress(sb.Node).String() + "."
		}
	}
	return "The slot cannot be recovered. Drop it on " + n.Name + " (SELECT pg_drop_replication_slot(" + pg.Literal(slot.Name) + ")) and re-initialize its client. A slot that the topology defines is created again."
}

// recreateSlot says how to recreate a logical slot that is no subscription's.
func recreateSlot(s *cluster.Cluster, n *topology.Node, name string) string {
	drop := "SELECT pg_drop_replication_slot(" + pg.Literal(name) + ")"
	for _, slot := range s.Cluster.PermanentSlots {
		if slot.Name == name && n == s.Goal.Primary {
			return "The slot cannot be recovered. Stop its client, recreate the slot with -replace=" + s.Address("slot", name).String() + ", and re-initialize the client."
		}
	}
	return "The slot cannot be recovered. Stop its client, drop the slot on " + n.Name + " (" + drop + "), and re-initialize the client with another."
}

// slotHint says what to look at.
func slotHint(s *cluster.Cluster, slot facts.Slot) string {
	if c := s.Copier(slot.Name); c != nil {
		return "It is of the initial copy of a table by " + c.String() + ", which tries again until that succeeds: see the log there. Do not drop the slot."
	}
	if slot.Active {
		return "Its client is connected but lagging: check the client."
	}
	return "It is inactive: start its client, or drop the slot if it has none any more."
}

// leftoverSlots are those of initial table copies whose subscription is gone. Its name says
// whose a slot is: the subscription's OID and the subscriber's system identifier. A slot
// of a system that is not defined in the topology, or of a subscription that exists, may
// belong to a copy under way, though it is not active at the moment.
func leftoverSlots(s *cluster.Cluster, out *Findings) {
	n := s.Now.Leader
	if s.Live() == nil {
		return
	}
	for _, slot := range s.Live().Slots {
		if subscription, system, ok := pg.CopySlot(slot.Name); ok && !slot.Active && subscriptionGone(s, subscription, system) {
			out.report(Finding{
				Code: "copy_slot_left_over", Severity: Error, Address: s.Address("slot", slot.Name), Node: n.Name,
				Evidence: view("its name and active = false in pg_replication_slots", n.Name) + ", and pg_subscription of the subscriber",
				Fix:      "Drop it on " + n.Name + ": SELECT pg_drop_replication_slot(" + pg.Literal(slot.Name) + ");",
			}, "slot %s on %s is left over from the copy of a table, and holds back WAL: its subscription no longer exists", pg.Ident(slot.Name), n.Name)
		}
	}
}

// subscriptionGone reports whether the subscriber of that system identifier was read, and has no
// such subscription.
func subscriptionGone(s *cluster.Cluster, subscription int64, system string) bool {
	read := false
	for _, n := range s.Topology.Nodes {
		server := s.Found(n).Server
		if server == nil || server.SystemIdentifier != system {
			continue
		}
		if slices.Contains(server.SubscriptionOIDs, subscription) {
			return false
		}
		read = true
	}
	return read
}

// abandonedSlots are those of subscriptions that were dropped by hand: not defined in the
// topology, not repltool's to drop, and used by no subscription that was read.
func abandonedSlots(s *cluster.Cluster, out *Findings) {
	n := s.Now.Leader
	if s.Live() == nil {
		return
	}
	for _, slot := range s.Live().Slots {
		_, _, copies := pg.CopySlot(slot.Name)
		known := slot.Active || slot.Temporary || slot.Synced || copies || cluster.SlotWanted(s.WantedSlots(), s.Goal.Primary, slot.Name) ||
			s.IsOurs(cluster.Object{Kind: "slot", Name: slot.Name, In: n.Name})
		if known || slot.Plugin != "pgoutput" || s.SlotUser(n, slot.Name) != nil || len(s.Consumers(slot.Name, slot.Database)) > 0 {
			continue
		}
		out.report(Finding{
			Code: "slot_abandoned", Severity: Warning, Address: s.Address("slot", slot.Name), Node: n.Name,
			Evidence: view("active = false in pg_replication_slots", n.Name) + ", and pg_subscription of every server that was read",
			Fix:      "If nothing needs it, drop it on " + n.Name + ": SELECT pg_drop_replication_slot(" + pg.Literal(slot.Name) + ");",
		}, "slot %s on %s is not in use, no subscription that was read uses it, and it holds back WAL", pg.Ident(slot.Name), n.Name)
	}
}
