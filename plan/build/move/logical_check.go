package move

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// checkLogical finds which logical replication cannot come along.
func checkLogical(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	refuseBothEnds(s, w, out)
	refuseUnread(s, w, out)
	for _, database := range s.Found(w.From).Server.Subscribing {
		if _, unknown := s.Logical(database); unknown {
			out.Fail(s.Cluster.Range, notReady, "Database %s on %s has subscriptions, and could not be read: whether %s reaches their publishers is unknown. Nothing is changed. Make it "+
				"readable, then plan again.", pg.Ident(database), w.From.Name, w.To.Name)
		}
	}
	for _, slot := range s.LogicalSlots(w) {
		if _, _, copies := pg.CopySlot(slot.Name); copies {
			out.Fail(s.Cluster.Range, notReady, "A subscriber copies a table from %s (slot %s), and would begin again on another server. Nothing is changed. Wait until it has copied it.",
				w.From.Name, pg.Ident(slot.Name))
			return
		}
	}
	checkCopied(s, w, out)
	checkTwins(s, w, out)
}

// refuseBothEnds refuses to move both ends of a subscription in one plan: neither would have the
// other where it looks for it.
func refuseBothEnds(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	for _, sub := range s.Subscriptions() {
		c := sub.Publisher()
		if c == nil || c == s.Cluster || s.Of(c).Switchover() == nil {
			continue
		}
		out.Fail(sub.Range, notSupported, "%s: its publisher %s moves to another primary in the same plan as its subscriber %s. Nothing is changed. Make two applies: one with\n%s\nthen "+
			"the other switchover.", sub.ID, c.ID, s.Cluster.ID, asNow(w))
	}
}

// refuseUnread refuses to move a publisher away from subscribers that this plan cannot repoint.
func refuseUnread(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	for _, sub := range s.Subscribers() {
		other := s.Of(sub.Cluster)
		_, unknown := s.SubscriptionOf(sub)
		if m := other.Switchover(); unknown || m != nil && m.Stopped {
			out.Fail(sub.Range, notReady, "%s could not be read in database %s of %s, and must be pointed to %s after the switchover. Nothing is changed. Make it readable, then plan again.",
				sub.ID, pg.Ident(sub.Database), sub.Cluster.ID, w.To.Name)
		}
	}
}

// checkCopied looks at the copies of failover slots on the new primary.
func checkCopied(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	var missing []string
	for _, slot := range s.CopiedSlots(w) {
		if found := s.FoundSlot(w.To, slot.Name); found == nil || !found.Synced || found.Temporary || found.WALStatus == "lost" {
			missing = append(missing, pg.Ident(slot.Name))
		}
	}
	if len(missing) > 0 {
		out.Fail(s.Cluster.Range, notReady, "%s has no whole copy of failover slots of %s: %s. Their consumers would lose what was written before the promotion. Nothing is changed. Wait until "+
			"pg_replication_slots on %s shows them with synced = true and temporary = false; its log says what they wait for.", w.To.Name, w.From.Name, words.Few(missing), w.To.Name)
	}
}

// checkTwins looks at the slots that the move is to make on the new primary.
func checkTwins(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	slots := s.TwinSlots(w)
	if len(slots) == 0 {
		return
	}
	server := s.Found(w.To).Server
	say := func(format string, args ...any) {
		out.Fail(s.Cluster.Range, notReady, format+" Nothing is changed. Apply that first, with primary = "+w.From.ID+"; then switch over.", args...)
	}
	switch {
	case server.Major() < 16:
		out.Fail(s.Cluster.Range, notSupported, "%s has logical slots, which repltool cannot move with the primary yet before PostgreSQL 16: %s. Nothing is changed. Write primary = %s again, or "+
			"move the primary by hand.", s.Cluster.ID, words.Few(namesOf(slots)), w.From.ID)
		return
	case server.InForce("wal_level") != "logical":
		say("%s has wal_level = %s, and cannot have the logical slots of %s (%s). Set wal_level = \"logical\" in parameters of %s.", w.To.Name, server.InForce("wal_level"), w.From.Name,
			words.Few(namesOf(slots)), s.Cluster.ID)
	case server.InForce("hot_standby_feedback") != "on":
		say("%s has hot_standby_feedback = off: %s would remove rows of the system catalogs that the logical slots on %s need (%s), and PostgreSQL would invalidate them. Set "+
			"hot_standby_feedback = \"on\" in parameters of %s.", w.To.Name, w.From.Name, w.To.Name, words.Few(namesOf(slots)), s.Cluster.ID)
	}
	for _, slot := range slots {
		checkTwin(s, w, slot, out)
	}
}

