package e2e

import (
	"strings"
	"syscall"
	"testing"
)

const publishAll = `
publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["customers", "orders", "items"]
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
}
`

// TestLogicalFaults: what plan, drift and status say when something of logical
// replication breaks, and that apply goes on once it is mended.
func TestLogicalFaults(t *testing.T) {
	p := newPair(t, "bookworm")
	p.declare("")
	p.must(0, "apply", "-auto-approve")
	p.in(1, "shop", shopTables+"INSERT INTO orders SELECT n, n, n, repeat('x', 200) FROM generate_series(1, 600000) n")
	p.in(2, "dw", shopTables)
	p.declare(publishAll)
	p.noWay()
	p.cutWhileItCopies()
	p.cutOffCopy()
	p.uniqueViolation()
	p.slowFailure()
	p.tableDropped()
	p.sideDown()
	p.retained()
	p.slotLost()
	p.publisherGone()
	p.outside()
	p.noSecrets()
}

// noWay: the subscriber's machine cannot reach the publisher.
func (p *pair) noWay() {
	p.t.Helper()
	if err := p.host(2).CutPeer(p.t.Context(), p.host(1)); err != nil {
		p.t.Fatal(err)
	}
	p.says(p.must(1, "plan"), "Unreachable publisher", "no answer")
	if err := p.host(2).Heal(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
}

// outside subscribes to a publisher by its address alone, and lets the subscription
// outlive its block.
func (p *pair) outside() {
	p.t.Helper()
	p.in(1, "shop", "CREATE PUBLICATION byhand FOR TABLE customers")
	p.in(1, "shop", "GRANT SELECT ON customers TO replicator")
	p.in(2, "dw", "TRUNCATE customers")
	p.exec(1, "sh", "-c", "echo 'host shop replicator "+p.host(2).Addr+"/32 scram-sha-256' >> /etc/postgresql/15/main/pg_hba.conf")
	p.in(1, "shop", "SELECT pg_reload_conf()")
	far := func(destroy string) string {
		return `
subscription "far" {
  cluster           = cluster.warehouse
  database          = "dw"
  publication_names = ["byhand"]
  on_destroy        = "` + destroy + `"
  connection {
    host     = "` + p.host(1).Addr + `"
    database = "shop"
    user     = "replicator"
    password = var.password
  }
}
`
	}
	p.declare(far("drop"))
	p.must(0, "apply", "-auto-approve")
	p.settled()
	p.alike("customers", "true")
	p.declare(far("retain"))
	p.must(0, "apply", "-auto-approve")
	p.settled()
	p.declare("")
	p.must(0, "apply", "-auto-approve")
	p.expectIn(2, "dw", "SELECT subname FROM pg_subscription", "far")
	p.follows()
	p.must(0, "plan", "-detailed-exitcode")
}

// cutWhileItCopies: the network goes away in the middle of the first copy, and apply
// is stopped.
func (p *pair) cutWhileItCopies() {
	p.t.Helper()
	apply := p.launch()
	// Of orders, with nothing of the others under way: see cutOffCopy.
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate IN ('s', 'r') OR srsubstate = 'd' AND srrelid = 'orders'::regclass", "3")
	if err := p.host(2).CutPeer(p.t.Context(), p.host(1)); err != nil {
		p.t.Fatal(err)
	}
	apply.signal(syscall.SIGTERM)
	if code, out := apply.wait(); code != 130 {
		p.t.Errorf("exit code %d, want 130\n%s", code, out)
	}
	p.says(p.run("drift"), "subscription.orders", "Health")
	if err := p.host(2).Heal(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	// The server notices by itself only after wal_receiver_timeout: its workers are ended.
	p.in(2, "dw", "SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL")
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'", "0")
	p.follows()
	p.settled()
	p.alike("orders", "true")
}

// cutOffCopy: a table whose copy lost its publisher between the drop of its slot and the
// note that it is done. That moment is short, so its trace is made.
func (p *pair) cutOffCopy() {
	p.t.Helper()
	p.in(1, "shop", "INSERT INTO items VALUES (0, 1)")
	p.alike("items", "true")
	p.in(2, "dw", "UPDATE pg_subscription_rel SET srsubstate = 'f' WHERE srrelid = 'items'::regclass")
	p.eventually("the initial copy of public.items was interrupted at its very end", "drift")
	p.declare(strings.Replace(publishAll, `, "items"`, "", 1))
	p.must(0, "apply", "-auto-approve")
	p.settled()
	p.in(2, "dw", "TRUNCATE items")
	p.declare(publishAll)
	p.failingCopy()
	p.settled()
	p.alike("items", "true")
}

// failingCopy: a copy that the subscriber refuses each time is not waited for until the limit.
func (p *pair) failingCopy() {
	p.t.Helper()
	p.in(2, "dw", "ALTER TABLE items ADD CONSTRAINT negative CHECK (id < 0)")
	p.says(p.must(1, "apply", "-auto-approve"), "the copy of public.items fails whenever it is tried", "the log of dw1")
	p.says(p.must(2, "drift"), "subscription.orders", "not copied")
	if text := p.must(2, "drift").stdout; strings.Contains(text, "_sync_") {
		p.t.Errorf("the slot of the copy is reported:\n%s", text)
	}
	p.in(2, "dw", "ALTER TABLE items DROP CONSTRAINT negative")
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_subscription_rel WHERE srsubstate <> 'r'", "0")
	p.follows()
}

// follows waits until the worker has heard of the publisher.
func (p *pair) follows() {
	p.t.Helper()
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_stat_subscription WHERE received_lsn IS NOT NULL AND relid IS NULL", "1")
}

// uniqueViolation: a row of the subscriber's own stops replication.
func (p *pair) uniqueViolation() {
	p.t.Helper()
	p.in(2, "dw", "INSERT INTO customers VALUES (7, 'in the way')")
	p.in(1, "shop", "INSERT INTO customers VALUES (7, 'theirs')")
	p.expectIn(2, "dw", "SELECT apply_error_count > 0 FROM pg_stat_subscription_stats", "t")
	p.says(p.must(2, "drift"), "error", "subscription.orders", "applying")
	p.eventually("not connected", "status") // a worker comes every five seconds, and fails
	p.in(2, "dw", "DELETE FROM customers")
	p.alike("customers", "true")
	p.follows()
	p.settled()
}

// slowFailure: a worker that is connected and fed for most of the time, and fails at the same
// change each time: no moment of it is taken for one that works, and an apply does not end
// well on the strength of it.
func (p *pair) slowFailure() {
	p.t.Helper()
	p.in(2, "dw", "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(3.5); RAISE EXCEPTION ''no''; END'")
	p.in(2, "dw", "CREATE TRIGGER slow BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION slow()")
	p.in(2, "dw", "ALTER TABLE customers ENABLE ALWAYS TRIGGER slow")
	errors := p.in(2, "dw", "SELECT apply_error_count FROM pg_stat_subscription_stats")
	p.in(1, "shop", "INSERT INTO customers VALUES (70, 'slow')")
	p.expectIn(2, "dw", "SELECT apply_error_count > "+errors+" FROM pg_stat_subscription_stats", "t")
	for range 3 {
		p.says(p.must(2, "drift"), "error", "subscription.orders", "apply worker")
	}
	p.declare(strings.Replace(publishAll, `= "dw"`, "= \"dw\"\n  disable_on_error = false\n  binary = true", 1))
	p.says(p.must(1, "apply", "-auto-approve"), "are applied")
	p.in(2, "dw", "DROP TRIGGER slow ON customers")
	p.alike("customers", "true")
	p.declare(publishAll)
	p.must(0, "apply", "-auto-approve")
	p.settled()
}

// tableDropped: the subscriber's table goes, and comes back empty.
func (p *pair) tableDropped() {
	p.t.Helper()
	p.in(1, "shop", "INSERT INTO items SELECT n, n FROM generate_series(1, 100) n")
	p.alike("items", "true")
	p.in(2, "dw", "DROP TABLE items")
	p.says(p.must(1, "plan"), "Missing tables on the subscriber", "public.items")
	p.says(p.must(2, "drift"), "Missing tables on the subscriber", "public.items")
	p.in(2, "dw", "CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint)")
	p.says(p.must(0, "plan"), "REFRESH PUBLICATION", "1 table, ")
	p.must(0, "apply", "-auto-approve")
	p.settled()
	p.alike("items", "true")
}

// sideDown: a machine that cannot be read is told, and nothing is made up of it.
func (p *pair) sideDown() {
	p.t.Helper()
	for _, i := range []int{1, 2} {
		if err := p.host(i).Cut(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
		r := p.must(3, "plan", "-detailed-exitcode", "-timeout=5s")
		p.says(r, []string{"pg1", "dw1"}[i-1])
		p.must(3, "status", "-timeout=5s")
		if err := p.host(i).Heal(p.t.Context()); err != nil {
			p.t.Fatal(err)
		}
	}
	p.in(1, "postgres", "ALTER DATABASE shop ALLOW_CONNECTIONS false")
	p.says(p.must(2, "drift"), "database shop", "ALTER DATABASE shop ALLOW_CONNECTIONS true")
	p.says(p.must(3, "plan"), "database shop", "ALTER DATABASE shop ALLOW_CONNECTIONS true")
	p.in(1, "postgres", "ALTER DATABASE shop ALLOW_CONNECTIONS true")
	p.in(2, "dw", "SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL")
	p.follows()
	p.settled()
}

// retained: the slot of a subscription that outlives its block stays too, also while
// nobody uses it, and both come back under repltool's care.
func (p *pair) retained() {
	p.t.Helper()
	p.declare(strings.Replace(publishAll, `= "dw"`, "= \"dw\"\n  on_destroy   = \"retain\"", 1))
	p.must(0, "apply", "-auto-approve")
	p.in(2, "dw", "ALTER SUBSCRIPTION orders DISABLE")
	p.expectIn(1, "shop", "SELECT active FROM pg_replication_slots", "f")
	publication, _, _ := strings.Cut(publishAll, "subscription")
	p.declare(publication)
	p.must(0, "apply", "-auto-approve")
	p.must(0, "plan", "-detailed-exitcode")
	p.expectIn(1, "shop", "SELECT slot_name FROM pg_replication_slots", "orders")
	p.in(1, "shop", "INSERT INTO customers VALUES (8, 'while nobody looked')")
	p.declare(publishAll)
	p.must(0, "apply", "-auto-approve")
	p.alike("customers", "true")
	p.settled()
}

// slotLost: its WAL is gone. Nothing is made anew in silence, and -replace copies again.
func (p *pair) slotLost() {
	p.t.Helper()
	p.in(2, "dw", "ALTER SUBSCRIPTION orders DISABLE")
	p.expectIn(1, "shop", "SELECT active FROM pg_replication_slots", "f")
	p.in(1, "shop", "ALTER SYSTEM SET max_slot_wal_keep_size = '16MB'")
	p.in(1, "shop", "SELECT pg_reload_conf(), pg_sleep(0.3)")
	for range 4 {
		p.in(1, "shop", "INSERT INTO orders SELECT n + (SELECT max(id) FROM orders), n, n, repeat('y', 200) FROM generate_series(1, 100000) n")
		p.in(1, "shop", "SELECT pg_switch_wal()")
		p.in(1, "shop", "CHECKPOINT")
	}
	p.expectIn(1, "shop", "SELECT wal_status FROM pg_replication_slots", "lost")
	r := p.must(2, "drift")
	p.says(r, "has lost WAL that it needs", "-replace=subscription.orders")
	p.in(1, "shop", "ALTER SYSTEM RESET max_slot_wal_keep_size")
	p.in(1, "shop", "SELECT pg_reload_conf()")
	p.says(p.must(1, "plan", "-replace=subscription.orders"), "contains rows")
	p.in(2, "dw", "TRUNCATE customers, orders, items")
	p.must(1, "apply", "-auto-approve", "-replace=subscription.orders") // it drops and copies: that is to be allowed
	p.must(0, "apply", "-auto-approve", "-replace=subscription.orders", "-allow=reclone")
	p.settled()
	p.alike("orders", "true")
}

// publisherGone: the subscription is dropped all the same, and its slot is named.
func (p *pair) publisherGone() {
	p.t.Helper()
	if err := p.host(1).Cut(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.declare("")
	r := p.run("apply", "-auto-approve", "-allow=drop", "-timeout=5s", "-target=subscription.orders")
	p.says(r, "slot orders stays on its publisher")
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_subscription", "0")
	if err := p.host(1).Heal(p.t.Context()); err != nil {
		p.t.Fatal(err)
	}
	p.expectIn(1, "shop", "SELECT active FROM pg_replication_slots", "f") // its walsender has to notice
	p.must(0, "apply", "-auto-approve", "-allow=drop")
	p.settled()
	p.expectIn(1, "shop", "SELECT (SELECT count(*) FROM pg_publication) + (SELECT count(*) FROM pg_replication_slots)", "0")
}
