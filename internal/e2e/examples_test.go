package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// example is what the test knows of one folder of examples/.
type example struct {
	hosts  int
	suites []string
	env    []string
	// tables are made once the clusters are there, before the rest is applied.
	clusters []string
	tables   func(w *world)
	claims   func(w *world) // of its README, asked of the servers
}

const examplePassword = "example-pass"

func examples() map[string]example {
	replicator := []string{"REPLTOOL_VAR_replicator_password=" + examplePassword}
	return map[string]example{
		"quickstart":               {}, // on one machine: `make demo` applies it
		"two-synchronous-standbys": {hosts: 3, env: replicator, claims: twoSynchronous},
		"e-commerce": {hosts: 4, env: []string{
			`REPLTOOL_VAR_passwords={ replicator = "example-pass", migrations = "m-pass", checkout = "shop-pass", catalogue = "shop-pass", storefront = "s-pass" }`,
		}, claims: eCommerce},
		"two-regions":     {hosts: 5, env: replicator, claims: twoRegions},
		"delayed-standby": {hosts: 3, env: replicator, claims: delayed},
		"logical-migration": {
			hosts: 2, suites: []string{"bookworm", "trixie"}, env: []string{"REPLTOOL_VAR_migrator_password=" + examplePassword},
			clusters: []string{"cluster.old", "cluster.new"},
			tables: func(w *world) {
				w.in(1, "app", "CREATE TYPE mood AS ENUM ('glad', 'sad'); CREATE TABLE people (id bigserial PRIMARY KEY, mood mood); CREATE TABLE notes (id int PRIMARY KEY, person bigint REFERENCES people);"+
					" INSERT INTO people (mood) SELECT 'glad' FROM generate_series(1, 500); INSERT INTO notes SELECT n, n FROM generate_series(1, 100) n")
			},
			claims: func(w *world) {
				w.in(1, "app", "INSERT INTO people (mood) VALUES ('sad')")
				w.expectIn(2, "app", "SELECT (SELECT count(*) FROM people) || ' ' || (SELECT count(*) FROM notes)", "501 100")
			},
		},
		"cdc-slot": {
			hosts: 1, env: []string{"REPLTOOL_VAR_debezium_password=" + examplePassword}, clusters: []string{"cluster.shop"},
			tables: func(w *world) {
				w.in(1, "shop", "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE customers (id int PRIMARY KEY)")
			},
			claims: func(w *world) {
				w.in(1, "shop", "INSERT INTO orders VALUES (1)")
				w.expectIn(1, "shop", "SELECT count(*) > 0 FROM pg_logical_slot_peek_binary_changes('debezium', NULL, NULL, 'proto_version', '1', 'publication_names', 'debezium')", "t")
			},
		},
		"regional-warehouse": {
			hosts: 3, env: []string{"REPLTOOL_VAR_feed_password=" + examplePassword},
			clusters: []string{`cluster.region["eu"]`, `cluster.region["us"]`, "cluster.warehouse"},
			tables: func(w *world) {
				const table = "CREATE TABLE orders (region text, id bigint, placed timestamptz, total numeric, customer text, PRIMARY KEY (region, id))"
				w.in(1, "shop", table+"; INSERT INTO orders VALUES ('eu', 1, now(), 10, 'ann'), ('us', 9, now(), 1, 'stray')")
				w.in(2, "shop", table+"; INSERT INTO orders VALUES ('us', 1, now(), 20, 'bob')")
				w.in(3, "dw", strings.Replace(table, "customer text, ", "", 1))
			},
			claims: func(w *world) {
				w.in(2, "shop", "INSERT INTO orders VALUES ('us', 2, now(), 5, 'cid')")
				w.expectIn(3, "dw", "SELECT string_agg(region || id, ' ' ORDER BY region, id) FROM orders", "eu1 us1 us2")
			},
		},
	}
}

// TestExamples applies every folder of examples/ to hosts of its own, asks the
// servers for what its README says, and finds nothing left to do.
func TestExamples(t *testing.T) {
	folders, err := filepath.Glob("../../examples/*/main.hcl")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	known := examples()
	for _, main := range folders {
		name := filepath.Base(filepath.Dir(main))
		x, there := known[name]
		if !there {
			t.Errorf("examples/%s is not tested", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			wellKept(t, filepath.Dir(main))
			if x.hosts > 0 {
				applied(t, filepath.Dir(main), x)
			}
		})
	}
}

