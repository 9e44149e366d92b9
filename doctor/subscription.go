package doctor

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/words"
)

// subscriptionHealth reports subscriptions that do not follow (PostgreSQL docs,
// 29.10 "Monitoring").
func subscriptionHealth(s *cluster.Cluster, out *Findings) {
	for _, sub := range s.Subscriptions() {
		if v, _ := s.SubscriptionOf(sub); v.Is != nil {
			oneSubscriptionHealth(v, slices.Concat(mismatches(v, out), aheadOfSlot(v), copyLimits(v)), out)
			cutOffCopies(s, v, out)
			slotRecreated(s, v, out)
			aheadOfPublisher(v, out)
			replicatedTwice(v, out)
			slotShared(v, out)
			applyLimited(v, out)
			notSent(v, out)
			unlogged(v, out)
			tablesRenamed(v, out)
			subscriptionLag(s, sub, v.Is, out)
		}
	}
	leftoverSlots(s, out)
	abandonedSlots(s, out)
}

// slotShared reports a slot by which two subscriptions receive: each lacks what the other
// one has received. One that connects to another database than the slot's receives nothing
// by it.
func slotShared(v *cluster.Subscription, out *Findings) {
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
	out.report(Finding{
		Code: "slot_shared", Severity: Error, Address: v.Address(), Node: v.Scope.Leading().Name, Fix: hint,
		Evidence: view("pg_subscription", v.Scope.Leading().Name) + " and on " + c.Scope.Leading().Name,
	}, "%s uses slot %s, and so does %s: each lacks what the other one receives", v.Is.Name, pg.Ident(name), c)
}

func oneSubscriptionHealth(v *cluster.Subscription, causes []string, out *Findings) {
	s, is, n := v.Scope, v.Is, v.Scope.Leading().Name
	at := func(code, evidence, hint string) Finding {
		return Finding{Code: code, Severity: Error, Address: v.Address(), Node: n, Evidence: view(evidence, n), Fix: hint}
	}
	likely := ""
	if len(causes) > 0 {
		likely = " Likely cause: " + words.Few(causes)
	}
	failures := ""
	if is.ApplyErrors+is.SyncErrors > 0 {
		failures = fmt.Sprintf(" (%s applying, %s copying so far)", words.Counted(int(is.ApplyErrors), "error"), words.Counted(int(is.SyncErrors), "error"))
	}
	copying := is.Copying()
	owner := s.Live().Role(is.Owner)
	switch {
	case is.Options.Enabled && owner != nil && !owner.Login:
		out.report(at("subscription_owner_without_login", "pg_roles and pg_subscription", "On "+n+", run ALTER ROLE "+pg.Ident(is.Owner)+" LOGIN;"), "%s: its owner %s has no LOGIN, and PostgreSQL starts no worker that runs as such a role", is.Name, pg.Ident(is.Owner))
	case !is.Options.Enabled && failures != "" && pg.IsOn(is.Options.DisableOnError):
		out.report(at("subscription_disabled_by_error", "pg_subscription and pg_stat_subscription_stats", "The log of "+n+" has the error: fix its cause, then apply, which enables the subscription."+likely), "%s was disabled by an error%s", is.Name, failures)
	case !is.Options.Enabled:
		disabled := at("subscription_disabled", "pg_subscription", "Its slot holds back WAL on the publisher. Enable it, or drop it if it is not needed.")
		disabled.Severity = Warning
		out.report(disabled, "%s is disabled", is.Name)
	case is.Worker == nil:
		out.report(at("subscription_without_worker", "pg_stat_subscription", "The log of "+n+" has the reason: the publisher cannot be reached, or a change cannot be applied."+likely), "%s has no apply worker%s", is.Name, failures)
	case is.Restarting(v.PublisherServer()):
		out.report(at("subscription_restarting", "pg_stat_subscription, read more than once", "The log of "+n+" has the error: fix its cause."+likely), "%s: its apply worker ends and starts again%s", is.Name, failures)
	case copying > 0 && is.Worker.Syncing == 0 || copying > 0 && is.SyncErrors > 0:
		out.report(at("table_copy_failing", "pg_subscription_rel and pg_stat_subscription", "The log of "+n+" has the reason."+likely), "%s: %d of %s are not copied%s", is.Name, copying, words.Counted(len(is.Tables), "table"), failures)
	case copying > 0:
		copies := at("table_copy_in_progress", "pg_subscription_rel", "")
		copies.Severity = Warning
		out.report(copies, "%s: %d of %s are still being copied", is.Name, copying, words.Counted(len(is.Tables), "table"))
	}
}

// aheadOfPublisher reports a subscription that has applied more than its publisher has. It
// looks like one that follows: changes up to that position are skipped without an error.
func aheadOfPublisher(v *cluster.Subscription, out *Findings) {
	publisher := v.PublisherServer()
	if publisher == nil || !v.Is.AheadOf(publisher) {
		return
	}
	here, there := v.Scope.Leading().Name, v.Source.Leading().Name
	out.report(Finding{
		Code: "subscription_ahead_of_publisher", Severity: Error, Address: v.Address(), Node: here, Fix: v.CopyAgain(),
		Evidence: view("pg_replication_origin_status", here) + ", and pg_current_wal_lsn() on " + there,
	},
		"%s has applied changes up to WAL position %s, and the WAL of %s ends at %s: %s is not the server that they came from, was restored from a backup, or was promoted without them. Its changes up to that position are skipped without an error, and are missing on %s",
		v.Is.Name, v.Is.Applied, there, publisher.LSN, there, here)
}

