package e2e

import (
	"strings"
	"testing"
)

// TestTableRenamed follows a table that was renamed on the publisher: what the plan says to do
// is enough, nothing is copied again, and no row is lost.
func TestTableRenamed(t *testing.T) {
	p := newPair(t, "bookworm")
	p.declare("")
	p.must(0, "apply", "-auto-approve")
	p.in(1, "shop", shopTables+"INSERT INTO customers VALUES (1, 'one')")
	p.in(2, "dw", shopTables)
	p.declare(publishAll)
	p.must(0, "apply", "-auto-approve")
	p.alike("customers", "true")

	p.in(1, "shop", "ALTER TABLE customers RENAME TO clients")
	p.in(1, "shop", "INSERT INTO clients VALUES (2, 'two')")
	rename := "ALTER TABLE public.customers RENAME TO clients;"
	r := p.must(1, "plan")
	r.stdout, r.stderr = strings.Join(strings.Fields(r.stdout), " "), strings.Join(strings.Fields(r.stderr), " ") // lines are wrapped
	p.says(r, "Unknown table", "write public.clients in its place in publication.orders", "on dw1 in database dw, run "+rename)
	if strings.Contains(r.stdout, "REFRESH PUBLICATION") {
		t.Errorf("the subscription is to leave the table:\n%s", r.stdout)
	}
	p.says(p.must(2, "drift"), "Unknown table")

	p.in(2, "dw", rename)
	p.declare(strings.Replace(publishAll, `"customers"`, `"clients"`, 1))
	p.alike("clients", "true")
	p.settled()
	p.expectIn(2, "dw", "SELECT string_agg(id::text, ' ' ORDER BY id) FROM clients", "1 2")
}
