package plan

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// A subscription is changed in place wherever PostgreSQL has an ALTER for it, and
// made anew only when the user asks for that (-replace), since its tables would be
// copied again. Its slot on the publisher is an object of its own (slot.go), made
// before it and dropped after it: so it works where both are one cluster, a dead
// publisher keeps nothing from being dropped, and an apply that dies leaks nothing
// (PostgreSQL docs, "CREATE SUBSCRIPTION" and "ALTER SUBSCRIPTION").

func subscriptions(s *scope, out *findings) {
	for _, sub := range s.subscriptions() {
		found, unknown := s.logical(sub.Database)
		if unknown {
			continue
		}
		v := s.subscription(sub, found)
		if !s.targeted(sub.Address()) {
			v.makeTables(out) // one that is targeted may need them
			continue
		}
		if out.refused[sub.Address()] {
			continue
		}
		v.grants(out)
		v.makeTables(out)
		out.put(v.change(out))
	}
	for _, m := range s.managed("subscription") {
		s.goneSubscription(m, out)
	}
	s.strangeSubscriptions(out)
}

// strangeSubscriptions reports those of the databases that were read which nobody
// declares, and which repltool did not make.
func (s *scope) strangeSubscriptions(out *findings) {
	for _, database := range s.readDatabases() {
		for _, sub := range s.live().Logical[database].Subscriptions {
			if !s.wantsSubscription(database, sub.Name) && !s.isOurs(object{"subscription", sub.Name, database}) {
				out.tellUnmanaged(s.address("subscription", sub.Name), s.cluster.Primary.Name, "subscription %s in database %s", ident(sub.Name), ident(database))
			}
		}
	}
}

// subscription is a subscription with both of its sides.
type subscription struct {
	*topology.Subscription
	scope     *scope              // of the subscriber
	publisher *scope              // nil: outside of the topology
	is        *facts.Subscription // nil: not there
	local     *facts.Logical      // the subscriber's database; nil: not there yet
	remote    *facts.Logical      // the publisher's; nil: not there yet, or outside
	renamed   string              // the name that it has, where the topology has another since
	blind     bool                // the publisher could not be read
}

func (s *scope) subscription(sub *topology.Subscription, local *facts.Logical) *subscription {
	v := &subscription{Subscription: sub, scope: s, local: local}
	if v.is = local.Subscription(sub.Name); v.is == nil {
		if earlier := s.earlier("subscription", sub.Address(), sub.Database, sub.Name); local.Subscription(earlier) != nil {
			v.is, v.renamed = local.Subscription(earlier), earlier
		}
	}
	if c := sub.Publisher(); c != nil {
		v.publisher = s.of(c)
		v.remote, v.blind = v.publisher.logical(sub.SourceDatabase())
	}
	return v
}

// remade tells that the user asked to make it anew.
func (v *subscription) remade() bool { return v.scope.replace[v.Address()] && v.is != nil }

func (v *subscription) change(out *findings) *draft {
	d := newDraft(Update, v.Address(), v.scope.cluster.Primary)
	d.after = v.before()
	switch {
	case v.is == nil:
		d.Action = Create
		v.create(d)
	case v.remade():
		d.Action = Replace
		v.remake(d)
	case v.severed() == "": // else told with its slot
		v.alter(d, out)
	}
	v.checkSynchronous(d, out)
	return d
}

// before are what must be in order before a subscription connects.
func (v *subscription) before() []topology.Address {
	all := append(v.scope.databaseAddresses(v.Database), v.scope.ledgerAddress(), v.scope.passfileAddress(v.scope.cluster.Primary), v.Address().With(topology.PartEarlier), v.tablesAddress())
	if v.publisher == nil {
		return all
	}
	p := v.publisher
	all = append(all, p.databaseAddresses(v.SourceDatabase())...)
	all = append(all, p.ledgerAddress(), p.portAddress(), p.hbaAddress(p.cluster.Primary), p.address("role", v.Role.Name), v.grantsAddress())
	all = append(all, p.address("slot", v.Options.SlotName)) // its own, or a slot block's
	for _, pub := range v.Publications {
		all = append(all, pub.Address())
		if !p.move(pub).keeps(v.Subscription) {
			all = append(all, movedAddress(pub))
		}
	}
	return all
}

