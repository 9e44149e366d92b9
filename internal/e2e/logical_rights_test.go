package e2e

import (
	"strings"
	"syscall"
	"testing"
)

// TestLogicalRights: what a subscription may read, write, connect with and take, on both
// sides. What would lose rows or stop replication is refused at plan; what was refused
// works after the way out that the message names.
func TestLogicalRights(t *testing.T) {
	t.Parallel()
	for _, suite := range suites() {
		t.Run(suite, func(t *testing.T) {
			p := newPair(t, suite)
			p.declare("")
			p.must(0, "apply", "-auto-approve")
			p.in(1, "shop", shopTables)
			p.in(2, "dw", shopTables)
			p.slotOfAnother()
			p.rowSecurity()
			p.timeLimits()
			p.narrowed()
			p.connectionKept()
			p.renamedHere()
			p.workerFails()
			p.newWorker()
			p.slowWorker()
			p.noSecrets()
		})
	}
}

const publishCustomers = `
publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["customers"]
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
}
`

// slotOfAnother: a subscription that the topology does not know is disabled, and its slot
// has the name that ours would have. It gets every row afterwards.
func (p *pair) slotOfAnother() {
	p.t.Helper()
	p.in(2, "postgres", "CREATE DATABASE theirs")
	p.in(2, "theirs", shopTables)
	p.in(1, "shop", "CREATE ROLE theirs LOGIN REPLICATION; CREATE PUBLICATION theirs FOR TABLE customers; GRANT SELECT ON customers TO theirs")
	p.exec(1, "sh", "-c", "echo 'host shop theirs "+p.host(2).Addr+"/32 trust' | tee -a /etc/postgresql/*/main/pg_hba.conf")
	p.in(1, "shop", "SELECT pg_reload_conf()")
	p.in(2, "theirs", "CREATE SUBSCRIPTION orders CONNECTION 'host="+p.host(1).Addr+" dbname=shop user=theirs' PUBLICATION theirs")
	p.expectIn(2, "theirs", "SELECT srsubstate FROM pg_subscription_rel WHERE srrelid = 'customers'::regclass", "r")
	p.in(2, "theirs", "ALTER SUBSCRIPTION orders DISABLE")
	p.expectIn(1, "shop", "SELECT active FROM pg_replication_slots", "f")
	p.in(1, "shop", "INSERT INTO customers SELECT n, 'while they are away' FROM generate_series(1, 100) n")

	p.declare(publishCustomers)
	p.says(p.must(1, "plan"), "Replication slot is used by another subscription", "slot_name = \"NAME\"")
	p.must(1, "apply", "-auto-approve")
	p.declare(p.ours(""))
	p.must(0, "apply", "-auto-approve")
	p.alike("customers", "true")
	p.in(2, "theirs", "ALTER SUBSCRIPTION orders ENABLE")
	p.expectIn(2, "theirs", "SELECT count(*) FROM customers", "100")
	p.in(2, "theirs", "ALTER SUBSCRIPTION orders DISABLE")
	p.in(2, "theirs", "ALTER SUBSCRIPTION orders SET (slot_name = NONE)")
	p.in(2, "theirs", "DROP SUBSCRIPTION orders")
	p.expectIn(1, "shop", "SELECT active FROM pg_replication_slots WHERE slot_name = 'orders'", "f")
	p.in(1, "shop", "SELECT pg_drop_replication_slot('orders')")
	p.in(1, "shop", "DROP PUBLICATION theirs; DROP OWNED BY theirs; DROP ROLE theirs")
	p.exec(1, "sh", "-c", "sed -i '/ theirs .*trust$/d' /etc/postgresql/*/main/pg_hba.conf")
	p.in(1, "shop", "SELECT pg_reload_conf()")
	p.in(2, "postgres", "DROP DATABASE theirs")
}

// ours is publishCustomers with a slot name of its own.
func (p *pair) ours(more string) string {
	return strings.Replace(publishCustomers, "publications = [publication.orders]", "publications = [publication.orders]\n  slot_name    = \"ours\"\n"+more, 1)
}

