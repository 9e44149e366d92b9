package e2e

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// pair is a publisher and a subscriber: host 1 has database shop, host 2 database dw.
type pair struct {
	*world
	password string
}

const newCanary = "canary-7f3a'42\\:x"

func newPair(t *testing.T, suites ...string) *pair {
	t.Helper()
	return &pair{world: newWorld(t, lab.Options{Hosts: 2, Suites: suites}), password: canary}
}

// declare writes the topology: both clusters, and what else is given.
func (p *pair) declare(extra string) {
	p.t.Helper()
	p.clusters("", "  database \"dw\" {}\n", extra)
}

// clusters writes the topology: cluster orders with what else is in it, cluster warehouse with
// what is in it, and more blocks.
func (p *pair) clusters(orders, warehouse, more string) {
	p.t.Helper()
	p.env = append(p.env, "REPLTOOL_VAR_password="+p.password)
	one, two := p.host(1), p.host(2)
	p.write("main.hcl", fmt.Sprintf(`variable "password" {
  type      = string
  sensitive = true
}
node "pg1" {
  host    = %q
  address = %q
}
node "dw1" {
  host    = %q
  address = %q
}
cluster "orders" {
  primary    = node.pg1
  parameters = { wal_level = "logical", listen_addresses = "*" }
  role "replicator" {
    replication = true
    password    = var.password
  }
  database "shop" {}
%s}
cluster "warehouse" {
  primary = node.dw1
%s}
%s`, one.Name, one.Addr, two.Name, two.Addr, orders, warehouse, more))
}

const shopTables = `CREATE TABLE customers (id bigint PRIMARY KEY, name text);
CREATE TABLE orders (id bigint PRIMARY KEY, customer_id bigint, total numeric, note text);
CREATE TABLE items (id bigint PRIMARY KEY, order_id bigint);`

// sum is a checksum of a table's rows that does not depend on their order.
func sum(table, where string) string {
	return fmt.Sprintf("SELECT count(*) || ' ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM %s t WHERE %s", table, where)
}

// alike waits until both sides have the same rows.
func (p *pair) alike(table, where string) {
	p.t.Helper()
	p.expectIn(2, "dw", sum(table, "true"), p.in(1, "shop", sum(table, where)))
}

// writing runs a writer on the publisher until stop is called: it inserts, updates
// and deletes without a pause.
func (p *pair) writing() (stop func()) {
	ctx, cancel := context.WithCancel(p.t.Context())
	var done sync.WaitGroup
	done.Go(func() {
		for n := 2_000_000; ctx.Err() == nil; n++ {
			_, err := p.host(1).SQLOn(p.t.Context(), 5432, "shop", fmt.Sprintf(`INSERT INTO customers VALUES (%[1]d, 'written');
				INSERT INTO orders VALUES (%[1]d, %[1]d, %[1]d %% 100, 'n'); UPDATE orders SET total = total + 1 WHERE id = %[1]d - 3; DELETE FROM customers WHERE id = %[1]d - 5;
				INSERT INTO items VALUES (%[1]d, %[1]d)`, n))
			if err != nil && p.t.Context().Err() == nil {
				p.t.Errorf("writer: %v", err)
				return
			}
		}
	})
	return func() { cancel(); done.Wait() }
}

// holding keeps a transaction open on the publisher that wrote before whatever comes
// next: decoded, it sees the catalog of now. The answer waits for its commit.
func (p *pair) holding(seconds int) (committed func()) {
	p.t.Helper()
	done := make(chan error, 1)
	go func() {
		_, err := p.host(1).SQLOn(p.t.Context(), 5432, "shop", fmt.Sprintf("BEGIN; INSERT INTO orders VALUES (1999999, 1, 1, 'held'); SELECT pg_sleep(%d); COMMIT", seconds))
		done <- err
	}()
	p.expectIn(1, "shop", "SELECT count(*) FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND query LIKE 'BEGIN; INSERT INTO orders%'", "1")
	return func() {
		if err := <-done; err != nil {
			p.t.Errorf("the transaction that was held open: %v", err)
		}
	}
}

const publishOrders = `
publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["public.customers"]
  table "public.orders" { where = "id > 10" }
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
}
`