func (v *subscription) create(d *draft) {
	d.differ("database", nil, ptr(v.Database), "")
	d.differ("publications", nil, ptr(strings.Join(v.Names(), ", ")), "")
	d.differ("slot_name", nil, ptr(v.Options.SlotName), "")
	for _, o := range v.options() {
		if o.given {
			d.differ(o.name, nil, ptr(o.wanted), "")
		}
	}
	v.copyNote(d, v.publishedTables())
	v.createSteps(d)
	v.retain(d)
}

// makesSlot tells whether CREATE SUBSCRIPTION makes the slot: on a publisher outside of
// the topology nobody else can. One that is made anew under the same slot finds it there.
func (v *subscription) makesSlot() bool {
	return v.publisher == nil && v.CreateSlot && (v.is == nil || v.is.Options.SlotName != v.Options.SlotName)
}

// createSteps make the subscription and wait for its copy.
func (v *subscription) createSteps(d *draft) {
	n := v.scope.cluster.Primary
	here := row{v.scope.row(v.Address()), object{"subscription", v.Name, v.Database}}
	if v.owned() {
		d.sql(n, "intent", intend(here))
	}
	options := []string{fmt.Sprintf("create_slot = %t", v.makesSlot()), "slot_name = " + literal(v.Options.SlotName)}
	if !v.CopyData {
		options = append(options, "copy_data = false")
	}
	if !v.Options.Enabled {
		options = append(options, "enabled = false")
	}
	for _, o := range v.options() {
		if o.given {
			options = append(options, o.sql())
		}
	}
	var b textBuilder
	v.connText(b.write("CREATE SUBSCRIPTION ", ident(v.Name), "\n  CONNECTION "))
	b.write("\n  PUBLICATION ", idents(v.Names()), "\n  WITH (", strings.Join(options, ", "), ");")
	if owner := v.keptOwner(); owner != "" {
		b.statement("ALTER SUBSCRIPTION ", ident(v.Name), " OWNER TO ", ident(owner), ";")
	}
	if v.is != nil && v.is.Comment != "" {
		b.statement("COMMENT ON SUBSCRIPTION ", ident(v.Name), " IS ", literal(v.is.Comment), ";")
	}
	d.step(n, "create subscription", SQL{Database: v.Database, SQL: b.done()})
	if v.owned() {
		d.sql(n, "confirm", record(here))
	}
	if v.Options.Enabled {
		v.waitReady(d, v.CopyData)
	}
}

// owned tells that the subscription, once created, is repltool's to drop; one that it
// did not create becomes so when it is recreated.
func (v *subscription) owned() bool {
	return v.OnDestroy == topology.OnDestroyDrop || v.renamed != "" || v.is != nil && v.scope.isOurs(object{"subscription", v.Name, v.Database})
}

// detach are the statements that drop a subscription without its publisher.
func detach(name string) []string {
	s := "ALTER SUBSCRIPTION " + ident(name)
	return []string{s + " DISABLE;", s + " SET (slot_name = NONE);", "DROP SUBSCRIPTION " + ident(name) + ";"}
}

