package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// asRPM makes a host look like one with PostgreSQL's own RPM packages: their
// directories, their home of postgres, no Debian tools.
const asRPM = `set -eu
cp -r /usr/lib/postgresql/15 /usr/pgsql-15
rm -r /usr/lib/postgresql /etc/postgresql /etc/postgresql-common /var/lib/postgresql /usr/bin/pg_*cluster*
ln -sf /usr/pgsql-15/bin/psql /usr/bin/psql
install -d -m 700 -o postgres -g postgres /var/lib/pgsql /var/lib/pgsql/15 /var/lib/pgsql/15/data
usermod -d /var/lib/pgsql postgres
`

// rpmUnit is the unit of the RPM packages, as far as it concerns control.
const rpmUnit = `cat >/etc/systemd/system/postgresql-15.service <<'UNIT'
[Unit]
Description=PostgreSQL 15 database server
After=network-online.target
[Service]
Type=notify
User=postgres
Group=postgres
Environment=PGDATA=/var/lib/pgsql/15/data/
ExecStart=/usr/pgsql-15/bin/postmaster -D ${PGDATA}
ExecReload=/bin/kill -HUP $MAINPID
KillMode=mixed
KillSignal=SIGINT
TimeoutSec=0
[Install]
WantedBy=multi-user.target
UNIT
systemctl daemon-reload
`

// TestRPM is the loop on hosts of the RPM layout without systemd. The files of a
// standby come with the copy there.
func TestRPM(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	for i := range w.lab.Hosts {
		w.exec(i+1, "sh", "-c", asRPM)
	}
	w.topology(synchronous)
	r := w.must(2, "plan", "-detailed-exitcode")
	w.says(r, "/usr/pgsql-15/bin/initdb --pgdata /var/lib/pgsql/15/data", "/usr/pgsql-15/bin/pg_ctl --pgdata /var/lib/pgsql/15/data")
	w.must(0, "apply", "-auto-approve")
	w.expect(1, "SELECT string_agg(application_name || ' ' || state, ', ' ORDER BY application_name) FROM pg_stat_replication", "pg2 streaming, pg3 streaming")
	w.settled()

	for i := 1; i <= 3; i++ {
		w.expect(i, "SHOW data_directory", "/var/lib/pgsql/15/data")
		w.expect(i, "SHOW hba_file", "/var/lib/pgsql/15/data/pg_hba.conf")
		if n := strings.TrimSpace(w.exec(i, "grep", "-c", "^# repltool main: begin", "/var/lib/pgsql/15/data/pg_hba.conf")); n != "1" {
			t.Errorf("pg%d: %s blocks in pg_hba.conf", i, n)
		}
	}
	// A standby's rules are its own: they let in the others, not itself.
	rules := w.sql(2, "SELECT string_agg(address, ' ' ORDER BY address) FROM pg_hba_file_rules WHERE user_name = '{replicator}'")
	if want := w.host(1).Addr + " " + w.host(3).Addr; rules != want {
		t.Errorf("pg2 lets in %q, want %q", rules, want)
	}

	w.sql(2, "ALTER SYSTEM SET work_mem = '99MB'")
	w.exec(3, "sed", "-i", "s/^work_mem = .*/work_mem = '1MB'/", "/var/lib/pgsql/15/data/postgresql.conf")
	w.says(w.must(2, "drift"), "cluster.main.node.pg2.parameters", "cluster.main.node.pg3.parameters")
	w.must(0, "apply", "-auto-approve")
	w.topology(strings.Replace(synchronous, "16MB", "24MB", 1))
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	for i := 1; i <= 3; i++ {
		w.expect(i, "SHOW shared_buffers", "24MB")
		w.expect(i, "SHOW work_mem", "8MB")
	}
	w.settled()
	w.noSecrets()
}

