package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestLogicalVersions is a chain of publishers over versions of PostgreSQL, each the
// subscriber of the one before: what each says of itself is read, and each makes its
// tables as an older or a newer one has them. REPLTOOL_TEST_SUITES=all is 13, 15, 17,
// 18 and 13 again.
func TestLogicalVersions(t *testing.T) {
	chain := append(suites(), "bookworm")
	if len(chain) > 2 {
		chain[len(chain)-1] = chain[0]
	}
	w := newWorld(t, lab.Options{Hosts: len(chain), Suites: chain})
	w.write("main.hcl", chainOf(w, ""))
	w.must(0, "apply", "-auto-approve")
	for i := range chain {
		w.in(i+1, "shop", chainTables(i))
	}
	w.write("main.hcl", chainOf(w, links(w)))
	w.says(w.must(0, "plan"), "CREATE TYPE", "CREATE PUBLICATION", "CREATE SUBSCRIPTION")
	killedInSchemaCopy(w)
	w.must(0, "apply", "-auto-approve", "-lock-timeout=1m")
	w.settled()
	for i := 1; i < len(chain); i++ {
		w.in(i, "shop", fmt.Sprintf(`INSERT INTO "it's %d"."T.%[1]d" (m, d) VALUES ('it''s', '2024-05-05')`, i-1))
		w.expectIn(i+1, "shop", fmt.Sprintf(`SELECT string_agg(id || m::text || d, ' ' ORDER BY id) FROM "it's %d"."T.%[1]d"`, i-1), "1sad2024-02-02 2it's2024-05-05")
		w.in(i, "shop", fmt.Sprintf(`CREATE TABLE "it's %d".later PARTITION OF "it's %[1]d"."T.%[1]d" FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')`, i-1))
	}
	w.says(w.must(2, "drift"), "later")
	w.must(0, "apply", "-auto-approve")
	w.settled()
	for i := 1; i < len(chain); i++ {
		w.in(i, "shop", fmt.Sprintf(`INSERT INTO "it's %d"."T.%[1]d" (m, d) VALUES ('sad', '2025-05-05')`, i-1))
		w.expectIn(i+1, "shop", fmt.Sprintf(`SELECT count(*) FROM "it's %d"."T.%[1]d"`, i-1), "3")
		w.expectIn(i+1, "shop", fmt.Sprintf(`SELECT count(*) FROM pg_index WHERE indrelid = '"it''s %d".later'::regclass`, i-1), "2")
	}
	w.noSecrets()
}

// killedInSchemaCopy kills an apply while the second server creates the tables that it lacks:
// one waits for another session, which has a table of that name in a transaction. What was
// created is gone or complete, and the next apply continues.
func killedInSchemaCopy(w *world) {
	w.t.Helper()
	held := make(chan struct{})
	go func() {
		defer close(held)
		_, _ = w.host(2).SQLOn(w.t.Context(), 5432, "shop", "BEGIN; CREATE TABLE plain0 (x int); SELECT pg_sleep(600)") // it is ended below
	}()
	const holder = "FROM pg_stat_activity WHERE query LIKE 'BEGIN; CREATE TABLE plain0%' AND backend_xid IS NOT NULL"
	w.expectIn(2, "shop", "SELECT count(*) "+holder, "1")
	apply := w.launch()
	w.expectIn(2, "shop", "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND wait_event_type = 'Lock' AND query LIKE '%CREATE TYPE%'", "1")
	apply.kill()
	w.in(2, "shop", "SELECT pg_terminate_backend(pid) "+holder)
	<-held
}

// chainTables are what the i-th server publishes.
func chainTables(i int) string {
	return fmt.Sprintf(`CREATE SCHEMA "it's %d"; CREATE TYPE "it's %[1]d".mood AS ENUM ('sad', 'it''s'); CREATE SEQUENCE "it's %[1]d".ids;
		CREATE TABLE "it's %[1]d"."T.%[1]d" (id int DEFAULT nextval('"it''s %[1]d".ids'), m "it's %[1]d".mood, d date, x int GENERATED ALWAYS AS (id * 2) STORED, PRIMARY KEY (id, d)) PARTITION BY RANGE (d);
		CREATE INDEX ON "it's %[1]d"."T.%[1]d" (m);
		CREATE TABLE "it's %[1]d".part PARTITION OF "it's %[1]d"."T.%[1]d" FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
		INSERT INTO "it's %[1]d"."T.%[1]d" (m, d) VALUES ('sad', '2024-02-02');
		CREATE TABLE plain%[1]d (id int PRIMARY KEY, "select" text, b text); INSERT INTO plain%[1]d VALUES (1, 'x', 'y'), (20, 'x', 'y')`, i)
}

func chainOf(w *world, extra string) string {
	var b strings.Builder
	b.WriteString("variable \"password\" {\n  type = string\n  sensitive = true\n}\n")
	for i, h := range w.lab.Hosts {
		fmt.Fprintf(&b, `node "pg%d" {
  host    = %q
  address = %q
}
cluster "c%[1]d" {
  primary    = node.pg%[1]d
  parameters = { wal_level = "logical", listen_addresses = "*" }
  role "replicator" {
    replication = true
    password    = var.password
  }
  database "shop" {}
}
`, i, h.Name, h.Addr)
	}
	return b.String() + extra
}

// links are the publications and subscriptions of the chain. Filters and lists of
// columns are of PostgreSQL 15.
func links(w *world) string {
	var b strings.Builder
	for i, h := range w.lab.Hosts[:len(w.lab.Hosts)-1] {
		plain := fmt.Sprintf("  table \"public.plain%d\" {}\n", i)
		if h.Version >= 15 {
			plain = fmt.Sprintf("  table \"public.plain%d\" {\n    columns = [\"id\", \"select\"]\n    where   = \"ID  in (20,21)\"\n  }\n", i)
		}
		fmt.Fprintf(&b, `publication "p%d" {
  cluster  = cluster.c%[1]d
  database = "shop"
  table "it's %[1]d.\"T.%[1]d\"" {}
%[2]s}
subscription "s%[1]d" {
  cluster      = cluster.c%[3]d
  database     = "shop"
  publications = [publication.p%[1]d]
  copy_schema  = "missing"
}
`, i, plain, i+1)
	}
	return b.String()
}
