package e2e

import (
	"context"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// What the READMEs of the examples of streaming replication promise.

// readme fails unless the example's README has each of these: what a test does is
// what a reader is told to do.
func (w *world) readme(commands ...string) {
	w.t.Helper()
	text := w.read("README.md")
	for _, c := range commands {
		if !strings.Contains(text, c) {
			w.t.Errorf("the README does not say %q", c)
		}
	}
}

// standing runs do while a host stands still.
func (w *world) standing(i int, do func()) {
	w.t.Helper()
	if err := w.host(i).Freeze(w.t.Context()); err != nil {
		w.t.Fatal(err)
	}
	defer func() {
		if err := w.host(i).Thaw(w.t.Context()); err != nil {
			w.t.Error(err)
		}
	}()
	do()
}

// commit begins a write on pg1 and returns how it ends.
func (w *world) commit() <-chan error {
	w.t.Helper()
	c, err := w.host(1).Command(w.t.Context(), "postgres", "psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-c", "INSERT INTO written VALUES (1)")
	if err != nil {
		w.t.Fatal(err)
	}
	return run(w.t, c)
}

// returns expects that a commit comes back by itself.
func (w *world) returns(what string, commit <-chan error, within time.Duration) {
	w.t.Helper()
	select {
	case err := <-commit:
		if err != nil {
			w.t.Errorf("%s: %v", what, err)
		}
	case <-time.After(within):
		w.t.Fatalf("%s did not return within %s", what, within)
	}
}

// waits expects that a commit does not come back, and that it is standbys it waits for.
func (w *world) waits(what string, commit <-chan error) {
	w.t.Helper()
	w.expect(1, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'", "1")
	select {
	case err := <-commit:
		w.t.Errorf("%s returned and waits for nobody: %v", what, err)
	case <-time.After(time.Second):
	}
}

const senders = "SELECT string_agg(application_name || ' ' || state || ' ' || sync_state, ', ' ORDER BY application_name) FROM pg_stat_replication"

func (w *world) twoSynchronousStandbys() {
	w.expect(1, senders, "pg2 streaming quorum, pg3 streaming quorum")
	w.sql(1, "CREATE TABLE written (n int)")
	w.standing(2, func() {
		w.returns("ANY 1, one standby away: a commit", w.commit(), 10*time.Second)
		var commit <-chan error
		w.standing(3, func() {
			commit = w.commit()
			w.waits("ANY 1, both away: a commit", commit)
		})
		w.returns("ANY 1, one is back: the commit", commit, 10*time.Second)
	})

	w.write("method.auto.vars.hcl", "method = \"first\"\n")
	w.says(w.must(0, "apply", "-auto-approve"), "'ANY 1 (pg2, pg3)' -> 'FIRST 1 (pg2, pg3)'")
	w.expect(1, senders, "pg2 streaming sync, pg3 streaming potential")
	var commit <-chan error
	w.standing(2, func() {
		commit = w.commit()
		w.waits("FIRST 1, pg2 stands still: a commit", commit)
	})
	w.returns("FIRST 1, pg2 is back: the commit", commit, 10*time.Second)
	w.exec(2, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.returns("FIRST 1, pg2 is stopped: a commit", w.commit(), 10*time.Second)
	w.exec(2, "pg_ctlcluster", "15", "main", "start")
	w.expect(1, senders, "pg2 streaming sync, pg3 streaming potential")
}

// shopper runs SQL on a node as a role of the shop, by TCP from another host.
func (w *world) shopper(from int, role, password, host, database, query string) (*exec.Cmd, error) {
	return w.host(from).Command(w.t.Context(), "postgres", "env", "PGPASSWORD="+password,
		"psql", "-XAtq", "-v", "ON_ERROR_STOP=1", "-h", host, "-U", role, "-d", database, "-c", query)
}

func (w *world) shop(role, password, host, database, query string) string {
	w.t.Helper()
	c, err := w.shopper(4, role, password, host, database, query)
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := c.CombinedOutput()
	if err != nil {
		out = append(out, err.Error()...)
	}
	return strings.TrimSpace(string(out))
}

func (w *world) eCommerce() {
	w.expect(1, senders, "product1 streaming potential, product2 streaming potential, reserve streaming sync")
	equal := func(what, got, want string) {
		w.t.Helper()
		if got != want {
			w.t.Errorf("%s:\n got %q\nwant %q", what, got, want)
		}
	}
	equal("migrations makes the tables", w.shop("migrations", "m", "host1", "shop", `CREATE SCHEMA shop;
		CREATE TABLE shop.orders (n int); CREATE TABLE shop.products (n int); INSERT INTO shop.products VALUES (1);
		GRANT USAGE ON SCHEMA shop TO checkout, catalog, storefront; GRANT ALL ON shop.orders TO checkout;
		GRANT ALL ON shop.products TO catalog; GRANT SELECT ON shop.products TO storefront`), "")
	equal("checkout", w.shop("checkout", "c", "host1", "shop", "SHOW synchronous_commit"), "on")
	equal("catalog", w.shop("catalog", "k", "host1", "shop", "SHOW synchronous_commit"), "local")
	equal("storefront reads a standby", w.shop("storefront", "s", "host3", "shop", "SELECT n FROM shop.products"), "1")
	for host, want := range map[string]string{"host1": "off", "host2": "off", "host3": "on", "host4": "on"} {
		equal("feedback on "+host, w.shop("storefront", "s", host, "shop", "SHOW hot_standby_feedback"), want)
	}
	for what, got := range map[string]string{
		"read-only transaction": w.shop("storefront", "s", "host1", "shop", "CREATE TEMP TABLE t AS SELECT 1"),
		"rejects connection":    w.shop("checkout", "c", "host1", "postgres", "SELECT 1"),
		"password":              w.shop("checkout", "wrong", "host1", "shop", "SELECT 1"),
	} {
		if !strings.Contains(got, what) {
			w.t.Errorf("the refusal does not say %q: %s", what, got)
		}
	}

	w.readme("repltool endpoints shop -max-lag=5s")
	w.says(w.must(0, "endpoints", "shop", "-max-lag=5s"), "write: shop1\n", "read:  reserve, product1, product2\n")
	w.standing(2, func() {
		c, err := w.shopper(4, "checkout", "c", "host1", "shop", "INSERT INTO shop.orders VALUES (1)")
		if err != nil {
			w.t.Fatal(err)
		}
		checkout := run(w.t, c)
		w.waits("checkout", checkout)
		equal("catalog waits for nobody", w.shop("catalog", "k", "host1", "shop", "INSERT INTO shop.products VALUES (2)"), "")
		w.waits("checkout, after the catalog's commit,", checkout)
		w.returns("checkout, once the reserve is given up", checkout, 30*time.Second)
		w.expect(1, senders, "product1 streaming sync, product2 streaming potential")
	})
	w.expect(1, senders, "product1 streaming potential, product2 streaming potential, reserve streaming sync")
}

func (w *world) twoRegions() {
	w.expect(1, senders, "north2 streaming sync, south1 streaming potential")
	w.expect(3, senders, "south2 streaming async, south3 streaming async")
	w.expect(3, "SELECT string_agg(slot_name || ' ' || active, ', ' ORDER BY slot_name) FROM pg_replication_slots", "south2 true, south3 true")
	w.sql(1, "CREATE TABLE written (n int)")
	for i := range 5 {
		w.expect(i+1, "SELECT count(*) FROM pg_class WHERE relname = 'written'", "1")
	}
	w.exec(2, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.returns("north2 is away: a commit", w.commit(), 10*time.Second)
	w.expect(1, senders, "south1 streaming sync")
	w.exec(2, "pg_ctlcluster", "15", "main", "start")

	const was, is = `relay = node.south["south1"]`, `relay = node.south["south2"]`
	w.readme(is)
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), was, is, 1))
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expect(1, senders, "north2 streaming sync, south2 streaming potential")
	w.expect(4, senders, "south1 streaming async, south3 streaming async")
	w.expect(3, senders, "")
	w.expect(3, "SELECT count(*) FROM pg_replication_slots", "0")
}

func (w *world) delayedStandby() {
	w.expect(1, senders, "pg2 streaming async, pg3 streaming async")
	w.expect(3, "SHOW recovery_min_apply_delay", "1h")
	w.write("delay.auto.vars.hcl", "delay = \"100ms\"\n")
	w.must(0, "apply", "-auto-approve") // so that the table is older than the delay
	w.sql(1, "CREATE TABLE orders AS SELECT generate_series(1, 100) AS id")
	w.expect(3, "SELECT count(*) FROM pg_class WHERE relname = 'orders'", "1")
	w.expect(3, "SELECT count(*) FROM orders", "100")
	w.write("delay.auto.vars.hcl", "delay = \"1h\"\n")
	w.must(0, "apply", "-auto-approve")

	w.sql(1, "INSERT INTO orders VALUES (101)")
	w.expect(2, "SELECT count(*) FROM orders", "101")
	w.sql(1, "DROP TABLE orders")
	w.sql(1, "CREATE TABLE later ()")
	w.expect(2, "SELECT count(*) FROM pg_class WHERE relname IN ('orders', 'later')", "1")
	w.expect(3, "SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()", "t")
	w.expect(3, "SELECT count(*) FROM orders", "100")
	w.must(0, "drift") // it is behind by intent
	w.exec(3, "pg_ctlcluster", "15", "main", "restart")
	w.expect(3, "SELECT count(*) FROM orders", "100")
	w.expect(1, senders, "pg2 streaming async") // pg3 first replays what it has received
	w.rescue()
}

// rescue does what the README says, word for word.
func (w *world) rescue() {
	w.t.Helper()
	do := func(host int, command string) string {
		w.t.Helper()
		w.readme(command)
		return strings.TrimSpace(w.exec(host, "setpriv", "--reuid=postgres", "--regid=postgres", "--init-groups", "env", "-C", "/var/lib/postgresql", "bash", "-c", command))
	}
	do(3, `psql -c "SELECT pg_wal_replay_pause()"`)
	do(3, `pg_dump --table=orders postgres > orders-old.sql`)
	found := do(3, `psql -Atc "SELECT 'orders'::regclass::oid, pg_last_wal_replay_lsn()" postgres`)
	oid, lsn, _ := strings.Cut(found, "|")
	dump := `/usr/lib/postgresql/15/bin/pg_waldump --path=/var/lib/postgresql/15/main/pg_wal --timeline=1 --rmgr=Standby --start=LSN | grep 'LOCK.* rel OID '`
	w.readme(dump)
	lines := strings.Split(strings.TrimSpace(w.exec(3, "bash", "-c", strings.NewReplacer("LSN", lsn, "OID", oid).Replace(dump))), "\n")
	at := regexp.MustCompile(`lsn: ([0-9A-F]+/[0-9A-F]+),`).FindStringSubmatch(lines[len(lines)-1])
	if at == nil {
		w.t.Fatalf("no record of the DROP's lock: %q", lines)
	}
	target := `ALTER SYSTEM SET recovery_target_lsn = '0/5059660'`
	w.readme(target)
	w.sql(3, strings.Replace(target, "0/5059660", at[1], 1))
	for _, set := range []string{
		"ALTER SYSTEM SET recovery_target_inclusive = off", "ALTER SYSTEM SET recovery_target_action = 'pause'", "ALTER SYSTEM SET recovery_min_apply_delay = 0",
	} {
		w.readme(set)
		w.sql(3, set)
	}
	w.readme("pg_ctlcluster 15 main restart")
	w.exec(3, "pg_ctlcluster", "15", "main", "restart")
	w.expect(3, "SELECT pg_get_wal_replay_pause_state()", "paused")
	do(3, `pg_dump --table=orders postgres > orders.sql`)
	w.carry(3, 1, "/var/lib/postgresql/orders.sql")
	do(1, `psql --single-transaction -v ON_ERROR_STOP=1 -f orders.sql postgres`)
	w.expect(1, "SELECT count(*) FROM orders", "101")
	for _, reset := range []string{
		"ALTER SYSTEM RESET recovery_target_lsn", "ALTER SYSTEM RESET recovery_target_inclusive", "ALTER SYSTEM RESET recovery_target_action",
	} {
		w.readme(reset)
		w.sql(3, reset)
	}
	w.exec(3, "pg_ctlcluster", "15", "main", "restart")
	w.expect(1, senders, "pg2 streaming async, pg3 streaming async")
	w.says(w.must(0, "apply", "-auto-approve"), "recovery_min_apply_delay  0 -> 1h")
	w.expect(3, "SHOW recovery_min_apply_delay", "1h")
}

// carry copies a file from one host to another.
func (w *world) carry(from, to int, path string) {
	w.t.Helper()
	text := w.exec(from, "cat", path)
	c, err := w.host(to).Command(w.t.Context(), "postgres", "sh", "-c", `cat > "$0"`, path)
	if err != nil {
		w.t.Fatal(err)
	}
	c.Stdin = strings.NewReader(text)
	if out, err := c.CombinedOutput(); err != nil {
		w.t.Fatalf("copy %s: %v: %s", path, err, out)
	}
}

// TestQuickstart is the tour of `make demo` on a host of its own: each step of it
// expects its exit code.
func TestQuickstart(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 1})
	w.unpack("../..", "examples/quickstart")
	w.unpack(filepath.Dir(binary), filepath.Base(binary))
	w.exec(1, "sh", "-c", "mkdir /srv/repltool/bin && mv /srv/repltool/repltool /srv/repltool/bin/")
	out := w.exec(1, "env", "REPLTOOL_DEMO_DIR=/tmp/demo", "REPLTOOL_DEMO_PORT=54421", "/srv/repltool/examples/quickstart/demo.sh")
	for _, word := range []string{"pg2: hello from pg1", "pg3: hello from pg1", "No changes."} {
		if !strings.Contains(out, word) {
			t.Errorf("the tour lacks %q:\n%s", word, out)
		}
	}
	got, err := w.host(1).ExecAs(t.Context(), "postgres", "psql", "-XAtq", "-h", "/tmp/demo/pg1", "-p", "54421", "-c", senders)
	if want := "pg2 streaming quorum, pg3 streaming quorum"; err != nil || strings.TrimSpace(got) != want {
		t.Errorf("got %q, want %q: %v", got, want, err)
	}
	w.exec(1, "env", "REPLTOOL_DEMO_DIR=/tmp/demo", "REPLTOOL_DEMO_PORT=54421", "/srv/repltool/examples/quickstart/demo.sh", "clean")
	if left := w.exec(1, "sh", "-c", "ls -d /tmp/demo; pgrep postgres; true"); left != "" {
		t.Errorf("the demo leaves %s", left)
	}
}

// unpack puts a file or directory into /srv/repltool of host1.
func (w *world) unpack(dir, name string) {
	w.t.Helper()
	pack := exec.CommandContext(w.t.Context(), "tar", "-C", dir, "-c", name)
	c, err := w.host(1).Command(context.WithoutCancel(w.t.Context()), "root", "sh", "-c", "mkdir -p /srv/repltool && tar -C /srv/repltool -x")
	if err != nil {
		w.t.Fatal(err)
	}
	if c.Stdin, err = pack.StdoutPipe(); err != nil {
		w.t.Fatal(err)
	}
	if err := pack.Start(); err != nil {
		w.t.Fatal(err)
	}
	if out, err := c.CombinedOutput(); err != nil {
		w.t.Fatalf("unpack %s: %v: %s", name, err, out)
	}
	if err := pack.Wait(); err != nil {
		w.t.Fatalf("pack %s: %v", name, err)
	}
}