// dropSyncSlots drops the slots of table copies that a detached subscription leaves on
// its publisher: nothing comes back for them (PostgreSQL docs, "DROP SUBSCRIPTION").
func (s *scope) dropSyncSlots(d *draft, on *topology.Node, is *facts.Subscription) {
	if is.OID == 0 || is.Copying() == 0 {
		return
	}
	these := fmt.Sprintf("slot_name ~ '^pg_%d_sync_[0-9]+_%s$'", is.OID, s.live().SystemIdentifier)
	d.wait(on, "slots of its table copies are free", "SELECT count(*) = 0 FROM pg_replication_slots WHERE active AND "+these, streamTimeout)
	d.sql(on, "drop slots of its table copies", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE "+these+";")
}

// dropSlotSteps drop the old slot.
func (v *subscription) dropSlotSteps(d *draft) {
	p := v.publisher.cluster.Primary
	name := v.is.Options.SlotName
	if w := v.publisher.slotFor(v.Subscription); name != w.Name {
		w.Name = name
		if found := v.publisher.foundSlot(p, name); found != nil && !v.publisher.mayUse(w, found) {
			return // of the publisher that it came from there is nothing here
		}
	}
	old := literal(name)
	d.wait(p, "slot "+name+" is free", "SELECT count(*) = 0 FROM pg_replication_slots WHERE active AND slot_name = "+old, streamTimeout)
	d.sql(p, "drop slot", "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name = "+old+";")
}

func (v *subscription) tablesAddress() topology.Address {
	return v.Address().With(topology.PartTables)
}

// makeTables makes the tables that the subscriber lacks, one subscription after the
// other: what one makes, a schema or a type, the next one finds there.
func (v *subscription) makeTables(out *findings) {
	sql := v.definition().SQL
	if sql == "" || v.is != nil && !v.remade() && !v.wantsEnabled() {
		return
	}
	d := newDraft(Create, v.tablesAddress(), v.scope.cluster.Primary)
	d.after = v.scope.databaseAddresses(v.Database)
	for _, other := range v.scope.subscriptions() {
		if other.ID == v.ID {
			break
		}
		if other.Database == v.Database {
			d.after = append(d.after, other.Address().With(topology.PartTables))
		}
	}
	d.sqlIn(v.scope.cluster.Primary, v.Database, "make the tables that it lacks", strings.TrimRight(sql, "\n"))
	out.put(d)
}

// definition is what makes the tables that are missing, where that is wanted.
func (v *subscription) definition() facts.Definition {
	if v.CopySchema != topology.CopySchemaMissing || v.local == nil {
		return facts.Definition{}
	}
	return v.local.Definitions[v.ID]
}

// waitReady waits until every table is copied and the worker applies. A copy may take
// hours, and is given them while it moves.
func (v *subscription) waitReady(d *draft, copies bool) {
	w := Wait{Database: v.Database, Query: readyQuery(v.Name), What: v.Name + " follows", Timeout: streamTimeout}
	if copies {
		w.What = v.Name + ": every table copied"
		w.Progress = &Progress{Node: v.scope.cluster.Primary.Name, Query: v.copyProgress()}
	}
	d.step(v.scope.cluster.Primary, w.What, w)
}

// copyProgress is the query for how far the copies of all tables have come: their
// states, of which each counts as more bytes than any table has, and the bytes under way
// (PostgreSQL docs, 27.4.3 "COPY Progress Reporting"; 13 has none, and tells the size of
// what it writes).
func (v *subscription) copyProgress() string {
	bytes := "(SELECT coalesce(sum(bytes_processed), 0) FROM pg_stat_progress_copy WHERE datname = current_database() AND command = 'COPY FROM')"
	if !v.scope.atLeast(14) {
		bytes = "coalesce(sum(pg_relation_size(r.srrelid)) FILTER (WHERE r.srsubstate = 'd'), 0)"
	}
	return "SELECT coalesce(sum(array_position(ARRAY['i', 'd', 'f', 's', 'r'], r.srsubstate::text)), 0) * 1e15 + " + bytes + ",\n" +
		"  pg_size_pretty(" + bytes + ") || ' under way'\n" +
		"FROM pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid WHERE s.subname = " + literal(v.Name)
}

// readyQuery answers t once all tables are ready and the worker has heard of the
// publisher; "failed" for a subscription that an error has disabled.
func readyQuery(name string) string {
	return "SELECT CASE WHEN NOT s.subenabled THEN 'failed' WHEN count(r.*) = count(r.*) FILTER (WHERE r.srsubstate = 'r')\n" +
		"    AND EXISTS (SELECT FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NULL AND w.received_lsn IS NOT NULL) THEN 't' ELSE 'f' END,\n" +
		"  CASE WHEN NOT s.subenabled THEN 'the subscription is disabled: see the server log' ELSE\n" +
		"  count(r.*) FILTER (WHERE r.srsubstate = 'r') || ' of ' || count(r.*) || ' tables ready' END\n" +
		"FROM pg_subscription s LEFT JOIN pg_subscription_rel r ON r.srsubid = s.oid\n" +
		"WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND s.subname = " + literal(name) + "\nGROUP BY s.oid, s.subenabled"
}

// publishedTables answers what the publications come to, in order.
func (v *subscription) publishedTables() []topology.TableName {
	var all []topology.TableName
	for _, p := range v.Publications {
		all = append(all, v.remote.Published(p)...)
	}
	slices.SortFunc(all, topology.TableName.Compare)
	return slices.Compact(all)
}

// copyNote says what a change copies.
func (v *subscription) copyNote(d *draft, tables []topology.TableName) {
	if !v.CopyData || !v.Options.Enabled || len(tables) == 0 {
		return
	}
	var bytes int64
	for _, name := range tables {
		bytes += tableBytes(v.remote, name)
	}
	d.worsen(CopyData)
	d.Effect = join(d.Effect, fmt.Sprintf("copies %s, %s", counted(len(tables), "table"), bytesText(bytes)))
	d.copies = append(d.copies, Copy{Node: v.scope.cluster.Primary.Name, Bytes: bytes})
}

// tableBytes is the size of a table, or of all partitions below it.
func tableBytes(found *facts.Logical, name topology.TableName) int64 {
	var bytes int64
	for _, t := range found.Tables {
		if t.Table == name || t.Root != nil && *t.Root == name {
			bytes += t.Bytes
		}
	}
	return bytes
}

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return strconv.Itoa(n) + " " + what + "s"
}