// rowSecurity: policies would hide rows from the initial copy. The plan says so, and a
// copy that meets them all the same fails in place of lacking rows.
func (p *pair) rowSecurity() {
	p.t.Helper()
	p.in(1, "shop", "INSERT INTO items SELECT n, n FROM generate_series(1, 300) n; ALTER TABLE items ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON items USING (id % 3 = 0)")
	items := strings.Replace(p.ours(""), `["customers"]`, `["customers", "items"]`, 1)
	p.declare(items)
	p.says(p.must(1, "plan"), "Row security on a published table", "bypassrls = true")
	p.expectIn(2, "dw", "SELECT count(*) FROM items", "0")

	p.in(1, "shop", "GRANT SELECT ON items TO replicator; ALTER PUBLICATION orders ADD TABLE items")
	p.in(2, "dw", "ALTER SUBSCRIPTION orders REFRESH PUBLICATION")
	p.eventuallyLogs(1, "query would be affected by row-level security policy")
	p.expectIn(2, "dw", "SELECT count(*) FROM items", "0")

	p.declare(items)
	p.write("main.hcl", strings.Replace(p.read("main.hcl"), "replication = true", "replication = true\n    bypassrls   = true", 1))
	p.must(0, "apply", "-auto-approve")
	p.expectIn(2, "dw", "SELECT count(*) FROM items", "300")
	p.alike("items", "true")
	p.settled()
	p.write("main.hcl", strings.Replace(p.read("main.hcl"), "\n    bypassrls   = true", "", 1))
	p.says(p.must(2, "plan", "-detailed-exitcode"), "Row security on a published table")
	p.in(1, "shop", "ALTER TABLE items DISABLE ROW LEVEL SECURITY")
	p.declare(items)
	p.must(0, "apply", "-auto-approve")
	p.settled()
}

func (p *pair) eventuallyLogs(i int, text string) {
	p.t.Helper()
	p.exec(i, "sh", "-c", `for n in $(seq 300); do grep -q -- "$0" /var/log/postgresql/*.log && exit 0; sleep 0.1; done; exit 1`, text)
}

// timeLimits: those of the role on the publisher end no copy, though the connection was written
// by hand. That of the subscriber's workers is reported.
func (p *pair) timeLimits() {
	p.t.Helper()
	p.in(1, "shop", "INSERT INTO orders SELECT n, n, n, repeat('x', 100) FROM generate_series(1, 50000) n")
	p.in(1, "shop", "ALTER ROLE replicator IN DATABASE shop SET statement_timeout = '1ms'; ALTER ROLE replicator SET idle_in_transaction_session_timeout = '1ms'")
	p.in(2, "dw", "DO $$BEGIN EXECUTE format('ALTER SUBSCRIPTION orders CONNECTION %L', (SELECT regexp_replace(subconninfo, 'options=''[^'']*''', '') FROM pg_subscription)); END$$")
	p.settled()
	p.declare(strings.Replace(p.ours(""), `["customers"]`, `["customers", "items", "orders"]`, 1))
	p.says(p.must(2, "plan", "-detailed-exitcode"), "connection.options", "statement_timeout = 1ms", "idle_in_transaction_session_timeout = 1ms")
	p.must(0, "apply", "-auto-approve")
	p.alike("orders", "true")
	p.settled()
	p.in(1, "shop", "ALTER ROLE replicator RESET idle_in_transaction_session_timeout; ALTER ROLE replicator IN DATABASE shop RESET statement_timeout")
	if p.in(2, "dw", "SELECT count(*) FROM pg_settings WHERE name = 'transaction_timeout'") == "1" {
		p.in(2, "dw", "ALTER DATABASE dw SET transaction_timeout = '1h'")
		p.says(p.must(0, "drift"), "transaction_timeout = 1h", "ALTER ROLE postgres IN DATABASE dw SET transaction_timeout = 0;")
		p.in(2, "dw", "ALTER DATABASE dw RESET transaction_timeout")
	}
}

// narrowed: what a publication leaves out is lost, also once it is as it was. That is said for as
// long as it leaves something out, and by the plan that ends it.
func (p *pair) narrowed() {
	p.t.Helper()
	p.in(1, "shop", "ALTER PUBLICATION orders SET (publish = 'insert')")
	p.in(1, "shop", "UPDATE orders SET note = 'not sent' WHERE id = 1")
	const said = "publish of publication orders lacks update, delete, truncate"
	p.says(p.must(2, "drift"), said, "not sent once they send more")
	p.says(p.must(0, "status"), said)
	p.says(p.must(0, "apply", "-auto-approve"), said)
	p.in(1, "shop", "UPDATE orders SET note = 'sent' WHERE id = 2")
	p.expectIn(2, "dw", "SELECT string_agg(left(note, 8), ' ' ORDER BY id) FROM orders WHERE id < 3", "xxxxxxxx sent")
	p.in(1, "shop", "UPDATE orders SET note = 'sent' WHERE id = 1")
	p.alike("orders", "true")
	p.settled()
}

