// Package doctor finds states of the live clusters that need eyes.
package doctor

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Health tells of states that need eyes: standbys that do not stream, lag and WAL
// beyond the thresholds, slots that are lost. Changes answer some of them; it is
// told all the same, since an apply takes time.
func Health(s *cluster.Cluster, out *draft.Findings) {
	reportApplies(s, out)
	for _, sb := range s.Cluster.Standbys {
		standbyHealth(s, sb, out)
	}
	syncHealth(s, out)
	lossHealth(s, out)
	slotsHealth(s, out)
	subscriptionHealth(s, out)
	for _, n := range s.Cluster.Members() {
		if s.Running(n) {
			slotHealth(s, n, out)
		}
		nodeHealth(s, n, out)
	}
}

// reportApplies reports the applies that are at work: what differs may be their doing, and
// may be gone in a moment.
func reportApplies(s *cluster.Cluster, out *draft.Findings) {
	if s.Live() == nil || s.InApply {
		return
	}
	for _, a := range s.Live().Applies {
		out.TellHealth(plan.Warning, s.ClusterAddress, "The differences may be its work in progress: check again when that apply has finished.",
			"an apply by %s is running on %s since %s", a.Who, s.Leading().Name, a.Since)
	}
}

func slotHealth(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	for _, slot := range s.Found(n).Server.Slots {
		bad := func(severity plan.Severity, hint, format string, args ...any) {
			out.TellHealth(severity, s.Address("slot", slot.Name), hint, format, args...)
		}
		limit := s.Cluster.Thresholds.SlotRetained
		switch {
		case slot.WALStatus == "lost" && slot.Type == topology.SlotLogical:
			if !s.SubscribersSlot(slot.Name) { // of which the subscription tells
				bad(plan.Error, recreateSlot(s, n, slot.Name), "slot %s on %s has lost WAL that it needs", pg.Ident(slot.Name), n.Name)
			}
		case slot.WALStatus == "lost":
			bad(plan.Error, wayOut(s, n, slot.Name), "slot %s on %s has lost WAL that it needs", pg.Ident(slot.Name), n.Name)
		case limit != nil && slot.RetainedBytes != nil && *slot.RetainedBytes > *limit:
			bad(plan.Error, slotHint(slot), "slot %s on %s holds back %s of WAL; the threshold is %s", pg.Ident(slot.Name), n.Name, words.BytesText(*slot.RetainedBytes), words.BytesText(*limit))
		case slot.WALStatus == "unreserved":
			bad(plan.Warning, "it is lost at the next checkpoint unless its client catches up: "+slotHint(slot), "slot %s on %s is beyond max_slot_wal_keep_size", pg.Ident(slot.Name), n.Name)
		}
	}
}

// recreateSlot says how to recreate a logical slot that is no subscription's.
func recreateSlot(s *cluster.Cluster, n *topology.Node, name string) string {
	drop := "SELECT pg_drop_replication_slot(" + pg.Literal(name) + ")"
	for _, slot := range s.Cluster.PermanentSlots {
		if slot.Name == name && n == s.Goal.Primary {
			return "The slot cannot be recovered. To fix: stop its client, recreate the slot with -replace=" + s.Address("slot", name).String() + ", and re-initialize the client."
		}
	}
	return "The slot cannot be recovered. To fix: stop its client, drop the slot on " + n.Name + " (" + drop + "), and re-initialize the client with another."
}

// wayOut tells what to do about a slot that has lost WAL.
func wayOut(s *cluster.Cluster, n *topology.Node, slot string) string {
	for _, sb := range s.Cluster.Standbys {
		if sb.Upstream == n && sb.Slot == slot {
			return "clone the standby again: -replace=" + s.StandbyAddress(sb.Node).String()
		}
	}
	return "the slot cannot be recovered: drop it on " + n.Name + " (SELECT pg_drop_replication_slot(" + pg.Literal(slot) + ")) and re-initialize its client; a slot that the topology defines is created again"
}

// slotHint tells whom to look at.
func slotHint(slot facts.Slot) string {
	if slot.Active {
		return "its client is connected but lagging: check the client"
	}
	return "it is inactive: start its client, or drop the slot if it has none any more"
}

// lossHealth reports what is gone.
func lossHealth(s *cluster.Cluster, out *draft.Findings) {
	if s.Live() == nil {
		return
	}
	report := func(address topology.Address, what string, l cluster.Loss) {
		if l.Was != "" {
			out.TellHealth(plan.Error, address, l.Hint, "%s no longer exists (%s): %s", what, l.Was, l.Cost)
		}
	}
	for _, db := range s.Cluster.Databases {
		report(s.Address("database", db.Name), "database "+pg.Ident(db.Name), s.LostDatabase(db))
	}
	for _, w := range s.WantedSlots() {
		report(s.Address("slot", w.Name), "slot "+pg.Ident(w.Name), s.LostSlot(w))
	}
	for _, p := range s.Publications() {
		report(p.Address(), "publication "+pg.Ident(p.Name), s.LostPublication(p))
		if l := s.LostMember(p); l.Was != "" {
			out.TellHealth(plan.Error, p.Address(), l.Hint, "publication %s lacks a table that it is to publish (%s): %s", pg.Ident(p.Name), l.Was, l.Cost)
		}
	}
}
