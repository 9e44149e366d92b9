package e2e

import (
	"strings"
	"testing"
)

// TestSubscriber: what a plan may conclude of a subscription that it cannot see, or that
// someone changed by hand.
func TestSubscriber(t *testing.T) {
	p := newPair(t, "bookworm")
	p.declare("")
	p.must(0, "apply", "-auto-approve")
	p.in(1, "shop", shopTables+"INSERT INTO customers VALUES (1, 'one')")
	p.in(2, "dw", shopTables)
	p.declare(publishAll)
	p.must(0, "apply", "-auto-approve")
	p.unread()
	p.byHand()
	p.recreated()
	p.leaves()
	p.noSecrets()
}

// unread: the subscriber's database cannot be read when everything leaves the topology.
func (p *pair) unread() {
	p.t.Helper()
	p.sql(2, "ALTER DATABASE dw ALLOW_CONNECTIONS false")
	whole := p.read("main.hcl")
	p.write("main.hcl", bare(whole))
	p.says(p.must(3, "apply", "-auto-approve", "-allow=drop"), "slot orders", "publication orders", "role replicator", "database shop", "database dw on dw1 could not be read")
	p.must(2, "drift")
	p.sql(2, "ALTER DATABASE dw ALLOW_CONNECTIONS true")
	p.in(1, "shop", "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots")
	p.in(1, "shop", "INSERT INTO customers VALUES (2, 'written meanwhile')")
	p.alike("customers", "true")
	p.write("main.hcl", whole)
	p.must(0, "apply", "-auto-approve")
	p.settled()
}

// bare is the topology of a pair without roles, databases, and what flows between them.
func bare(whole string) string {
	text, _, _ := strings.Cut(whole, "publication ")
	for _, part := range []string{"  role \"replicator\" {\n    replication = true\n    password    = var.password\n  }\n", "  database \"shop\" {}\n", "  database \"dw\" {}\n"} {
		text = strings.Replace(text, part, "", 1)
	}
	return text
}

// recreated: a database and a slot are dropped and created again by hand.
func (p *pair) recreated() {
	p.t.Helper()
	with := p.read("main.hcl")
	p.write("main.hcl", strings.Replace(with, "  database \"shop\" {}\n", "  database \"shop\" {}\n  database \"spare\" {}\n", 1))
	p.must(0, "apply", "-auto-approve")
	p.sql(1, "DROP DATABASE spare")
	p.sql(1, "CREATE DATABASE spare")
	p.in(1, "spare", "CREATE TABLE by_hand AS SELECT 1 AS id")
	p.write("main.hcl", with)
	p.says(p.must(0, "apply", "-auto-approve", "-allow=drop"), "dropped and created again by hand")
	p.expectIn(1, "spare", "SELECT count(*) FROM by_hand", "1")
	p.settled()

	p.in(2, "dw", "ALTER SUBSCRIPTION orders DISABLE")
	p.expect(1, "SELECT active FROM pg_replication_slots", "f")
	p.sql(1, "SELECT pg_drop_replication_slot('orders')")
	p.in(1, "shop", "INSERT INTO customers VALUES (3, 'lost')")
	p.in(1, "shop", "SELECT pg_create_logical_replication_slot('orders', 'pgoutput')")
	p.in(2, "dw", "ALTER SUBSCRIPTION orders ENABLE")
	p.in(1, "shop", "INSERT INTO customers VALUES (4, 'sent')")
	p.expectIn(2, "dw", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM customers", "1 2 4 10")
	p.says(p.must(2, "drift"), "slot orders on pg1 was dropped and created again by hand", "-replace=subscription.orders")
	p.in(2, "dw", "TRUNCATE customers")
	p.must(0, "apply", "-auto-approve", "-allow=drop,reclone", "-replace=subscription.orders")
	p.alike("customers", "true")
	p.settled()
}

// leaves: everything that repltool created goes.
func (p *pair) leaves() {
	p.t.Helper()
	p.write("main.hcl", bare(p.read("main.hcl")))
	p.must(0, "apply", "-auto-approve", "-allow=drop")
	p.expect(1, "SELECT string_agg(datname, ' ' ORDER BY datname) FROM pg_database WHERE NOT datistemplate", "postgres spare")
	p.expect(1, "SELECT count(*) FROM pg_replication_slots", "0")
	p.expect(1, "SELECT count(*) FROM pg_roles WHERE rolname = 'replicator'", "0")
	p.expect(2, "SELECT count(*) FROM pg_subscription", "0")
	p.settled()
}

// byHand: the subscription is renamed and loses its slot; nothing is copied again.
func (p *pair) byHand() {
	p.t.Helper()
	p.in(2, "dw", "ALTER SUBSCRIPTION orders RENAME TO by_hand")
	p.in(2, "dw", "ALTER SUBSCRIPTION by_hand DISABLE")
	p.in(2, "dw", "ALTER SUBSCRIPTION by_hand SET (slot_name = NONE)")
	p.expect(1, "SELECT active FROM pg_replication_slots", "f")
	p.in(1, "shop", "INSERT INTO customers VALUES (10, 'while it was detached')")
	p.must(0, "apply", "-auto-approve")
	p.expectIn(2, "dw", "SELECT subname || ' ' || subslotname FROM pg_subscription", "orders orders")
	p.alike("customers", "true")
	p.settled()
}
