package e2e

import (
	"fmt"
	"strings"
	"testing"
)

// TestPublisherReplaced: the position of a subscription is one in the WAL of the server that
// it came from. Where the publisher ends before it, or is another database, rows would be
// missing without an error.
func TestPublisherReplaced(t *testing.T) {
	p := newPair(t, "bookworm")
	feed := func(database string) string {
		return fmt.Sprintf(`
publication %[1]q {
  cluster  = cluster.orders
  database = %[1]q
  tables   = ["customers"]
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.%[1]s]
}
`, database)
	}
	write := func(flow string) {
		p.clusters("  database \"other\" {}\n", "  database \"dw\" {}\n", flow)
	}
	write("")
	p.must(0, "apply", "-auto-approve")
	for i, databases := range map[int][]string{1: {"shop", "other"}, 2: {"dw"}} {
		for _, database := range databases {
			p.in(i, database, "CREATE TABLE customers (id int PRIMARY KEY, name text)")
		}
	}
	p.in(1, "shop", "INSERT INTO customers VALUES (1, 'shop')")
	p.in(1, "other", "INSERT INTO customers VALUES (2, 'other')")
	write(feed("shop"))
	p.must(0, "apply", "-auto-approve")
	p.settled()

	// what a publisher that was restored from an older backup looks like
	p.in(2, "dw", "ALTER SUBSCRIPTION orders DISABLE")
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_stat_subscription WHERE pid IS NOT NULL", "0")
	p.in(2, "dw", "SELECT pg_replication_origin_advance('pg_' || oid, 'F0/0') FROM pg_subscription")
	p.in(2, "dw", "ALTER SUBSCRIPTION orders ENABLE")
	p.in(1, "shop", "INSERT INTO customers VALUES (3, 'skipped')")
	p.says(p.must(2, "drift"), "has applied changes up to WAL position F0/0", "restored from a backup", "-replace=subscription.orders")
	p.in(2, "dw", "TRUNCATE customers")
	p.must(0, "apply", "-auto-approve", "-allow=drop,reclone", "-replace=subscription.orders")
	p.expectIn(2, "dw", "SELECT string_agg(name, ' ' ORDER BY id) FROM customers", "shop skipped")
	p.settled()

	p.in(2, "dw", "CREATE SUBSCRIPTION rogue CONNECTION 'host="+p.host(1).Addr+" dbname=shop user=replicator passfile=/var/lib/postgresql/.repltool/warehouse.subscriptions.pass' PUBLICATION shop WITH (copy_data = false)")
	p.says(p.must(2, "drift"), "and so does subscription rogue", "ALTER SUBSCRIPTION rogue DISABLE")
	p.in(2, "dw", "DROP SUBSCRIPTION rogue")
	p.settled()

	write(strings.Replace(feed("shop"), `tables   = ["customers"]`, `schemas  = ["public", "nowhere"]`, 1))
	p.says(p.must(1, "apply", "-auto-approve"), "Unknown schema", `no schema nowhere`)

	write(feed("other"))
	p.says(p.must(1, "apply", "-auto-approve"), "Different publisher", "database other on pg1")
	p.in(2, "dw", "TRUNCATE customers")
	p.must(0, "apply", "-auto-approve", "-allow=drop,reclone", "-replace=subscription.orders")
	p.expectIn(2, "dw", "SELECT string_agg(name, ' ' ORDER BY id) FROM customers", "other")
	p.settled()
}
