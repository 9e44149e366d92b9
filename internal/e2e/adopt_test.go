package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestAdopt takes over a primary and a standby that were set up by hand: entries in
// the ledger and managed blocks, and nothing that the servers would feel.
func TestAdopt(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.byHand()
	w.marksOnly()
	w.topology("  parameters = { work_mem = \"8MB\" }\n")
	w.adopted(false)
	w.expect(2, "SHOW work_mem", "8MB")
	w.failedCreation()
}

// marksOnly expects no changes and no drift of servers that lack only marks of ownership, which
// an apply writes if it is asked to.
func (w *world) marksOnly() {
	w.t.Helper()
	w.exec(2, "sh", "-c", "echo 'host replication all 10.0.0.0/8 scram-sha-256' >> /etc/postgresql/15/main/pg_hba.conf")
	w.sql(2, "SELECT pg_reload_conf()")
	w.expect(2, "SELECT pg_conf_load_time() > change FROM pg_stat_file(current_setting('hba_file'))", "t")
	w.topology("")
	const sums = "cd /etc/postgresql/15/main && md5sum *.conf"
	files, said := w.exec(1, "sh", "-c", sums)+w.exec(2, "sh", "-c", sums), "No changes. 3 marks of ownership will be written with the next apply."
	w.says(w.must(0, "plan", "-detailed-exitcode"), said, "repltool apply -adopt")
	w.says(w.must(0, "drift"), said)
	w.says(w.must(0, "apply", "-auto-approve"), said)
	if now := w.exec(1, "sh", "-c", sums) + w.exec(2, "sh", "-c", sums); now != files {
		w.t.Errorf("files were changed:\n%s%s", files, now)
	}
	w.expect(1, "SELECT to_regnamespace('repltool') IS NULL", "t")
	w.must(0, "apply", "-adopt", "-auto-approve")
	w.settled()
}

// failedCreation has an apply fail to create a database that is then created by hand: it
// stays when its block leaves, and so does one of a topology that adopted it.
func (w *world) failedCreation() {
	w.t.Helper()
	shop := "  parameters = { work_mem = \"8MB\" }\n  database \"shop\" {}\n"
	none := strings.SplitAfter(shop, "\n")[0]
	w.topology(shop)
	w.sql(1, "ALTER DATABASE template1 RENAME TO template9")
	w.must(1, "apply", "-auto-approve")
	w.sql(1, "ALTER DATABASE template9 RENAME TO template1")
	const intents = "SELECT count(*) FROM repltool.managed WHERE object ~ '^intent at [0-9A-F]+/[0-9A-F]+ database shop$'"
	w.expect(1, intents, "1")
	w.sql(1, "CREATE DATABASE shop")
	w.in(1, "shop", "CREATE TABLE orders AS SELECT generate_series(1, 1000) id")
	w.topology(none)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expectIn(1, "shop", "SELECT count(*) FROM orders", "1000")
	w.expect(1, "SELECT count(*) FROM repltool.managed", "0")
	w.settled()

	w.sql(1, "INSERT INTO repltool.managed (address, object) VALUES ('cluster.main.database.shop', 'intent at 0/1000000 database shop')")
	w.topology(shop)
	if r := w.must(0, "apply", "-auto-approve"); !strings.Contains(r.stdout, "cannot prove that it created it") {
		w.t.Errorf("the plan does not say that shop is adopted:\n%s", r.stdout)
	}
	w.expect(1, "SELECT count(*) FROM repltool.managed", "0")
	w.settled()
	w.topology(none)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expectIn(1, "shop", "SELECT count(*) FROM orders", "1000")

	w.sql(1, "DROP DATABASE shop")
	w.topology(shop)
	w.must(0, "apply", "-auto-approve")
	w.expect(1, "SELECT regexp_replace(object, ' oid [0-9]+$', '') FROM repltool.managed", "database shop")
	w.topology(none)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expect(1, "SELECT count(*) FROM pg_database WHERE datname = 'shop'", "0")
	w.settled()
}