// TestUnits is the loop where systemd is pid 1: a primary of the RPM layout and a
// standby of Debian's, which copies from it, and one the other way round.
func TestUnits(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3, Suites: []string{"bookworm+systemd"}})
	for _, i := range []int{1, 3} {
		w.exec(i, "sh", "-c", asRPM+rpmUnit)
	}
	w.topology("")
	main := strings.Replace(w.read("main.hcl"), "standbys = [node.pg2, node.pg3]",
		"standbys = [node.pg2]\n  standby {\n    node = node.pg3\n    upstream = node.pg2\n  }\n  parameters = { shared_buffers = \"16MB\" }", 1)
	w.write("main.hcl", main)
	units := []string{"postgresql-15", "postgresql@15-main", "postgresql-15"}

	r := w.must(2, "plan", "-detailed-exitcode")
	w.says(r, "systemctl start postgresql-15", "systemctl enable postgresql-15", "systemctl start postgresql@15-main")
	w.must(0, "apply", "-auto-approve")
	w.settled()
	w.expect(1, "SELECT state FROM pg_stat_replication", "streaming")
	w.expect(2, "SELECT state FROM pg_stat_replication", "streaming")
	for i, unit := range units[:2] {
		w.inUnit(i+1, unit)
		if err := w.host(i + 1).Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := w.host(i + 1).Boot(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.inUnit(i+1, unit) // it came up by itself
	}
	w.expect(1, "SELECT state FROM pg_stat_replication", "streaming")
	w.expect(2, "SELECT state FROM pg_stat_replication", "streaming")

	// Started by hand: told, and moved into the unit by the next restart.
	for i, unit := range units[:2] {
		w.exec(i+1, "systemctl", "stop", unit)
	}
	w.as(1, "/usr/pgsql-15/bin/pg_ctl", "-D", "/var/lib/pgsql/15/data", "-w", "-l", "/dev/null", "start")
	w.as(2, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "start")
	w.expect(1, "SELECT state FROM pg_stat_replication", "streaming")
	w.expect(2, "SELECT state FROM pg_stat_replication", "streaming")
	w.says(w.must(0, "drift"), "pg1 runs outside its systemd unit postgresql-15", "pg2 runs outside its systemd unit postgresql@15-main")
	w.write("main.hcl", strings.Replace(main, "16MB", "24MB", 1))
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	for i, unit := range units {
		w.inUnit(i+1, unit)
		w.expect(i+1, "SHOW shared_buffers", "24MB")
	}
	w.exec(3, "systemctl", "stop", units[2])
	w.says(w.must(2, "drift"), "pg3 is down")
	w.must(0, "apply", "-auto-approve")
	w.inUnit(3, units[2])
	if out := w.run("drift").stdout; strings.Contains(out, "outside") {
		t.Errorf("still outside:\n%s", out)
	}
	w.settled()
	w.verifiesUnits(1)
	w.noSecrets()
}

// verifiesUnits has systemd read the units that init -ci=systemd writes, and run them with a program
// that finds drift.
func (w *world) verifiesUnits(host int) {
	w.t.Helper()
	w.must(0, "init", "-ci=systemd")
	topology := filepath.Base(w.dir)
	name := "repltool-" + topology
	service := strings.NewReplacer(w.dir, "/etc/repltool", binary, "/usr/local/bin/repltool").Replace(w.read(name + ".service"))
	environ := strings.Replace(w.read(name+".env"), "REPLTOOL_VAR_password=", "REPLTOOL_VAR_password=given", 1)
	w.exec(host, "useradd", "--system", "repltool")
	w.exec(host, "mkdir", "-p", "/etc/repltool")
	for path, text := range map[string]string{
		"/usr/local/bin/repltool":                  "#!/bin/sh\necho \"$PWD $* $REPLTOOL_VAR_password\"\nexit 2\n",
		"/etc/repltool/" + topology + ".env":       environ,
		"/etc/systemd/system/" + name + ".service": service,
		"/etc/systemd/system/" + name + ".timer":   w.read(name + ".timer"),
	} {
		w.exec(host, "sh", "-ec", `printf %s "$1" >"$2"`, "write", text, path)
	}
	w.exec(host, "chmod", "755", "/usr/local/bin/repltool")
	if said := w.exec(host, "sh", "-c", `systemd-analyze verify "$@" 2>&1`, "verify", name+".service", name+".timer"); strings.TrimSpace(said) != "" {
		w.t.Errorf("systemd-analyze verify: %s", said)
	}
	w.exec(host, "systemctl", "daemon-reload")
	w.exec(host, "systemctl", "enable", "--now", name+".timer")
	w.exec(host, "sh", "-c", `! systemctl start "$1"`, "start", name+".service")
	if said := w.exec(host, "systemctl", "show", "--property=ExecMainStatus,User,Result", name+".service"); said != "Result=exit-code\nExecMainStatus=2\nUser=repltool\n" {
		w.t.Errorf("the unit:\n%s", said)
	}
	if said := w.exec(host, "journalctl", "--unit="+name+".service", "--output=cat"); !strings.Contains(said, "/etc/repltool drift -quiet given") {
		w.t.Errorf("the journal:\n%s", said)
	}
}

// inUnit expects that the server is its unit's own process.
func (w *world) inUnit(i int, unit string) {
	w.t.Helper()
	for range 600 { // after a boot it takes a while
		if _, err := w.host(i).Exec(w.t.Context(), "systemctl", "is-active", unit); err == nil {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	main := strings.TrimSpace(w.exec(i, "systemctl", "show", "-p", "MainPID", "--value", unit))
	server := strings.TrimSpace(w.exec(i, "sh", "-c", "head -1 /var/lib/pgsql/15/data/postmaster.pid /var/lib/postgresql/15/main/postmaster.pid 2>/dev/null | tail -1"))
	if main != server || main == "0" {
		w.t.Errorf("pg%d: %s has process %s, and the server is %s", i, unit, main, server)
	}
}

// as runs a command on a host as postgres.
func (w *world) as(i int, argv ...string) string {
	w.t.Helper()
	out, err := w.host(i).ExecAs(w.t.Context(), "postgres", argv...)
	if err != nil {
		w.t.Fatalf("pg%d: %v: %v", i, argv, err)
	}
	return out
}
