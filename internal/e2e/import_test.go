package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/internal/lab"
)

// TestImport writes the topology of servers that were set up by hand: another port, a cascade
// with a delay, names that are no identifiers, a second cluster on one host, a tablespace, and
// what the files must not tell. Nothing on the hosts changes, and a plan has marks alone.
func TestImport(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.manyByHand()
	before := w.footprint()
	r := w.must(0, "import", "-out="+w.dir, "host1:5432", "host2", "host3")
	w.says(r, "A plan has no changes: only 8 marks of ownership would be written.")
	named := w.read("main.hcl")
	for _, text := range []string{
		`"pg.2" = { host = "host2", address = "` + w.host(2).Addr + `" }`, `"1st" = "host3"`, `apply_delay = "2h"`, `slot        = false`, `slot = "second"`,
		`"/srv/ts" = "/srv/ts2"`, "  synchronous {}\n", "connection_limit = 10", "since a secret may be in it: archive_command",
	} {
		if !strings.Contains(named, text) {
			t.Errorf("the topology lacks %s:\n%s", text, named)
		}
	}
	w.env = append(w.env, "REPLTOOL_VAR_replicator_password="+canary)
	w.says(w.must(0, "plan", "-detailed-exitcode"), "No changes. 8 marks of ownership")
	w.must(1, "import", "-out="+w.dir, "host1") // a topology is not overwritten

	if found := w.must(0, "import", "-cluster", "host3").stdout; found != named {
		t.Errorf("import -cluster found this:\n%s\nand not this:\n%s", found, named)
	}
	// The rules by which the subscription would find a standby that became its publisher are missing.
	r = w.must(2, "import", "host1", "host2", "host3")
	w.says(r, "A plan would change this, besides writing marks of ownership:\n  update cluster.main.node.pg.2.hba\n  update cluster.main.node.1st.hba\nPasswords")
	both := r.stdout + w.must(0, "import", "host1").stdout
	for _, text := range []string{
		`cluster "odd-one"`, `node "host1-odd-one"`, "pg.2 (" + w.host(2).Addr + ") streams from host1, and was not imported",
		`name     = "Orders.2024"`, `columns = ["id", "total"]`, `publish = ["insert"]`, `tables   = ["\"s.x\".t"]`,
		"name         = \"From Main\"\n  publications = [publication.Orders-2024]\n  slot_name    = \"from_main\"\n  binary       = true\n",
	} {
		if !strings.Contains(both, text) {
			t.Errorf("the topology of both clusters lacks %s:\n%s", text, both)
		}
	}
	w.manager()
	managed := w.must(2, "import", "-out="+filepath.Join(w.dir, "managed"), "host1:5444")
	w.says(managed, "A cluster manager runs: Patroni", "only 2 marks of ownership")
	if text := w.read("managed/main.hcl"); !strings.Contains(text, "# Patroni manages host1") || !strings.Contains(text, "password = var.From_Main_password") {
		t.Errorf("this says nothing of Patroni, or of the publisher outside:\n%s", text)
	}
	w.says(w.must(1, "import", "host3"), "its primary was not read", "import -cluster host3")
	w.says(w.must(1, "import", "host2:5432"), "no PostgreSQL server runs on host2 on port 5432")
	if d := cmp.Diff(strings.Split(before, "\n"), strings.Split(w.footprint(), "\n")); d != "" {
		t.Errorf("the hosts are not as they were (-before +after):\n%s", d)
	}
	w.noSecrets()
}

// manager runs a program that has the name of a cluster manager, and the second cluster.
func (w *world) manager() {
	w.t.Helper()
	w.exec(1, "sh", "-c", `printf '#!/bin/sh\nread -r _\n' >/tmp/patroni
printf 'data_dir: /var/lib/postgresql/15/odd-one\n' >/tmp/patroni.yml
chmod 755 /tmp/patroni
mkfifo /tmp/patroni.in
setsid /tmp/patroni /tmp/patroni.yml <>/tmp/patroni.in >/dev/null 2>&1 &
until pgrep -x patroni >/dev/null; do :; done`)
}

// logicalByHand has the second cluster subscribe to a part of the first.
func (w *world) logicalByHand(password string) {
	w.t.Helper()
	w.exec(1, "sh", "-c", "echo 'host shop replicator 10.0.0.0/8 scram-sha-256' >>/etc/postgresql/15/main/pg_hba.conf")
	tables := []string{`CREATE TABLE "Orders" (id bigint PRIMARY KEY, total numeric, note text)`, `CREATE SCHEMA "s.x"`, `CREATE TABLE "s.x".t (id int PRIMARY KEY)`}
	for _, sql := range []string{"SELECT pg_reload_conf()", `CREATE ROLE "shop owner" NOLOGIN`, `CREATE DATABASE shop OWNER "shop owner"`, "ALTER DATABASE shop SET work_mem = '7MB'"} {
		w.sql(1, sql)
	}
	for _, sql := range append(tables, `GRANT SELECT ON "Orders" TO replicator`, `GRANT USAGE ON SCHEMA "s.x" TO replicator`, `GRANT SELECT ON "s.x".t TO replicator`,
		`CREATE PUBLICATION "Orders.2024" FOR TABLE "Orders" (id, total) WHERE (total > 0), "s.x".t WITH (publish = insert)`) {
		w.in(1, "shop", sql)
	}
	second := server{1, 5444, "dw"}
	w.ask(server{1, 5444, "postgres"}, "CREATE DATABASE dw")
	for _, sql := range append(tables, `CREATE SUBSCRIPTION "From Main" CONNECTION '`+strings.ReplaceAll(password, "'", "''")+`' PUBLICATION "Orders.2024" WITH (slot_name = from_main, binary)`) {
		w.ask(second, sql)
	}
	w.reaches(second, "SELECT string_agg(DISTINCT srsubstate, ',') FROM pg_subscription_rel", "r")
}