// goneSubscription drops a subscription that repltool made and that left the
// topology. It is detached first: its slot is dropped on the publisher after it, and
// where the publisher is gone the slot is what stays behind.
func (s *scope) goneSubscription(m row, out *findings) {
	found, unknown := s.logical(m.in)
	if s.wantsSubscription(m.in, m.name) || unknown || !s.targeted(s.addressOfRow(m.address)) { // or renamed
		return
	}
	n, is := s.cluster.Primary, found.Subscription(m.name)
	d := s.gone(s.goneAddress(m), n, is != nil)
	if is != nil {
		d.Reason += "; its tables and their rows stay"
		d.sqlIn(n, m.in, "detach and drop", detach(m.name)...)
		s.cleanPublisher(d, is)
		s.refuseSynchronousDrop(is, out)
	}
	d.sql(n, "strike out", forgetObject(m))
	out.put(d)
}

// publisherOf answers the node of the topology that a subscription connects to, where it
// can be reached; else nil.
func (s *scope) publisherOf(is *facts.Subscription) *topology.Node {
	conn := conninfo.Map(is.ConnInfo.Reveal())
	for _, n := range s.topology.Nodes {
		if s.running(n) && (s.leads(s.cluster.Primary, n, conn, s.portInForce(n)) || s.leads(s.cluster.Primary, n, conn, n.Port)) {
			return n
		}
	}
	return nil
}

// cleanPublisher drops the slots of table copies on the publisher, and says where slots
// stay behind that no plan can drop now.
func (s *scope) cleanPublisher(d *draft, is *facts.Subscription) {
	if n := s.publisherOf(is); n != nil {
		s.dropSyncSlots(d, n, is)
		return
	}
	if is.Options.SlotName != "" {
		d.Reason += fmt.Sprintf("; slot %s stays on its publisher %s: drop it there, it holds back WAL", ident(is.Options.SlotName), conninfo.Map(is.ConnInfo.Reveal())["host"])
	}
	if is.Copying() > 0 {
		d.Reason += fmt.Sprintf("; so do the slots of its table copies, pg_%d_sync_…", is.OID)
	}
}