// connectionKept: what the topology does not speak of stays in CONNECTION, and a commit
// that waits for the subscription by its application_name does not hang.
func (p *pair) connectionKept() {
	p.t.Helper()
	p.in(2, "dw", "DO $$BEGIN EXECUTE format('ALTER SUBSCRIPTION orders CONNECTION %L', (SELECT subconninfo FROM pg_subscription) || ' application_name=evapp connect_timeout=10 keepalives_idle=30'); END$$")
	p.expectIn(1, "shop", "SELECT application_name FROM pg_stat_replication", "evapp")
	p.in(1, "shop", "ALTER SYSTEM SET synchronous_standby_names = 'evapp'")
	p.in(1, "shop", "SELECT pg_reload_conf()")
	p.expectIn(1, "shop", "SELECT sync_state FROM pg_stat_replication", "sync")
	p.settled()
	p.in(1, "shop", "INSERT INTO customers VALUES (201, 'committed')")
	option := "binary       = true"
	if p.host(2).Version < 14 {
		option = `synchronous_commit = "local"`
	}
	p.write("main.hcl", strings.Replace(p.read("main.hcl"), "slot_name ", option+"\n  slot_name ", 1))
	p.says(p.must(0, "apply", "-auto-approve"), "Subscription is a synchronous standby")
	p.in(1, "shop", "INSERT INTO customers VALUES (202, 'committed')")
	p.expectIn(2, "dw", "SELECT subconninfo LIKE '%keepalives_idle=30%' FROM pg_subscription", "t")
	p.in(1, "shop", "ALTER SYSTEM RESET synchronous_standby_names")
	p.in(1, "shop", "SELECT pg_reload_conf()")
	p.settled()
}

// renamedHere: a table is renamed on the subscriber. Renamed back, nothing is missing; where
// another table has the name, an apply copies into that one.
func (p *pair) renamedHere() {
	p.t.Helper()
	p.in(2, "dw", "ALTER TABLE items RENAME TO items_old")
	p.in(1, "shop", "INSERT INTO items VALUES (1001, 1)")
	p.says(p.must(1, "plan"), "Missing tables on the subscriber", "items_old")
	p.says(p.must(2, "status"), "stops at the next change of public.items", "ALTER TABLE public.items_old RENAME TO items;")
	p.in(2, "dw", "ALTER TABLE public.items_old RENAME TO items")
	p.alike("items", "true")
	p.settled()
	p.in(2, "dw", "ALTER TABLE items RENAME TO items_old")
	p.in(2, "dw", "CREATE TABLE items (LIKE items_old INCLUDING ALL)")
	p.in(1, "shop", "INSERT INTO items VALUES (1002, 1)")
	p.says(p.must(2, "drift"), "another table public.items", "skipped without an error")
	p.in(2, "dw", "TRUNCATE items") // the worker has had a change of items, and may apply this one too
	p.must(0, "apply", "-auto-approve")
	p.alike("items", "true")
	p.settled()
}