func checkTwin(s *cluster.Cluster, w *cluster.Switchover, slot facts.Slot, out *draft.Findings) {
	name := pg.Ident(slot.Name)
	switch there := s.FoundSlot(w.To, slot.Name); {
	case slot.WALStatus == "lost":
		out.Fail(s.Cluster.Range, notReady, "Slot %s on %s has lost WAL that its consumer needs. Nothing is changed. Drop it, or recreate its subscription (-replace), with primary = %s; then "+
			"switch over.", name, w.From.Name, w.From.ID)
	case slot.TwoPhase:
		out.Fail(s.Cluster.Range, notSupported, "Slot %s on %s has two_phase = true and failover = false: a transaction that is prepared before the switchover would be sent twice. Nothing is "+
			"changed. Set failover = true (PostgreSQL 17), or two_phase = false, and apply with primary = %s; then switch over.", name, w.From.Name, w.From.ID)
	case !slot.Active:
		out.Fail(s.Cluster.Range, notReady, "No consumer is connected to slot %s on %s: the slot that %s would get begins now, and the consumer would lose what it has not received yet. Nothing "+
			"is changed. Connect it and let it catch up (a subscription: enabled = true); or drop the slot, with primary = %s; then switch over.", name, w.From.Name, w.To.Name, w.From.ID)
	case there != nil && there.Synced:
		out.Fail(s.Cluster.Range, notReady, "%s has a copy of slot %s from when that was a failover slot, and PostgreSQL does not drop it from a standby that copies no slots any more. Nothing "+
			"is changed. Set failover = true again and apply, with primary = %s; then switch over.", w.To.Name, name, w.From.ID)
	case there != nil && !s.TwinOf(w, slot):
		out.Fail(s.Cluster.Range, "Replication slot already exists", "Slot %s exists on %s too (%s), and repltool did not create it: whether its position is before that of the consumer on %s is "+
			"unknown. Nothing is changed. Drop it on %s if nothing needs it, then plan again.", name, w.To.Name, cluster.SlotText(*there), w.From.Name, w.To.Name)
	}
}

// outside returns the logical slots whose consumers are not subscriptions of the topology: nobody
// repoints them.
func outside(s *cluster.Cluster, w *cluster.Switchover) []string {
	var all []string
	for _, slot := range s.LogicalSlots(w) {
		if !slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool {
			return sub.Options.SlotName == slot.Name && !sub.Lifecycle.Ignores("connection")
		}) {
			all = append(all, pg.Ident(slot.Name))
		}
	}
	return all
}

// checkOutside says what consumers that nobody repoints are to do.
func checkOutside(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	if names := outside(s, w); len(names) > 0 && !out.Diags.HasErrors() {
		out.Warn(s.Cluster.Range, "Clients outside the topology are disconnected", "Consumers of logical slots are not subscriptions of the topology, or keep their connection: %s. %s has these "+
			"slots after the switchover, and nothing is skipped. Point the consumers to it by hand. One that does not remember its position gets again what it has "+
			"received since the slot on %s began or was copied last.", words.Few(names), w.To.Name, w.To.Name)
	}
}