// wellKept: its text is formatted, and it says when to choose it and what it costs.
func wellKept(t *testing.T, dir string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), binary, "fmt", "-check", dir).CombinedOutput(); err != nil {
		t.Errorf("fmt -check: %v\n%s", err, out)
	}
	text, err := os.ReadFile(filepath.Join(dir, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{"hoose it", "cost", "repltool plan", "repltool apply"} {
		if !strings.Contains(string(text), word) {
			t.Errorf("its README lacks %q", word)
		}
	}
}

func applied(t *testing.T, dir string, x example) {
	t.Helper()
	w := newWorld(t, lab.Options{Hosts: x.hosts, Suites: x.suites})
	w.env = append(w.env, x.env...)
	for from, to := range map[string]string{"main.hcl": "main.hcl", "lab.vars.hcl": "lab.auto.vars.hcl"} {
		text, err := os.ReadFile(filepath.Join(dir, from))
		if err != nil {
			t.Fatal(err)
		}
		w.write(to, string(text))
	}
	if len(x.clusters) > 0 {
		args := []string{"apply", "-auto-approve"}
		for _, c := range x.clusters {
			args = append(args, "-target="+c)
		}
		w.must(0, args...)
		x.tables(w)
	}
	w.must(0, "apply", "-auto-approve")
	w.settled()
	x.claims(w)
	w.must(0, "drift")
}

func twoSynchronous(w *world) {
	w.expect(1, "SELECT string_agg(application_name || ' ' || sync_state, ', ' ORDER BY application_name) FROM pg_stat_replication", "pg2 quorum, pg3 quorum")
	w.sql(1, "CREATE TABLE t (n int)")
	w.whileFrozen(2, func() { w.sql(1, "INSERT INTO t VALUES (1)") }) // the other one will do
	w.expect(3, "SELECT count(*) FROM t", "1")
}

func twoRegions(w *world) {
	w.expect(1, "SELECT string_agg(application_name, ' ' ORDER BY application_name) FROM pg_stat_replication", "north2 south1")
	w.expect(3, "SELECT string_agg(application_name, ' ' ORDER BY application_name) FROM pg_stat_replication", "south2 south3")
	w.sql(1, "CREATE TABLE t (n int)")
	w.expect(5, "SELECT count(*) FROM pg_class WHERE relname = 't'", "1")
}

func delayed(w *world) {
	w.sql(1, "CREATE TABLE t (n int)")
	w.expect(2, "SELECT count(*) FROM pg_class WHERE relname = 't'", "1")
	w.expect(3, "SELECT count(*) FROM pg_class WHERE relname = 't'", "0")
	w.expect(3, "SHOW recovery_min_apply_delay", "1h")
}

// eCommerce: with no standby to answer, checkout waits and the catalogue does not.
func eCommerce(w *world) {
	w.in(1, "shop", "CREATE TABLE orders (n int); CREATE TABLE products (n int); GRANT INSERT ON orders TO checkout; GRANT INSERT ON products TO catalogue")
	in := func(database, role, sql string) bool {
		out, err := w.host(1).Exec(w.t.Context(), "env", "PGPASSWORD=shop-pass", "PGCONNECT_TIMEOUT=5",
			"timeout", "4", "psql", "-X", "-h", w.host(1).Addr, "-U", role, "-d", database, "-c", sql)
		w.t.Logf("%s: %s: %q %v", role, sql, out, err)
		return err == nil
	}
	as := func(role, sql string) bool { return in("shop", role, sql) }
	if !as("checkout", "INSERT INTO orders VALUES (1)") || !as("catalogue", "INSERT INTO products VALUES (1)") {
		w.t.Error("nobody can write")
	}
	if in("postgres", "checkout", "SELECT 1") {
		w.t.Error("checkout may log in to another database")
	}
	for i := 2; i <= 4; i++ {
		if err := w.host(i).Freeze(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	if !as("catalogue", "INSERT INTO products VALUES (2)") {
		w.t.Error("the catalogue waits for a standby")
	}
	if as("checkout", "INSERT INTO orders VALUES (2)") {
		w.t.Error("checkout does not wait for a standby")
	}
	for i := 2; i <= 4; i++ {
		if err := w.host(i).Thaw(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	}
	w.expectIn(1, "shop", "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "3")
}

// whileFrozen runs something with a host frozen.
func (w *world) whileFrozen(i int, do func()) {
	w.t.Helper()
	if err := w.host(i).Freeze(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	begin := time.Now()
	do()
	if took := time.Since(begin); took > 5*time.Second {
		w.t.Errorf("it took %s while host %d stood still", took, i)
	}
	if err := w.host(i).Thaw(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
}