// adopted expects a plan that the servers do not feel, and that applies. One of marks alone is
// no change, and is applied if it is asked for.
func (w *world) adopted(marks bool) {
	w.t.Helper()
	const receiver = "SELECT pid || ' ' || backend_start FROM pg_stat_activity WHERE backend_type = 'walreceiver'"
	before := w.sql(2, receiver)
	if marks {
		w.says(w.must(0, "plan", "-detailed-exitcode"), "marks of ownership will be written with the next apply")
		w.must(0, "apply", "-adopt", "-auto-approve")
	} else {
		r := w.must(2, "plan", "-detailed-exitcode")
		for _, word := range []string{"RESTART", "COPY", "DROP"} {
			if strings.Contains(strings.SplitN(r.stdout, "Wave 1", 2)[1], word) {
				w.t.Errorf("the plan has a %s:\n%s", word, r.stdout)
			}
		}
		w.must(0, "apply", "-auto-approve")
	}
	if after := w.sql(2, receiver); before == "" || after != before {
		w.t.Errorf("the WAL receiver was %q and is %q", before, after)
	}
	w.expect(1, "SELECT count(*) FROM repltool.managed", "0") // nothing of it is ours to remove
	w.settled()
}

// TestAdoptRepmgr takes over what repmgr itself has cloned and registered.
func TestAdoptRepmgr(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2, Suites: []string{"bookworm+repmgr"}})
	w.byRepmgr()
	r := w.must(0, "import", "-cluster", "host1")
	w.says(r, `slot = "repmgr_slot_2"`, `shared_preload_libraries = "repmgr"`, `role = "repmgr"`, "only 5 marks of ownership would be written")
	w.topology("")
	text := strings.Replace(w.read("main.hcl"), "standbys = [node.pg2]", `standby {
    node = node.pg2
    slot = "repmgr_slot_2"
  }
  parameters = { shared_preload_libraries = "repmgr" }
  replication { role = "repmgr" }`, 1)
	w.write("main.hcl", strings.Replace(text, "role \"replicator\" {\n    replication = true", "role \"repmgr\" {\n    superuser = true", 1))
	w.adopted(true)
	w.says(w.must(0, "plan"), "No changes.")
	if out := w.exec(1, "sudo", "-u", "postgres", "repmgr", "-f", "/etc/repmgr.conf", "cluster", "show"); strings.Contains(out, "!") || !strings.Contains(out, "pg2") {
		t.Errorf("repmgr does not see its cluster any more:\n%s", out)
	}
	w.noSecrets()
}

// byRepmgr is what repmgr's manual says, with its slots and a password file.
func (w *world) byRepmgr() {
	w.t.Helper()
	escaped := strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(canary)
	for i := 1; i <= 2; i++ {
		w.exec(i, "sh", "-c", `set -e
umask 077
printf '*:*:*:repmgr:%s\n' "$2" >/var/lib/postgresql/.pgpass
chown postgres /var/lib/postgresql/.pgpass
umask 022
cat >/etc/repmgr.conf <<CONF
node_id=$1
node_name='pg$1'
conninfo='host=$3 user=repmgr dbname=repmgr connect_timeout=2'
data_directory='/var/lib/postgresql/15/main'
use_replication_slots=yes
pg_bindir='/usr/lib/postgresql/15/bin'
passfile='/var/lib/postgresql/.pgpass'
CONF
sudo -u postgres pg_createcluster 15 main
printf "listen_addresses = '*'\nshared_preload_libraries = 'repmgr'\n" >>/etc/postgresql/15/main/postgresql.conf
printf 'host replication,repmgr repmgr 10.0.0.0/8 scram-sha-256\n' >>/etc/postgresql/15/main/pg_hba.conf`, "sh", fmt.Sprint(i), escaped, w.host(i).Addr)
	}
	repmgr := func(i int, args ...string) {
		w.t.Helper()
		w.exec(i, append([]string{"sudo", "-u", "postgres", "repmgr", "-f", "/etc/repmgr.conf"}, args...)...)
	}
	w.exec(1, "pg_ctlcluster", "15", "main", "start")
	w.sql(1, "CREATE ROLE repmgr SUPERUSER LOGIN PASSWORD '"+strings.ReplaceAll(canary, "'", "''")+"'")
	w.sql(1, "CREATE DATABASE repmgr OWNER repmgr")
	repmgr(1, "primary", "register")
	w.exec(2, "rm", "-rf", "/var/lib/postgresql/15/main")
	repmgr(2, "-h", w.host(1).Addr, "-U", "repmgr", "-d", "repmgr", "standby", "clone", "--fast-checkpoint")
	w.exec(2, "pg_ctlcluster", "15", "main", "start")
	repmgr(2, "standby", "register")
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1")
}

