package streaming

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
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

// SynchronizedSlots brings the list in line, after the standbys and before any slot goes.
// A slot leaves it before its standby is cloned again or it is made again: subscribers
// would wait for the copy, or advance on what the copy has flushed.
func SynchronizedSlots(s *cluster.Cluster, out *draft.Findings) {
	n := s.Goal.Primary
	if !s.AtLeast(17) {
		return
	}
	current, wanted := s.InForce(cluster.SyncedSlots), s.WantedSyncedSlots()
	_, theirs := s.ParametersOf(n)[cluster.SyncedSlots]
	theirs = theirs || wanted == "" && !s.FailsOver() && current != "" && !s.SetBySystem(n, cluster.SyncedSlots)
	d := draft.NewDraft(plan.Update, s.SyncedSlotsAddress(), n)
	shrunk, leaves := leaveSlots(s, current, out)
	d.Needs, d.After = beforeSyncedSlots(s), []topology.Address{s.ParametersAddress(n)}
	switch {
	case theirs && !leaves:
		return // parameters compares it, or nobody does
	case theirs, leaves && closes(s, d, s.LeavingSlotsAddress(), out):
		wanted = current
		d.Reason = "restores the value that this plan relaxes"
	}
	if leaves || !cluster.SameNames(current, wanted) {
		d.Worsen(plan.Reload)
		d.Differ(cluster.SyncedSlots, plan.Ptr(pg.Literal(shrunk)), plan.Ptr(pg.Literal(wanted)), "")
		set := draft.AlterSystem(cluster.SyncedSlots, wanted)
		if wanted == "" || theirs && !s.SetBySystem(n, cluster.SyncedSlots) {
			set = draft.ResetSystem(cluster.SyncedSlots)
		}
		d.SQL(n, "set", set)
		d.Reload(n)
	}
	out.Put(d)
}

func beforeSyncedSlots(s *cluster.Cluster) []topology.Address {
	n := s.Goal.Primary
	needs := append(s.StandbyAddresses(), s.NodeAddress(n), s.LeavingSlotsAddress())
	for _, sb := range s.Cluster.Standbys {
		needs = append(needs, s.Address("slot", sb.Slot))
	}
	return needs
}

// leaveSlots takes the slots out of the list in force whose standbys are copied, or which
// are made again, and puts those changes after that. It returns the list from then on.
func leaveSlots(s *cluster.Cluster, current string, out *draft.Findings) (value string, leaves bool) {
	if s.Live() == nil || current == "" {
		return current, false
	}
	var stay []string
	var disturbing []*draft.Draft
	for _, name := range cluster.SlotNames(current) {
		before := len(disturbing)
		for _, d := range out.Drafts {
			if disturbsSlot(s, d, name) {
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
	n := s.Goal.Primary
	d := draft.NewDraft(plan.Update, s.LeavingSlotsAddress(), n)
	d.Worsen(plan.Reload)
	d.Closer = s.SyncedSlotsAddress()
	d.Reason = "subscribers must neither wait for a base backup nor get ahead of one"
	d.Needs, d.After = []topology.Address{s.NodeAddress(n)}, []topology.Address{s.ParametersAddress(n)}
	value = strings.Join(stay, ", ")
	d.Differ(cluster.SyncedSlots, plan.Ptr(pg.Literal(current)), plan.Ptr(pg.Literal(value)), "")
	d.SQL(n, "remove from the list", draft.AlterSystem(cluster.SyncedSlots, value))
	d.Reload(n)
	d.Wait(n, "the value is in effect", "SELECT setting = "+pg.Literal(value)+" FROM pg_settings WHERE name = "+pg.Literal(cluster.SyncedSlots), draft.SettleTimeout)
	for _, other := range disturbing {
		other.Needs = append(other.Needs, d.Address)
	}
	out.Drafts = append(out.Drafts, d)
	return value, true
}

// disturbsSlot reports whether a draft clones the slot's standby again, or makes the slot again.
func disturbsSlot(s *cluster.Cluster, d *draft.Draft, name string) bool {
	if d.Address == s.Address("slot", name) {
		return d.Action == plan.Replace
	}
	return slices.ContainsFunc(s.Cluster.Standbys, func(sb *topology.Standby) bool {
		return sb.Slot == name && d.Address == s.StandbyAddress(sb.Node) && d.Impact == plan.CopyData
	})
}