// replicatedTwice reports tables that a subscription of nobody's topology brings from the same
// database too: each row comes twice, or stops whichever brings it second.
func replicatedTwice(v *cluster.Subscription, out *Findings) {
	for _, other := range v.Twins() {
		tables := v.TablesShared(other)
		if len(tables) == 0 {
			continue
		}
		here := v.Scope.Leading().Name
		var names []string
		for _, t := range tables {
			names = append(names, t.String())
		}
		out.report(Finding{
			Code: "table_replicated_by_another_subscription", Severity: Error, Address: v.Address(), Node: here,
			Evidence: view("pg_subscription and pg_subscription_rel", here),
			Fix: fmt.Sprintf("Disable one of them: the changes that it has not received yet are then applied once. If it is %[1]s, on %[2]s in database %[3]s, run ALTER SUBSCRIPTION %[1]s DISABLE; and drop it once nothing needs it. Compare the rows with those of the publisher.",
				pg.Ident(other.Name), here, pg.Ident(v.Database)),
		}, "%s replicates %s from database %s on %s, and so does subscription %s, which the topology does not define: each change is applied twice",
			v.Is.Name, words.Few(names), pg.Ident(v.SourceDatabase()), v.Source.Leading().Name, pg.Ident(other.Name))
	}
}

// applyLimited reports a time limit of the subscriber that ends its workers: what takes longer is
// begun again without end.
func applyLimited(v *cluster.Subscription, out *Findings) {
	limit := v.ApplyLimit()
	if limit == "" {
		return
	}
	here := v.Scope.Leading().Name
	f := Finding{
		Code: "subscription_time_limit", Severity: Warning, Address: v.Address(), Node: here, Evidence: view("pg_settings and pg_db_role_setting", here),
		Fix: fmt.Sprintf("On %s, run ALTER ROLE %s IN DATABASE %s SET transaction_timeout = 0;", here, pg.Ident(v.Is.Owner), pg.Ident(v.Database)),
	}
	if v.Is.Copying() > 0 {
		f.Severity = Error
	}
	out.report(f, "%s: its workers run as role %s with transaction_timeout = %s: an initial table copy, or a transaction, that takes longer is canceled and begins again from the start", v.Is.Name, pg.Ident(v.Is.Owner), limit)
}

// copyLimits are causes of a copy that fails: time limits of its session on the publisher.
func copyLimits(v *cluster.Subscription) []string {
	var all []string
	for _, limit := range v.CopyLimits() {
		all = append(all, limit+" is in force for role "+pg.Ident(v.Role.Name)+" in database "+pg.Ident(v.SourceDatabase())+" on "+v.Source.Leading().Name+
			": apply sets it to 0 in the connection")
	}
	return all
}

// aheadOfSlot are causes of a subscription that fails: a change is decoded with the catalog of its
// time, and where a publication did not exist then, nothing gets past that.
func aheadOfSlot(v *cluster.Subscription) []string {
	if v.Source == nil || v.Remote == nil {
		return nil
	}
	var all []string
	for _, name := range v.Is.Publications {
		if p := v.Remote.Publication(name); p != nil && slices.Contains(p.AheadOf, v.Is.Options.SlotName) {
			all = append(all, "publication "+pg.Ident(name)+" was created or altered after the position of slot "+pg.Ident(v.Is.Options.SlotName)+
				": if it was dropped in between, recreate the subscription with -replace="+v.ID)
		}
	}
	return all
}

// cutOffCopies reports tables whose copy ended and whose slot is gone or lost: PostgreSQL drops
// the slot before it notes that the table is done, and a publisher that is lost in
// between leaves it behind for ever (process_syncing_tables_for_sync in its source).
func cutOffCopies(s *cluster.Cluster, v *cluster.Subscription, out *Findings) {
	of, is := v.Source, v.Is
	if of == nil || is.Worker != nil && is.Worker.Syncing > 0 && is.SyncErrors == 0 {
		return
	}
	publisher := of.Now.Leader
	for _, t := range is.Tables {
		if t.Slot == "" || !of.Running(publisher) {
			continue
		}
		became := "is gone"
		if slot := of.FoundSlot(publisher, t.Slot); slot != nil && slot.WALStatus == "lost" {
			became = "has lost WAL"
		} else if slot != nil {
			continue
		}
		out.report(Finding{
			Code: "table_copy_interrupted", Severity: Error, Address: v.Address(), Node: s.Leading().Name, Fix: v.CopyOneAgain(t.Table),
			Evidence: view("pg_subscription_rel", s.Leading().Name) + ", and pg_replication_slots on " + publisher.Name,
		},
			"%s: the initial copy of %s was interrupted at its very end: its slot on %s %s, and PostgreSQL retries "+
				"forever", is.Name, t.Table, publisher.Name, became)
	}
}