// byHand is what a person types: Debian's tools, pg_basebackup -R with the password
// in the connection string, and no application_name.
func (w *world) byHand() {
	w.t.Helper()
	password := strings.ReplaceAll(canary, "'", "''")
	w.exec(1, "sudo", "-u", "postgres", "pg_createcluster", "15", "main")
	w.exec(1, "sh", "-c", "echo \"listen_addresses = '*'\" >> /etc/postgresql/15/main/postgresql.conf; echo 'host replication replicator 10.0.0.0/8 scram-sha-256' >> /etc/postgresql/15/main/pg_hba.conf")
	w.exec(1, "pg_ctlcluster", "15", "main", "start")
	w.sql(1, "CREATE ROLE replicator LOGIN REPLICATION PASSWORD '"+password+"'")
	w.sql(1, "SELECT pg_create_physical_replication_slot('pg2', true)")
	w.exec(2, "sudo", "-u", "postgres", "pg_createcluster", "15", "main")
	w.exec(2, "rm", "-rf", "/var/lib/postgresql/15/main")
	conn := fmt.Sprintf("host=%s port=5432 user=replicator password='%s'",
		w.host(1).Addr, strings.ReplaceAll(strings.ReplaceAll(canary, `\`, `\\`), "'", `\'`))
	w.exec(2, "sudo", "-u", "postgres", "/usr/lib/postgresql/15/bin/pg_basebackup", "-D", "/var/lib/postgresql/15/main", "-R", "-X", "stream", "-c", "fast", "-S", "pg2", "-d", conn)
	w.exec(2, "sh", "-c", "echo \"listen_addresses = '*'\" >> /etc/postgresql/15/main/postgresql.conf")
	w.exec(2, "pg_ctlcluster", "15", "main", "start")
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1")
}

// TestGrowAndShrink adds a standby while others run, turns it into a cascade with a
// delay, and takes it out again.
func TestGrowAndShrink(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	three := "  parameters = { shared_buffers = \"16MB\" }\n"
	w.topology(three)
	full := w.read("main.hcl")
	w.write("main.hcl", strings.Replace(full, "[node.pg2, node.pg3]", "[node.pg2]", 1))
	w.must(0, "apply", "-auto-approve")
	w.settled()

	w.write("main.hcl", full)
	w.must(0, "apply", "-auto-approve")
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "2")
	w.settled()

	w.write("main.hcl", strings.Replace(full, "[node.pg2, node.pg3]", "[node.pg2]\n  standby {\n    node = node.pg3\n    upstream = node.pg2\n    apply_delay = \"1h\"\n  }", 1))
	w.must(1, "apply", "-auto-approve") // the old slot goes: that wants a word
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expect(2, "SELECT string_agg(application_name || ' ' || state, ',') FROM pg_stat_replication", "pg3 streaming")
	w.expect(1, "SELECT string_agg(slot_name, ',') FROM pg_replication_slots", "pg2")
	w.expect(3, "SHOW recovery_min_apply_delay", "1h")
	w.settled()

	w.exec(3, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.write("main.hcl", strings.Replace(full, "[node.pg2, node.pg3]", "[node.pg2]", 1))
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expect(2, "SELECT count(*) FROM pg_replication_slots", "0")
	w.settled()
	if out := w.exec(3, "ls", "/var/lib/postgresql/15/main/PG_VERSION"); out == "" {
		t.Error("the removed standby's data directory is gone")
	}
}

// TestReclone clones a standby again: the old directory waits until the new one
// streams.
func TestReclone(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.must(0, "apply", "-auto-approve")
	w.exec(2, "touch", "/var/lib/postgresql/15/main/of-the-old-one")
	w.must(1, "apply", "-auto-approve", "-replace=cluster.main.standby.pg2")
	w.exec(2, "ls", "/var/lib/postgresql/15/main/of-the-old-one")
	w.must(0, "apply", "-auto-approve", "-allow=reclone", "-replace=cluster.main.standby.pg2")
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1")
	if out := w.exec(2, "sh", "-c", "ls /var/lib/postgresql/15/main/of-the-old-one /var/lib/postgresql/15/main.repltool-old 2>/dev/null; true"); out != "" {
		t.Errorf("the old one is still there: %s", out)
	}
	w.settled()
}
