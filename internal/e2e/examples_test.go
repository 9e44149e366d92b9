package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

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

func examples() map[string]example {
	replicator := []string{"REPLTOOL_VAR_replicator_password=" + canary}
	return map[string]example{
		"two-synchronous-standbys": {hosts: 3, env: replicator, claims: (*world).twoSynchronousStandbys},
		"e-commerce": {hosts: 4, env: []string{
			`REPLTOOL_VAR_passwords={ replicator = "` + strings.ReplaceAll(canary, `\`, `\\`) + `", migrations = "m", checkout = "c", catalog = "k", storefront = "s" }`,
		}, claims: (*world).eCommerce},
		"two-regions":     {hosts: 5, env: replicator, claims: (*world).twoRegions},
		"delayed-standby": {hosts: 3, env: replicator, claims: (*world).delayedStandby},
		"logical-migration": {
			hosts: 2, suites: []string{"bookworm", "trixie"}, env: []string{"REPLTOOL_VAR_migrator_password=" + canary},
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
			hosts: 1, env: []string{"REPLTOOL_VAR_debezium_password=" + canary}, clusters: []string{"cluster.shop"},
			tables: func(w *world) {
				w.in(1, "shop", "CREATE TABLE orders (id int PRIMARY KEY); CREATE TABLE customers (id int PRIMARY KEY)")
			},
			claims: func(w *world) {
				w.in(1, "shop", "INSERT INTO orders VALUES (1)")
				w.expectIn(1, "shop", "SELECT count(*) > 0 FROM pg_logical_slot_peek_binary_changes('debezium', NULL, NULL, 'proto_version', '1', 'publication_names', 'debezium')", "t")
			},
		},
		"regional-warehouse": {
			hosts: 3, env: []string{"REPLTOOL_VAR_feed_password=" + canary},
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
	t.Parallel()
	folders, err := filepath.Glob("../../examples/*/main.hcl")
	if err != nil || len(folders) == 0 {
		t.Fatalf("no examples: %v", err)
	}
	known := examples()
	for _, main := range folders {
		name := filepath.Base(filepath.Dir(main))
		x, there := known[name]
		if name == "quickstart" { // of one machine: TestQuickstart
			continue
		}
		if !there {
			t.Errorf("examples/%s is not tested: add what its README promises to examples()", name)
			continue
		}
		t.Run(name, func(t *testing.T) {
			applied(t, filepath.Dir(main), x)
		})
	}
}

func applied(t *testing.T, dir string, x example) {
	t.Helper()
	w := newWorld(t, lab.Options{Hosts: x.hosts, Suites: x.suites})
	w.env = append(w.env, x.env...)
	if err := os.CopyFS(w.dir, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	w.write("lab.auto.vars.hcl", w.read("lab.vars.hcl"))
	if len(x.clusters) == 0 {
		w.must(2, "plan", "-detailed-exitcode")
	} else {
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
	w.settled()
	w.noSecrets()
}
