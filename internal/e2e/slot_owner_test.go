package e2e

import (
	"testing"
)

// TestSlotOwner: subscriptions in a chain, whose slots and databases someone changes by hand.
func TestSlotOwner(t *testing.T) {
	p := newPair(t, "bookworm")
	p.chain("")
	p.must(0, "apply", "-auto-approve")
	p.in(1, "shop", "CREATE TABLE t1 (id bigint PRIMARY KEY); INSERT INTO t1 VALUES (1)")
	p.in(1, "spare", "CREATE TABLE apart (id bigint PRIMARY KEY); INSERT INTO apart VALUES (1)")
	p.chain(chained)
	p.must(0, "apply", "-auto-approve")
	p.expectIn(1, "mart", "SELECT string_agg(id::text, ' ') FROM t1", "1")
	p.settled()

	p.in(1, "shop", "CREATE TABLE t2 (id bigint PRIMARY KEY); INSERT INTO t2 VALUES (1)")
	p.must(0, "apply", "-auto-approve")
	p.in(1, "shop", "INSERT INTO t1 VALUES (2); INSERT INTO t2 VALUES (2)")
	p.expectIn(1, "mart", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM t1", "1 2")
	p.expectIn(1, "mart", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM t2", "1 2")
	p.settled()
	p.anotherSlot()
	p.renamedDatabase()
	p.noSecrets()
}

// chain writes the topology: each cluster publishes, and has databases of its own to subscribe.
func (p *pair) chain(more string) {
	p.t.Helper()
	p.clusters("  database \"spare\" {}\n  database \"mart\" {}\n", `  parameters = { wal_level = "logical", listen_addresses = "*", max_logical_replication_workers = "8" }
  role "feed" {
    replication = true
    password    = var.password
  }
  database "dw" {}
`, more)
}

const chained = `publication "first" {
  cluster    = cluster.orders
  database   = "shop"
  all_tables = true
}
publication "second" {
  cluster    = cluster.warehouse
  database   = "dw"
  schemas    = ["public"]
}
publication "apart" {
  cluster  = cluster.orders
  database = "spare"
  tables   = ["public.apart"]
}
subscription "first" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.first]
  copy_schema  = "missing"
}
subscription "second" {
  cluster      = cluster.orders
  database     = "mart"
  publications = [publication.second]
  copy_schema  = "missing"
}
subscription "apart" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.apart]
  copy_schema  = "missing"
}
`

// anotherSlot: a subscription has the slot of another one by hand.
func (p *pair) anotherSlot() {
	p.t.Helper()
	p.in(2, "dw", "ALTER SUBSCRIPTION first DISABLE; ALTER SUBSCRIPTION first SET (slot_name = 'apart')")
	p.expect(1, "SELECT active FROM pg_replication_slots WHERE slot_name = 'first'", "f")
	p.in(1, "shop", "INSERT INTO t1 VALUES (3)")
	p.must(0, "apply", "-auto-approve")
	p.in(1, "spare", "INSERT INTO apart VALUES (2)")
	p.expectIn(2, "dw", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM t1", "1 2 3")
	p.expectIn(2, "dw", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM apart", "1 2")
	p.settled()
}

// renamedDatabase: a database that holds subscriptions has another name by hand.
func (p *pair) renamedDatabase() {
	p.t.Helper()
	p.in(1, "mart", "ALTER SUBSCRIPTION second DISABLE")
	p.in(2, "dw", "ALTER SUBSCRIPTION first DISABLE; ALTER SUBSCRIPTION apart DISABLE")
	p.expect(2, "SELECT count(*) FROM pg_stat_activity WHERE datname = 'dw'", "0")
	p.sql(2, "ALTER DATABASE dw RENAME TO dw_old")
	p.in(1, "shop", "INSERT INTO t1 VALUES (4)")
	p.says(p.must(1, "plan"), "Renamed database", "ALTER DATABASE dw_old RENAME TO dw;", "Replication slot belongs to another database")
	p.says(p.must(1, "apply", "-auto-approve", "-allow=recreate", "-target=cluster.warehouse"), "Renamed database")
	p.sql(2, "ALTER DATABASE dw_old RENAME TO dw")
	p.must(0, "apply", "-auto-approve")
	p.expectIn(1, "mart", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM t1", "1 2 3 4")
	p.settled()
}
