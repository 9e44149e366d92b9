package logical

import (
	"fmt"
	"strings"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A subscription is changed in place wherever PostgreSQL has an ALTER for it, and
// made anew only when the user asks for that (-replace), since its tables would be
// copied again. Its slot on the publisher is an object of its own (slot.go), made
// before it and dropped after it: so it works where both are one cluster, a dead
// publisher keeps nothing from being dropped, and an apply that dies leaks nothing
// (PostgreSQL docs, "CREATE SUBSCRIPTION" and "ALTER SUBSCRIPTION").

func Subscriptions(s *cluster.Cluster, out *draft.Findings) {
	for _, sub := range s.Subscriptions() {
		v, unknown := s.SubscriptionOf(sub)
		if unknown {
			continue
		}
		if !s.Targeted(sub.Address()) {
			makeTables(v, out) // one that is targeted may need them
			continue
		}
		if out.Refused[sub.Address()] {
			continue
		}
		grants(v, out)
		makeTables(v, out)
		out.Put(change(v, out))
	}
	for _, m := range s.Managed("subscription") {
		goneSubscription(s, m, out)
	}
	unmanagedSubscriptions(s, out)
	unneededGrants(s, out)
}

// unmanagedSubscriptions reports those of the databases that were read which nobody
// declares, and which repltool did not make.
func unmanagedSubscriptions(s *cluster.Cluster, out *draft.Findings) {
	for _, database := range s.ReadDatabases() {
		for _, sub := range s.Live().Logical[database].Subscriptions {
			o := cluster.Object{Kind: "subscription", Name: sub.Name, In: database}
			if !s.WantsSubscription(database, sub.Name) && !s.IsOurs(o) {
				out.ReportUnmanaged("unmanaged_subscription", s.Address("subscription", sub.Name), s.Goal.Primary.Name, "subscription %s in database %s%s", pg.Ident(sub.Name), pg.Ident(database), draft.ByWhom(s, o))
			}
		}
	}
}

func change(v *cluster.Subscription, out *draft.Findings) *draft.Draft {
	d := draft.NewDraft(plan.Update, v.Address(), v.Scope.Goal.Primary)
	d.Needs, d.After = before(v), []topology.Address{v.Scope.ParametersAddress(v.Scope.Goal.Primary)}
	if p := v.Source; p != nil {
		d.After = append(d.After, p.ParametersAddress(p.Goal.Primary))
	}
	switch {
	case v.Is == nil:
		d.Action = plan.Create
		create(v, d)
	case v.Remade():
		d.Action = plan.Replace
		remake(v, d)
	case v.Severed() == "": // else told with its slot
		alter(v, d, out)
	}
	checkSynchronous(v, d, out)
	return d
}

// before are what must be in order before a subscription connects.
func before(v *cluster.Subscription) []topology.Address {
	all := append(v.Scope.DatabaseAddresses(v.Database), v.Scope.LedgerAddress(), v.Scope.PassfileAddress(v.Scope.Goal.Primary), v.Address().With(topology.PartEarlier), v.TablesAddress())
	if v.Source == nil {
		return all
	}
	p := v.Source
	all = append(all, p.DatabaseAddresses(v.SourceDatabase())...)
	all = append(append(all, v.TablesToCome()...), v.TablesBeyond()...)
	all = append(all, p.LedgerAddress(), p.PortAddress(), p.HBAAddress(p.Goal.Primary), p.Address("role", v.Role.Name), v.GrantsAddress())
	all = append(all, p.Address("slot", v.Options.SlotName)) // its own, or a slot block's
	for _, pub := range v.Publications {
		all = append(all, pub.Address())
		if !p.Move(pub).Keeps(v.Subscription) {
			all = append(all, cluster.MovedAddress(pub))
		}
	}
	return all
}

func create(v *cluster.Subscription, d *draft.Draft) {
	d.Differ("database", nil, plan.Ptr(v.Database), "")
	d.Differ("publications", nil, plan.Ptr(strings.Join(v.Names(), ", ")), "")
	d.Differ("slot_name", nil, plan.Ptr(v.Options.SlotName), "")
	for _, o := range v.WantedOptions() {
		if o.Given {
			d.Differ(o.Name, nil, plan.Ptr(o.Wanted), "")
		}
	}
	copyNote(v, d, v.PublishedTables())
	createSteps(v, d)
	retain(v, d)
}

// makesSlot reports whether CREATE SUBSCRIPTION makes the slot: on a publisher outside of
// the topology nobody else can. One that is made anew under the same slot finds it there.
func makesSlot(v *cluster.Subscription) bool {
	return v.Source == nil && v.CreateSlot && (v.Is == nil || v.Is.Options.SlotName != v.Options.SlotName)
}

// createSteps make the subscription and wait for its copy.
func createSteps(v *cluster.Subscription, d *draft.Draft) {
	n := v.Scope.Goal.Primary
	here := cluster.Row{Address: v.Scope.Row(v.Address()), Object: cluster.Object{Kind: "subscription", Name: v.Name, In: v.Database}}
	if owned(v) {
		d.SQL(n, "record the intent to create", cluster.Intend(here))
	}
	options := []string{fmt.Sprintf("create_slot = %t", makesSlot(v)), "slot_name = " + pg.Literal(v.Options.SlotName)}
	if !v.CopyData {
		options = append(options, "copy_data = false")
	}
	if !v.Options.Enabled {
		options = append(options, "enabled = false")
	}
	for _, o := range v.WantedOptions() {
		if o.Given {
			options = append(options, o.SQL())
		}
	}
	var b plan.TextBuilder
	v.ConnText(b.Write("CREATE SUBSCRIPTION ", pg.Ident(v.Name), "\n  CONNECTION "))
	b.Write("\n  PUBLICATION ", pg.Idents(v.Names()), "\n  WITH (", strings.Join(options, ", "), ");")
	if owner := v.KeptOwner(); owner != "" {
		b.Statement("ALTER SUBSCRIPTION ", pg.Ident(v.Name), " OWNER TO ", pg.Ident(owner), ";")
	}
	if v.Is != nil && v.Is.Comment != "" {
		b.Statement("COMMENT ON SUBSCRIPTION ", pg.Ident(v.Name), " IS ", pg.Literal(v.Is.Comment), ";")
	}
	d.Step(n, "create subscription", plan.SQL{Database: v.Database, SQL: b.Done()})
	if owned(v) {
		d.SQL(n, "confirm", cluster.Record(here))
	}
	if v.Options.Enabled {
		waitReady(v, d, v.CopyData)
	}
}

// owned reports whether the subscription, once created, is repltool's to drop; one that it
// did not create becomes so when it is recreated.
func owned(v *cluster.Subscription) bool {
	return v.OnDestroy == topology.OnDestroyDrop || v.Renamed != "" || v.Is != nil && v.Scope.IsOurs(cluster.Object{Kind: "subscription", Name: v.Name, In: v.Database})
}

// detach are the statements that drop a subscription without its publisher.
func detach(name string) []string {
	s := "ALTER SUBSCRIPTION " + pg.Ident(name)
	return []string{s + " DISABLE;", s + " SET (slot_name = NONE);", "DROP SUBSCRIPTION " + pg.Ident(name) + ";"}
}

// dropSyncSlots drops the slots of table copies that a detached subscription leaves on
// its publisher: nothing comes back for them (PostgreSQL docs, "DROP SUBSCRIPTION").
func dropSyncSlots(s *cluster.Cluster, d *draft.Draft, on *topology.Node, is *facts.Subscription) {
	if is.OID == 0 || is.Copying() == 0 {
		return
	}
	these := fmt.Sprintf("slot_name ~ '^pg_%d_sync_[0-9]+_%s$'", is.OID, s.Live().SystemIdentifier)
	d.Wait(on, "slots of its table copies are free", "SELECT count(*) = 0 FROM pg_replication_slots WHERE active AND "+these, draft.StreamTimeout)
	d.SQL(on, "drop slots of its table copies", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE "+these+";")
}

// dropSlotSteps drop the slots that are its own: the one that it uses, and one that is there
// under the name of the one to come.
func dropSlotSteps(v *cluster.Subscription, d *draft.Draft) {
	p := v.Source.Goal.Primary
	names := []string{v.Is.Options.SlotName}
	if w := v.Options.SlotName; w != names[0] && v.Source.FoundSlot(p, w) != nil {
		names = append(names, w)
	}
	for _, name := range names {
		if !v.DropsSlot(name) {
			continue // of the publisher that it came from there is nothing here, or it is another one's
		}
		slot := pg.Literal(name)
		d.Wait(p, "slot "+name+" is free", "SELECT count(*) = 0 FROM pg_replication_slots WHERE active AND slot_name = "+slot, draft.StreamTimeout)
		d.SQL(p, "drop slot", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = "+slot+";")
	}
}

// makeTables makes the tables that the subscriber lacks, one subscription after the
// other: what one makes, a schema or a type, the next one finds there.
func makeTables(v *cluster.Subscription, out *draft.Findings) {
	sql := v.Definition().SQL
	if sql == "" || v.Is != nil && !v.Remade() && !v.WantsEnabled() {
		return
	}
	d := draft.NewDraft(plan.Create, v.TablesAddress(), v.Scope.Goal.Primary)
	d.Needs = v.Scope.DatabaseAddresses(v.Database)
	d.After = []topology.Address{v.Scope.ParametersAddress(v.Scope.Goal.Primary)}
	for _, other := range v.Scope.Subscriptions() {
		if other.ID == v.ID {
			break
		}
		if other.Database == v.Database {
			d.Needs = append(d.Needs, other.Address().With(topology.PartTables))
		}
	}
	d.SQLIn(v.Scope.Goal.Primary, v.Database, "create the missing tables", strings.TrimRight(sql, "\n"))
	out.Put(d)
}

// waitReady waits until every table is copied and the worker applies. A copy may take
// hours, and is given them while it moves.
func waitReady(v *cluster.Subscription, d *draft.Draft, copies bool) {
	w := plan.Wait{Database: v.Database, Query: readyQuery(v), What: v.Name + " follows", Timeout: draft.StreamTimeout}
	if copies {
		w.What = v.Name + " has copied every table"
		w.Progress = &plan.Progress{Node: v.Scope.Goal.Primary.Name, Query: copyProgress(v)}
	}
	d.Step(v.Scope.Goal.Primary, w.What, w)
	waitApplied(v, d)
}

// applyTimeout leaves time for a dozen workers, which up to PostgreSQL 15 start one every
// wal_retrieve_retry_interval.
const applyTimeout = 2 * time.Minute

// waitApplied waits until the publisher says that the worker works. Who was connected once
// may fail at the first change that it gets, and come back to fail again: that it is fed
// says nothing. It works where all WAL was decoded and what was sent is applied, or, with
// much to catch up on, where one connection holds longer than those of a worker that fails.
func waitApplied(v *cluster.Subscription, d *draft.Draft) {
	if v.Source == nil {
		return
	}
	of := "FROM pg_replication_slots s JOIN pg_stat_replication r ON r.pid = s.active_pid WHERE s.slot_name = " + pg.Literal(v.Options.SlotName)
	what := "changes of " + v.Name + " are applied"
	d.Step(v.Source.Goal.Primary, what, plan.Wait{
		Database: pg.Maintenance, What: what, Timeout: applyTimeout,
		Query: "SELECT EXISTS (SELECT " + of + "\n" +
			"  AND (r.state = 'streaming' AND r.write_lsn >= r.sent_lsn OR r.backend_start < clock_timestamp() - interval '15 s')),\n" +
			"  (SELECT format('sent up to %s, applied up to %s', r.sent_lsn, r.write_lsn) " + of + ")",
	})
}

// copyProgress is the query for how far the copies of all tables have come: their
// states, of which each counts as more bytes than any table has, and the bytes under way
// (PostgreSQL docs, 27.4.3 "COPY Progress Reporting"; 13 has none, and tells the size of
// what it writes).
func copyProgress(v *cluster.Subscription) string {
	bytes := "(SELECT coalesce(sum(bytes_processed), 0) FROM pg_stat_progress_copy WHERE datname = current_database() AND command = 'COPY FROM')"
	if !v.Scope.AtLeast(14) {
		bytes = "coalesce(sum(pg_relation_size(r.srrelid)) FILTER (WHERE r.srsubstate = 'd'), 0)"
	}
	return "SELECT coalesce(sum(array_position(ARRAY['i', 'd', 'f', 's', 'r'], r.srsubstate::text)), 0) * 1e15 + " + bytes + ",\n" +
		"  pg_size_pretty(" + bytes + ") || ' under way'\n" +
		"FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid WHERE s.subname = " + pg.Literal(v.Name)
}

// failedCopies are the failures of a table's copy after which nobody waits for it any more.
const failedCopies = 3

// copiesFail is the condition that the initial copies have stopped: some are not done, none
// runs, and the worker that starts them has been connected to the publisher for longer than
// it takes to try again. Why a copy ended only the server log says, and PostgreSQL tries
// forever.
func copiesFail(v *cluster.Subscription) string {
	condition := "r.next IS NOT NULL\n" +
		"    AND NOT EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.pid IS NOT NULL AND w.relid IS NOT NULL)\n" +
		"    AND EXISTS (SELECT FROM pg_stat_subscription w JOIN pg_stat_activity a ON a.pid = w.pid WHERE w.subid = s.oid AND w.relid IS NULL AND w.received_lsn IS NOT NULL\n" +
		fmt.Sprintf("      AND a.backend_start < clock_timestamp() - %d * current_setting('wal_retrieve_retry_interval')::interval)", failedCopies)
	if v.Scope.AtLeast(15) {
		condition += fmt.Sprintf("\n    AND EXISTS (SELECT FROM pg_stat_subscription_stats e WHERE e.subid = s.oid AND e.sync_error_count >= %d)", failedCopies)
	}
	return condition
}

// workerFails is the condition that the apply worker fails at a change whenever it starts, where
// errors are counted: there are some, and no worker has lived for longer than two starts are apart.
// Without it no copy ends. How many errors there were before is not in it: the count
// grows while the plan is made, and a plan is what it was when it was read again.
func workerFails(v *cluster.Subscription) string {
	if !v.Scope.AtLeast(15) {
		return "false"
	}
	return "EXISTS (SELECT FROM pg_stat_subscription_stats e WHERE e.subid = s.oid AND e.apply_error_count > 0)\n" +
		"    AND NOT EXISTS (SELECT FROM pg_stat_subscription w JOIN pg_stat_activity a ON a.pid = w.pid WHERE w.subid = s.oid AND w.relid IS NULL\n" +
		"      AND a.backend_start < clock_timestamp() - interval '10s')"
}

// readyQuery returns t once all tables are ready and the worker has heard of the
// publisher; "failed" for a subscription that an error has disabled, or whose copies
// failed again and again since it was created. Errors of before it are none of this plan's, and before
// PostgreSQL 15 nobody counts them: then it returns "failing" for as long as no copy runs; so it does
// while the apply worker fails.
func readyQuery(v *cluster.Subscription) string {
	errors, fails := "", "failing"
	if v.Scope.AtLeast(15) {
		if v.Is == nil || v.Remade() {
			fails = "failed"
		}
		errors = "\n    || (SELECT coalesce(', errors in the server log: ' || nullif(sum(e.apply_error_count + e.sync_error_count), 0), '') FROM pg_stat_subscription_stats e WHERE e.subid = s.oid)"
	}
	return "SELECT CASE WHEN NOT s.subenabled THEN 'failed'\n" +
		"  WHEN r.ready = r.tables AND EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NULL AND w.received_lsn IS NOT NULL) THEN 't'\n" +
		"  WHEN c.failed THEN '" + fails + "' WHEN w.fails THEN 'failing' ELSE 'f' END,\n" +
		"  CASE WHEN NOT s.subenabled THEN 'the subscription is disabled: see the server log' ELSE r.ready || ' of ' || r.tables || ' tables ready'" + errors + "\n" +
		"    || CASE WHEN c.failed THEN '; the copy of ' || r.next || ' fails whenever it is tried: the log of ' || " + pg.Literal(v.Scope.Goal.Primary.Name) + " || ' has the error'\n" +
		"      WHEN w.fails THEN '; its apply worker fails whenever it starts: the log of ' || " + pg.Literal(v.Scope.Goal.Primary.Name) + " || ' has the error' ELSE '' END END\n" +
		"FROM pg_subscription s,\n" +
		"  LATERAL (SELECT count(*) AS tables, count(*) FILTER (WHERE srsubstate = 'r') AS ready, min(srrelid::regclass::text) FILTER (WHERE srsubstate IN ('i', 'd')) AS next\n" +
		"    FROM pg_subscription_rel WHERE srsubid = s.oid) r,\n" +
		"  LATERAL (SELECT " + copiesFail(v) + " AS failed) c,\n" +
		"  LATERAL (SELECT " + workerFails(v) + " AS fails) w\n" +
		"WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.subname = " + pg.Literal(v.Name)
}

// copyNote says what a change copies.
func copyNote(v *cluster.Subscription, d *draft.Draft, tables []topology.TableName) {
	if !v.CopyData || !v.Options.Enabled || len(tables) == 0 {
		return
	}
	bytes := tableBytes(v.Remote, tables)
	d.Worsen(plan.CopyData)
	d.Effect = pg.Join(d.Effect, fmt.Sprintf("copies %s, %s", words.Counted(len(tables), "table"), words.BytesText(bytes)))
	d.Copies = append(d.Copies, plan.Copy{Node: v.Scope.Goal.Primary.Name, Bytes: bytes})
}

// tableBytes is the size of tables, of each with all partitions below it.
func tableBytes(found *facts.Logical, tables []topology.TableName) int64 {
	var bytes int64
	counts := list.SetOf(tables)
	for _, t := range found.Tables {
		if counts[t.Table] || t.Root != nil && counts[*t.Root] {
			bytes += t.Bytes
		}
	}
	return bytes
}

// goneSubscription drops a subscription that repltool made and that left the
// topology. It is detached first: its slot is dropped on the publisher after it, and
// where the publisher is gone the slot is what stays behind.
func goneSubscription(s *cluster.Cluster, m cluster.Row, out *draft.Findings) {
	found, unknown := s.Logical(m.In)
	if s.WantsSubscription(m.In, m.Name) || unknown || !s.Targeted(s.AddressOfRow(m.Address)) { // or renamed
		return
	}
	n, is := s.Goal.Primary, found.Subscription(m.Name)
	d := draft.Gone(s, s.GoneAddress(m), n, is != nil)
	if is != nil {
		d.Reason += "; its tables and their rows are kept"
		d.SQLIn(n, m.In, "detach and drop", detach(m.Name)...)
		cleanPublisher(s, d, is)
		refuseSynchronousDrop(s, is, out)
	}
	d.SQL(n, "remove from the ledger", cluster.ForgetObject(m))
	out.Put(d)
}

// cleanPublisher drops the slots of table copies on the publisher, and says where slots
// stay behind that no plan can drop now.
func cleanPublisher(s *cluster.Cluster, d *draft.Draft, is *facts.Subscription) {
	if n := s.PublisherOf(is); n != nil {
		conn := conninfo.Map(is.ConnInfo.Reveal())
		if s.Of(s.Topology.Cluster(n)).Cluster.Role(conn["user"]) != nil {
			d.Reason += fmt.Sprintf("; role %s keeps its privileges in database %s on %s", pg.Ident(conn["user"]), pg.Ident(conn["dbname"]), n.Name)
		}
		dropSyncSlots(s, d, n, is)
		return
	}
	if is.Options.SlotName != "" {
		d.Reason += fmt.Sprintf("; slot %s stays on its publisher %s: drop it there, because it holds back WAL", pg.Ident(is.Options.SlotName), conninfo.Map(is.ConnInfo.Reveal())["host"])
	}
	if is.Copying() > 0 {
		d.Reason += fmt.Sprintf("; so do the slots of its table copies, pg_%d_sync_…", is.OID)
	}
}