// workerFails: the apply worker cannot apply a change while a table is copied, and an apply that
// waits for the copy ends with that. Up to PostgreSQL 14 nobody counts errors.
func (p *pair) workerFails() {
	p.t.Helper()
	if p.host(2).Version < 15 {
		return // TestLogicalFaults has what every version does
	}
	const table, hold = "CREATE TABLE later (id int PRIMARY KEY)", "BEGIN; LOCK TABLE later IN SHARE MODE; SELECT pg_sleep(601)"
	p.in(1, "shop", table)
	p.in(2, "dw", table+"; INSERT INTO customers VALUES (501, 'here')")
	p.in(1, "shop", "INSERT INTO customers VALUES (501, 'there')")
	before := p.read("main.hcl")
	p.write("main.hcl", strings.Replace(before, `"orders"]`, `"orders", "later"]`, 1))
	unlocked := make(chan struct{})
	go func() {
		defer close(unlocked)
		_, _ = p.host(2).SQLOn(p.t.Context(), 5432, "dw", hold) // it is ended below
	}()
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND granted AND relation = 'later'::regclass", "1")
	p.says(p.must(1, "apply", "-auto-approve"), "its apply worker fails whenever it starts")
	p.in(2, "dw", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE%'")
	<-unlocked
	p.in(2, "dw", "DELETE FROM customers WHERE id = 501")
	p.must(0, "apply", "-auto-approve")
	p.alike("customers", "true")
	p.write("main.hcl", before)
	p.must(0, "apply", "-auto-approve")
	p.settled()
}

// newWorker: "follows" is reported only of a worker that began after the change. The one of
// before waits for a lock, and would continue with the old connection for as long as that
// is held.
func (p *pair) newWorker() {
	p.t.Helper()
	const hold = "BEGIN; LOCK TABLE customers IN SHARE MODE; SELECT pg_sleep(600)"
	locked := make(chan struct{})
	go func() {
		defer close(locked)
		_, _ = p.host(2).SQLOn(p.t.Context(), 5432, "dw", hold) // it is ended below
	}()
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_locks WHERE mode = 'ShareLock' AND granted AND relation = 'customers'::regclass", "1")
	p.in(1, "shop", "INSERT INTO customers VALUES (301, 'behind a lock')")
	p.expectIn(2, "dw", "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'customers'::regclass", "1")
	worker := p.in(2, "dw", "SELECT pid FROM pg_stat_subscription WHERE relid IS NULL AND pid IS NOT NULL")

	connects := p.read("main.hcl")
	refused := strings.NewReplacer("cluster \"orders\" {\n", "cluster \"orders\" {\n  replication { role = \"replicator\" }\n", "  database \"shop\" {}", "  role \"limited\" {\n    replication      = true\n    password         = var.password\n    valid_until      = \"2020-01-01\"\n  }\n  database \"shop\" {}",
		"slot_name ", "role         = \"limited\"\n  slot_name ").Replace(connects)
	p.write("main.hcl", refused)
	apply := p.launch()
	if _, err := p.host(2).Exec(p.t.Context(), "sh", "-c", `for n in $(seq 300); do grep -q "password authentication failed for user" /var/log/postgresql/*.log && exit 0; sleep 0.1; done; exit 1`); err != nil {
		p.t.Errorf("no worker has tried the new connection: %v\n%s", err, apply.out)
	}
	apply.signal(syscall.SIGTERM)
	if code, out := apply.wait(); code != 130 {
		p.t.Errorf("apply of a connection that nobody can log in by: exit code %d, want 130\n%s", code, out)
	}
	p.must(2, "drift")
	p.write("main.hcl", strings.Replace(refused, "role         = \"limited\"", "role         = \"replicator\"", 1))
	p.must(0, "apply", "-auto-approve") // while the table is still locked
	if now := p.in(2, "dw", "SELECT pid FROM pg_stat_subscription WHERE relid IS NULL AND received_lsn IS NOT NULL"); now == worker || now == "" {
		p.t.Errorf("worker %q before the change, %q after it", worker, now)
	}
	p.in(2, "dw", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'BEGIN; LOCK TABLE%'")
	<-locked
	p.alike("customers", "true")
	p.otherRole(strings.Replace(refused, "\"2020-01-01\"", "\"infinity\"", 1))
	p.in(1, "shop", "DROP OWNED BY limited") // what was granted to it stays
	p.write("main.hcl", connects)
	p.must(0, "apply", "-auto-approve", "-allow=drop")
	p.settled()
}

// slowWorker: up to PostgreSQL 14 nobody counts errors, and a worker may take a while to fail at the
// same change each time. No moment of it is taken for one that works.
func (p *pair) slowWorker() {
	p.t.Helper()
	if p.host(2).Version >= 15 {
		return // TestLogicalFaults has that
	}
	p.in(2, "dw", `CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN PERFORM pg_sleep(12); RAISE EXCEPTION ''no''; END';
		CREATE TRIGGER slow BEFORE INSERT ON customers FOR EACH ROW EXECUTE FUNCTION slow(); ALTER TABLE customers ENABLE ALWAYS TRIGGER slow`)
	p.in(1, "shop", "INSERT INTO customers VALUES (401, 'slow')")
	p.eventuallyLogs(2, "ERROR:  no$")
	for range 3 {
		p.says(p.must(2, "drift"), "its apply worker ends and starts again")
	}
	p.in(2, "dw", "DROP TRIGGER slow ON customers")
	p.alike("customers", "true")
	p.settled()
}

// otherRole: the subscription connects as a role that can log in now. Rule and line of the one of
// before are gone at the end, and what that may read is reported.
func (p *pair) otherRole(limited string) {
	p.t.Helper()
	p.write("main.hcl", limited)
	p.must(0, "apply", "-auto-approve")
	p.expectIn(1, "shop", "SELECT string_agg(DISTINCT user_name[1], ' ') FROM pg_hba_file_rules WHERE database = '{shop}'", "limited")
	p.expectIn(1, "shop", "SELECT usename FROM pg_stat_replication", "limited")
	if text := p.exec(2, "sh", "-c", "cat ~postgres/.repltool/warehouse.subscriptions.pass"); !strings.Contains(text, ":shop:limited:") || strings.Contains(text, ":shop:replicator:") {
		p.t.Error("the password file does not have the line of the new role only")
	}
	p.in(1, "shop", "INSERT INTO customers VALUES (302, 'as another role')")
	p.alike("customers", "true")
	p.says(p.must(0, "drift"), "role replicator may read", "REVOKE SELECT ON TABLE")
	p.settled()
}
