package e2e

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
)

// shaped is a pair whose subscriber has room for few locks. Several publications fill one
// of its tables, another has many tables, and what a plan must know of both sides changes
// while they are followed.
type shaped struct {
	*pair
	locks    string // max_locks_per_transaction of the subscriber
	prepared string // max_prepared_transactions of the subscriber
}

// write declares both clusters and what flows between them.
func (p *shaped) write(flows ...string) {
	p.t.Helper()
	p.declare(strings.Join(flows, ""))
	p.world.write("main.hcl", strings.NewReplacer(
		`database "shop" {}`, "database \"shop\" {}\n  database \"us\" {}\n  slot \"cdc\" {\n    type     = \"logical\"\n    database = \"shop\"\n  }",
		`listen_addresses = "*"`, `listen_addresses = "*", max_replication_slots = 8, max_prepared_transactions = 5`,
		"primary = node.dw1", "primary = node.dw1\n  parameters = { max_connections = 20, max_worker_processes = 10, max_logical_replication_workers = 8,\n"+
			"    max_locks_per_transaction = "+p.locks+", max_prepared_transactions = "+p.prepared+" }",
	).Replace(p.read("main.hcl")))
}

// feed is a publication of one database's table sales and its subscription.
func feed(region, database, more string) string {
	return fmt.Sprintf(`
publication %[1]q {
  cluster  = cluster.orders
  database = %[2]q
  table "sales" { where = "region = '%[1]s'" }
}
subscription %[1]q {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.%[1]s]
%[3]s}
`, region, database, more)
}

const manyTables = `
publication "many" {
  cluster  = cluster.orders
  database = "shop"
  schemas  = ["many"]
}
subscription "many" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.many]
  copy_schema  = "missing"
  copy_data    = false
}
`

// TestLogicalLimits: what a plan has to know of tables, slots, locks and options on both
// sides is said before anything is created, and while it is followed.
func TestLogicalLimits(t *testing.T) {
	p := &shaped{pair: newPair(t, "bookworm", "trixie"), locks: "10", prepared: "0"}
	p.write()
	p.must(0, "apply", "-auto-approve")
	const sales = "CREATE TABLE sales (region text, id int, v text, PRIMARY KEY (region, id));"
	p.in(1, "shop", sales+"INSERT INTO sales SELECT 'eu', n FROM generate_series(1, 100) n; CREATE SCHEMA many")
	p.in(1, "us", sales+"INSERT INTO sales SELECT 'us', n FROM generate_series(1, 100) n")
	p.in(1, "shop", "DO $$BEGIN FOR n IN 1..300 LOOP EXECUTE format('CREATE TABLE many.t%s (id bigserial PRIMARY KEY, v text, at timestamptz)', n); END LOOP; END$$")
	p.in(2, "dw", sales)
	p.slotRecreated()
	p.tooFewLocks()
	p.secondPublisher()
	p.lastSlot()
	p.noPrepared()
	p.columnMissing()
	p.allLeave()
	p.noSecrets()
}

// slotRecreated: a declared slot that lost its WAL is recreated by -replace.
func (p *shaped) slotRecreated() {
	p.t.Helper()
	p.in(1, "shop", "ALTER SYSTEM SET max_slot_wal_keep_size = '1MB'")
	p.in(1, "shop", "SELECT pg_reload_conf(), pg_sleep(0.3)")
	for range 3 {
		p.in(1, "shop", "SELECT pg_logical_emit_message(false, 'x', 'y')")
		p.in(1, "shop", "SELECT pg_switch_wal()")
	}
	p.in(1, "shop", "CHECKPOINT")
	p.expectIn(1, "shop", "SELECT wal_status FROM pg_replication_slots", "lost")
	p.says(p.must(2, "drift"), "slot cdc on pg1 has lost WAL", "-replace=cluster.orders.slot.cdc")
	p.in(1, "shop", "ALTER SYSTEM RESET max_slot_wal_keep_size")
	p.in(1, "shop", "SELECT pg_reload_conf()")
	p.must(0, "apply", "-auto-approve", "-allow=drop", "-replace=cluster.orders.slot.cdc")
	p.expectIn(1, "shop", "SELECT wal_status FROM pg_replication_slots", "reserved")
	p.settled()
}

// tooFewLocks: the plan refuses before the slot is created, and the number that it names
// is enough.
func (p *shaped) tooFewLocks() {
	p.t.Helper()
	p.write(manyTables)
	r := p.must(1, "apply", "-auto-approve")
	p.says(r, "Not enough locks")
	p.expectIn(1, "shop", "SELECT count(*) FROM pg_replication_slots", "1")
	number := regexp.MustCompile(`\n[ │]*max_locks_per_transaction = (\d+)`).FindStringSubmatch(r.stdout + r.stderr)
	if number == nil {
		p.t.Fatalf("no number:\n%s\n%s", r.stdout, r.stderr)
	}
	p.locks = number[1]
	p.write(manyTables)
	p.must(0, "apply", "-auto-approve", "-allow=restart")
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_subscription_rel", "300")
	p.settled()
}

// secondPublisher: the table that another one has filled is no obstacle where the row
// filter tells the rows apart.
func (p *shaped) secondPublisher() {
	p.t.Helper()
	p.write(manyTables, feed("eu", "shop", ""))
	p.must(0, "apply", "-auto-approve")
	p.expectIn(2, "dw", "SELECT count(*) FROM sales", "100")
	p.write(manyTables, feed("eu", "shop", ""), feed("us", "us", ""))
	p.must(0, "apply", "-auto-approve")
	p.expectIn(2, "dw", "SELECT string_agg(region || n, ' ' ORDER BY region) FROM (SELECT region, count(*) n FROM sales GROUP BY 1) x", "eu100 us100")
	p.settled()
}

