package doctor

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// subscriptionHealth tells of subscriptions that do not follow (PostgreSQL docs,
// 29.10 "Monitoring").
func subscriptionHealth(s *cluster.Cluster, out *draft.Findings) {
	for _, sub := range s.Subscriptions() {
		if v, _ := s.SubscriptionOf(sub); v.Is != nil {
			oneSubscriptionHealth(s, sub.Address(), v.Is, mismatches(v, out), out)
			cutOffCopies(s, v, out)
			slotRecreated(s, v, out)
			slotShared(v, out)
			subscriptionLag(s, sub, v.Is, out)
		}
	}
	leftoverSlots(s, out)
	abandonedSlots(s, out)
}

// slotShared tells of a slot by which two subscriptions receive: each lacks what the other
// one has received. One that connects to another database than the slot's receives nothing
// by it.
func slotShared(v *cluster.Subscription, out *draft.Findings) {
	if v.Source == nil {
		return
	}
	name := v.Is.Options.SlotName
	c, slot := v.TakenBy(name), v.Source.FoundSlot(v.Source.Now.Leader, name)
	if c == nil || c.Host != "" || slot == nil || slot.Database != v.SourceDatabase() || slot.Database != conninfo.Map(c.Is.ConnInfo.Reveal())["dbname"] {
		return
	}
	other := pg.Ident(c.Is.Name)
	hint := fmt.Sprintf("Disable both. Give one of them a slot of its own, or drop it: on %s in database %s, run ALTER SUBSCRIPTION %s SET (slot_name = NONE); DROP SUBSCRIPTION %s. Then compare the rows of the other one with those of the publisher, or copy its tables again.",
		c.Scope.Leading().Name, pg.Ident(c.Database), other, other)
	out.TellHealth(plan.Error, v.Address(), hint, "%s uses slot %s, and so does %s: each lacks what the other one receives", v.Is.Name, pg.Ident(name), c)
}

func oneSubscriptionHealth(s *cluster.Cluster, address topology.Address, is *facts.Subscription, causes []string, out *draft.Findings) {
	n := s.Leading().Name
	bad := func(severity plan.Severity, hint, format string, args ...any) {
		out.TellHealth(severity, address, hint, format, args...)
	}
	likely := ""
	if len(causes) > 0 {
		likely = ". Likely cause: " + words.Few(causes)
	}
	failures := ""
	if is.ApplyErrors+is.SyncErrors > 0 {
		failures = fmt.Sprintf(" (%s applying, %s copying so far)", words.Counted(int(is.ApplyErrors), "error"), words.Counted(int(is.SyncErrors), "error"))
	}
	copying := is.Copying()
	owner := s.Live().Role(is.Owner)
	switch {
	case is.Options.Enabled && owner != nil && !owner.Login:
		bad(plan.Error, "On "+n+", run ALTER ROLE "+pg.Ident(is.Owner)+" LOGIN", "%s: its owner %s has no LOGIN, and PostgreSQL starts no worker that runs as such a role", is.Name, pg.Ident(is.Owner))
	case !is.Options.Enabled && failures != "" && pg.IsOn(is.Options.DisableOnError):
		bad(plan.Error, "the log of "+n+" has the error: fix its cause, then enable the subscription by apply"+likely, "%s was disabled by an error%s", is.Name, failures)
	case !is.Options.Enabled:
		bad(plan.Warning, "its slot holds back WAL on the publisher", "%s is disabled", is.Name)
	case is.Worker == nil:
		bad(plan.Error, "the log of "+n+" has the reason: the publisher cannot be reached, or a change cannot be applied"+likely, "%s has no apply worker%s", is.Name, failures)
	case copying > 0 && is.Worker.Syncing == 0 || copying > 0 && is.SyncErrors > 0:
		bad(plan.Error, "the log of "+n+" has the reason"+likely, "%s: %d of %s are not copied%s", is.Name, copying, words.Counted(len(is.Tables), "table"), failures)
	case copying > 0:
		bad(plan.Warning, "", "%s: %d of %s are still being copied", is.Name, copying, words.Counted(len(is.Tables), "table"))
	}
}

// cutOffCopies tells of tables whose copy ended and whose slot is gone: PostgreSQL drops
// the slot before it notes that the table is done, and a publisher that is lost in
// between leaves it behind for ever (process_syncing_tables_for_sync in its source).
func cutOffCopies(s *cluster.Cluster, v *cluster.Subscription, out *draft.Findings) {
	of, is := v.Source, v.Is
	if of == nil || is.Worker != nil && is.Worker.Syncing > 0 && is.SyncErrors == 0 {
		return
	}
	publisher := of.Now.Leader
	for _, t := range is.Tables {
		if t.Slot == "" || !of.Running(publisher) || of.FoundSlot(publisher, t.Slot) != nil {
			continue
		}
		out.TellHealth(plan.Error, v.Address(), v.CopyOneAgain(t.Table),
			"%s: the initial copy of %s was interrupted at its very end: its slot on %s is gone, and PostgreSQL retries "+
				"forever", is.Name, t.Table, publisher.Name)
	}
}

// leftoverSlots are those of initial table copies whose subscription is gone. Whose a slot
// is its name tells: the subscription's OID and the subscriber's system identifier. A slot
// of a system that is not defined in the topology, or of a subscription that exists, may
// belong to a copy under way, though it is not active at the moment.
func leftoverSlots(s *cluster.Cluster, out *draft.Findings) {
	n := s.Now.Leader
	if s.Live() == nil {
		return
	}
	for _, slot := range s.Live().Slots {
		if subscription, system, ok := pg.CopySlot(slot.Name); ok && !slot.Active && subscriptionGone(s, subscription, system) {
			out.TellHealth(plan.Error, s.Address("slot", slot.Name), "drop it: SELECT pg_drop_replication_slot("+pg.Literal(slot.Name)+");",
				"slot %s on %s is left over from the copy of a table, and holds back WAL: its subscription no longer exists", pg.Ident(slot.Name), n.Name)
		}
	}
}

// abandonedSlots are those of subscriptions that were dropped by hand: not defined in the
// topology, not repltool's to drop, and used by no subscription that was read.
func abandonedSlots(s *cluster.Cluster, out *draft.Findings) {
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
		out.TellHealth(plan.Warning, s.Address("slot", slot.Name), "If nothing needs it, drop it on "+n.Name+": SELECT pg_drop_replication_slot("+pg.Literal(slot.Name)+");",
			"slot %s on %s is not in use, no subscription that was read uses it, and it holds back WAL", pg.Ident(slot.Name), n.Name)
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