// TestLogical is the loop of logical replication between two versions, with a writer
// all along: nothing that is changed is recreated, and no row is lost or there twice.
func TestLogical(t *testing.T) {
	p := newPair(t, "bookworm", "trixie")
	p.declare("")
	p.must(0, "apply", "-auto-approve")
	p.in(1, "shop", shopTables)
	p.in(2, "dw", shopTables)
	p.in(1, "shop", `INSERT INTO customers SELECT n, 'customer ' || n FROM generate_series(1, 1000) n;
		INSERT INTO orders SELECT n, n % 1000, n % 50, 'order ' || n FROM generate_series(1, 1000000) n`)
	stop := p.writing()
	p.declare(publishOrders)
	p.says(p.must(0, "plan"), "CREATE PUBLICATION", "CREATE SUBSCRIPTION", "2 tables, ")
	p.must(0, "apply", "-auto-approve")
	p.settled()
	oid := p.in(2, "dw", "SELECT oid FROM pg_subscription")

	p.declare(strings.NewReplacer(`["public.customers"]`, `["public.items"]`, "id > 10", "id  >  20 and total >= 0").Replace(publishOrders) + identityFull)
	p.in(1, "shop", "ALTER TABLE orders REPLICA IDENTITY FULL")
	p.says(p.must(0, "plan"), "ALTER PUBLICATION orders DROP TABLE ONLY public.customers", "REFRESH PUBLICATION", "1 table, ")
	p.must(0, "apply", "-auto-approve")
	p.settled()
	p.password = newCanary
	p.declare(strings.NewReplacer(`["public.customers"]`, `["public.items"]`, "id > 10", "id  >  20 and total >= 0").Replace(publishOrders) + identityFull)
	p.says(p.must(0, "plan"), "cluster.orders.role.replicator", "cluster.warehouse.node.dw1.passfile")
	p.must(0, "apply", "-auto-approve")
	worker := p.in(2, "dw", "SELECT pid FROM pg_stat_subscription WHERE pid IS NOT NULL")
	p.in(2, "dw", "SELECT pg_terminate_backend("+worker+")") // the next one logs in with the new password
	p.expectIn(2, "dw", "SELECT pid <> "+worker+" FROM pg_stat_subscription WHERE received_lsn IS NOT NULL", "t")
	p.settled()
	p.declare(movedItems)
	p.says(p.must(0, "plan"), "publication.orders.moved", "slot orders has passed the creation of items")
	committed := p.holding(5)
	p.must(0, "apply", "-auto-approve")
	if p.in(1, "shop", "SELECT count(*) FROM orders WHERE id = 1999999") != "1" {
		t.Error("the subscription lists a publication that its slot is not past: a transaction from before is still open")
	}
	committed()
	p.settled()
	stop()
	p.alike("orders", "id > 10") // those copied under the first filter stay
	p.alike("items", "true")
	if now := p.in(2, "dw", "SELECT oid FROM pg_subscription"); now != oid {
		t.Errorf("the subscription was made anew: oid %s, then %s", oid, now)
	}
	p.behindItsBack(publishOrders)
	p.removed()
	p.noSecrets()
}

// movedItems has table items in a publication of its own: none of its rows may be
// missed while it moves there.
const movedItems = `
publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  table "public.orders" { where = "id > 20 and total >= 0" }
}
publication "items" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["public.items"]
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders, publication.items]
}
`

const identityFull = "\n# REPLICA IDENTITY FULL is on orders: its filter uses total\n"

// behindItsBack changes what was applied, sees drift tell it, and fixes it.
func (p *pair) behindItsBack(extra string) {
	p.t.Helper()
	p.declare(extra)
	p.says(p.must(1, "plan"), "Table with existing rows", "public.customers") // it was let go, and its rows stayed
	p.in(2, "dw", "TRUNCATE customers")
	p.must(0, "apply", "-auto-approve", "-allow=drop")
	p.settled()
	for _, c := range []struct {
		host     int
		database string
		sql      string
		says     string
	}{
		{1, "shop", "ALTER PUBLICATION orders DROP TABLE customers", "public.customers"},
		{1, "shop", "ALTER PUBLICATION orders SET (publish = 'insert')", "publish"},
		{1, "shop", "REVOKE SELECT ON customers FROM replicator", "GRANT SELECT"},
		{2, "dw", "ALTER SUBSCRIPTION orders DISABLE", "enabled"},
		{2, "dw", "ALTER SUBSCRIPTION orders SET (synchronous_commit = 'on', binary = true)", "binary"},
		{2, "dw", "ALTER SUBSCRIPTION orders CONNECTION 'host=127.0.0.9 dbname=shop'", "connection.host"},
	} {
		p.in(c.host, c.database, c.sql)
		p.says(p.must(2, "drift"), c.says)
		p.must(0, "apply", "-auto-approve", "-allow=recreate") // of the table that left
		p.settled()
	}
}

// removed takes publication and subscription out of the topology.
func (p *pair) removed() {
	p.t.Helper()
	p.in(1, "shop", "CREATE PUBLICATION theirs FOR TABLE customers")
	p.declare("")
	p.must(0, "apply", "-auto-approve", "-allow=drop")
	p.settled()
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_subscription", "0")
	p.expectIn(1, "shop", "SELECT string_agg(pubname, ' ') || (SELECT count(*) FROM pg_replication_slots) FROM pg_publication", "theirs0")
}