// lastSlot: the initial copy needs a slot of its own beside the subscription's.
func (p *shaped) lastSlot() {
	p.t.Helper()
	const taken = "SELECT pg_create_physical_replication_slot('taken' || n) FROM generate_series(1, 3) n"
	p.in(1, "shop", taken)
	p.in(1, "shop", "CREATE TABLE late (id int PRIMARY KEY)")
	p.in(2, "dw", "CREATE TABLE late (id int PRIMARY KEY)")
	late := strings.NewReplacer(`"customers"`, `"late"`, `"orders" {`, `"late" {`, "publication.orders", "publication.late").Replace(publishCustomers)
	p.write(manyTables, feed("eu", "shop", ""), feed("us", "us", ""), late)
	p.says(p.must(1, "apply", "-auto-approve"), "Not enough replication slots", "reserved for base backups")
	p.expectIn(1, "shop", "SELECT count(*) FROM pg_replication_slots", "7")
	p.in(1, "shop", "SELECT pg_drop_replication_slot('taken' || n) FROM generate_series(1, 3) n")
	p.must(0, "apply", "-auto-approve")
	p.settled()
	p.write(manyTables, feed("eu", "shop", ""), feed("us", "us", ""))
	p.must(0, "apply", "-auto-approve", "-allow=drop")
}

// noPrepared: two_phase needs a subscriber that can prepare.
func (p *shaped) noPrepared() {
	p.t.Helper()
	p.in(2, "dw", "CREATE TABLE phases (id int PRIMARY KEY)")
	p.in(1, "shop", "CREATE TABLE phases (id int PRIMARY KEY)")
	phases := strings.NewReplacer(`["customers"]`, `["phases"]`, `"orders" {`, `"phases" {`, "[publication.orders]", "[publication.phases]\n  two_phase    = true").Replace(publishCustomers)
	p.write(manyTables, feed("eu", "shop", ""), feed("us", "us", ""), phases)
	r := p.must(1, "plan")
	p.says(r, "Prepared transactions disabled on the subscriber", "max_prepared_transactions = 5")
	p.prepared = "5"
	p.write(manyTables, feed("eu", "shop", ""), feed("us", "us", ""), phases)
	p.must(0, "apply", "-auto-approve", "-allow=restart")
	p.expectIn(2, "dw", "SELECT subtwophasestate FROM pg_subscription WHERE subname = 'phases'", "e")
	p.in(1, "shop", "BEGIN; INSERT INTO phases VALUES (1); PREPARE TRANSACTION 'one'")
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_prepared_xacts", "1")
	p.in(1, "shop", "COMMIT PREPARED 'one'")
	p.expectIn(2, "dw", "SELECT count(*) FROM phases", "1")
	p.settled()
	p.write(manyTables, feed("eu", "shop", ""), feed("us", "us", ""))
	p.must(0, "apply", "-auto-approve", "-allow=drop")
}

// columnMissing: a followed table that no longer matches is named before replication
// stops, and as the cause after. So is a replica identity that was dropped.
func (p *shaped) columnMissing() {
	p.t.Helper()
	p.in(1, "shop", "ALTER TABLE sales ADD extra int")
	p.says(p.must(2, "drift"), "public.sales on dw1 lacks extra")
	p.in(1, "shop", "INSERT INTO sales VALUES ('eu', 101, 'x', 1)")
	p.eventually("Likely cause: table public.sales on dw1 lacks extra", "drift")
	p.in(2, "dw", "ALTER TABLE sales ADD extra int")
	p.expectIn(2, "dw", "SELECT extra FROM sales WHERE id = 101", "1")
	p.in(2, "dw", "CREATE TABLE bills (region text, id int, FOREIGN KEY (region, id) REFERENCES sales); ALTER TABLE sales ADD CHECK (extra < 1000)")
	p.says(p.must(0, "drift"), "public.bills references public.sales", "CHECK ((extra < 1000))")
	p.in(2, "dw", "DROP TABLE bills; ALTER TABLE sales DROP CONSTRAINT sales_extra_check")
	p.in(1, "shop", "ALTER TABLE sales DROP CONSTRAINT sales_pkey")
	p.says(p.must(2, "drift"), "rejects every UPDATE and DELETE of public.sales")
	p.in(1, "shop", "ALTER TABLE sales ADD PRIMARY KEY (region, id)")
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_stat_subscription WHERE relid IS NULL AND received_lsn IS NOT NULL", "3")
	p.settled()
}

// allLeave: subscriptions, slots, publications and databases leave in one plan.
func (p *shaped) allLeave() {
	p.t.Helper()
	p.write()
	p.world.write("main.hcl", regexp.MustCompile(`(?s)  database "(shop|us|dw)" \{\}\n|  slot "cdc" \{.*?\n  \}\n`).ReplaceAllString(p.read("main.hcl"), ""))
	p.must(0, "apply", "-auto-approve", "-allow=drop")
	for i := range 2 {
		p.expectIn(i+1, "postgres", "SELECT (SELECT count(*) FROM pg_database WHERE datname IN ('shop', 'us', 'dw')) + (SELECT count(*) FROM pg_replication_slots) + (SELECT count(*) FROM pg_replication_origin)", "0")
	}
	p.settled()
}