// footprint are the sessions and files that importing leaves as they are. Debian's sudo itself marks
// that a user has used it.
func (w *world) footprint() string {
	w.t.Helper()
	var all strings.Builder
	for i := range w.lab.Hosts {
		all.WriteString(w.exec(i+1, "sh", "-c", `cd /
for p in 5432 5433 5444; do
  [ -S /run/postgresql/.s.PGSQL.$p ] || continue
  sudo -u postgres psql -p $p -Atc "SELECT pid, backend_start FROM pg_stat_activity WHERE backend_type <> 'client backend' AND backend_type NOT LIKE '%worker%' ORDER BY 1" -c "SELECT pg_conf_load_time()"
done
find /etc/postgresql /etc/passwd /var/lib/postgresql /home /root -path '*/base/*' -prune -o -path '*/pg_*/*' -prune -o -path '*/global/*' -prune -o -name .sudo_as_admin_successful -o -type f -print0 | sort -z | xargs -0 md5sum
ls -lan --time-style=full-iso /etc/postgresql/*/* /var/lib/postgresql | grep -v postmaster`))
	}
	return all.String()
}

// manyByHand is what people type over the years.
func (w *world) manyByHand() {
	w.t.Helper()
	password := strings.ReplaceAll(canary, "'", "''")
	conn := func(i, port int, name string) string {
		return fmt.Sprintf("host=%s port=%d user=replicator application_name=%s password='%s'", w.host(i).Addr, port, name,
			strings.ReplaceAll(strings.ReplaceAll(canary, `\`, `\\`), "'", `\'`))
	}
	const hba = "echo 'host replication replicator 10.0.0.0/8 scram-sha-256' >>/etc/postgresql/15/$0/pg_hba.conf; mkdir -p /srv/ts /srv/ts2; chown postgres: /srv/ts /srv/ts2; cd /\n"
	w.exec(1, "sh", "-c", `set -e
sudo -u postgres pg_createcluster 15 main
sudo -u postgres pg_createcluster -p 5444 15 odd-one
`+hba+`cat >>/etc/postgresql/15/main/postgresql.conf <<CONF
listen_addresses = '*'
work_mem = 12MB
wal_sender_timeout = 30000
log_min_duration_statement = 250ms
archive_mode = on
archive_command = 'true --password=archive %p'
wal_level = logical
CONF
pg_ctlcluster 15 main start
pg_ctlcluster 15 odd-one start`, "main")
	for _, sql := range []string{
		"CREATE ROLE replicator LOGIN REPLICATION PASSWORD '" + password + "' CONNECTION LIMIT 10", "SELECT pg_create_physical_replication_slot('second', true)",
		"SELECT pg_create_physical_replication_slot('backup', true)", "CREATE TABLESPACE ts LOCATION '/srv/ts'", "ALTER SYSTEM SET max_wal_size = '3GB'", "SELECT pg_reload_conf()",
	} {
		w.sql(1, sql)
	}
	w.exec(2, "sh", "-c", `set -e
sudo -u postgres pg_createcluster -p 5433 15 replica
rm -rf /var/lib/postgresql/15/replica
`+hba+`sudo -u postgres /usr/lib/postgresql/15/bin/pg_basebackup -D /var/lib/postgresql/15/replica -R -X stream -c fast -S second -T /srv/ts=/srv/ts2 -d "$1"
cat >>/etc/postgresql/15/replica/postgresql.conf <<CONF
listen_addresses = '*'
work_mem = 20MB
hot_standby_feedback = on
log_min_duration_statement = 250
wal_level = logical
CONF
pg_ctlcluster 15 replica start`, "replica", conn(1, 5432, "pg.2"))
	w.sql(1, `ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ("pg.2")'`)
	w.exec(3, "sh", "-c", `set -e
sudo -u postgres pg_createcluster 15 main
rm -rf /var/lib/postgresql/15/main
`+hba+`sudo -u postgres /usr/lib/postgresql/15/bin/pg_basebackup -D /var/lib/postgresql/15/main -R -X stream -c fast -T /srv/ts=/srv/ts2 -d "$1"
sed -i /primary_slot_name/d /var/lib/postgresql/15/main/postgresql.auto.conf
cat >>/etc/postgresql/15/main/postgresql.conf <<CONF
listen_addresses = '*'
wal_level = logical
recovery_min_apply_delay = 2h
log_min_duration_statement = 250ms
CONF
pg_ctlcluster 15 main start`, "main", conn(2, 5433, "1st"))
	w.logicalByHand(strings.Replace(conn(1, 5432, "x"), "application_name=x", "dbname=shop", 1))
	w.expect(1, "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'pg.2'", "quorum")
	w.expect(3, "SELECT status FROM pg_stat_wal_receiver", "streaming")
	if err := os.Remove(filepath.Join(w.dir, "main.hcl")); err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
}
