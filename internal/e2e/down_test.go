package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestStandbyDown stops a standby, and takes from it what it needs to come back: the port
// of its upstream, its slot, the role's password and its password file, and enough of
// max_connections, by ALTER SYSTEM. The apply that starts it gives it all of that first.
// Then primary and standby are stopped and the topology raises a limit: the primary starts
// with what it had. At last two standbys exchange their slots, one step at a time.
//
// The standbys are made on machines whose createcluster.conf has less of a limit than the
// primary, and get TLS as it has it.
func TestStandbyDown(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	topology := func(connections int, slots ...string) {
		var b strings.Builder
		fmt.Fprintf(&b, "  parameters = { max_connections = %d }\n", connections)
		for i, slot := range slots {
			fmt.Fprintf(&b, "  standby {\n    node = node.pg%d\n    slot = %q\n  }\n", i+2, slot)
		}
		w.topology(b.String())
		w.write("main.hcl", strings.Replace(w.read("main.hcl"), "  standbys = [node.pg2, node.pg3]\n", "", 1))
	}
	topology(100, "pg2", "pg3")
	w.exec(2, "sh", "-c", "echo 'max_worker_processes = 2' >/etc/postgresql-common/createcluster.d/site.conf")
	w.says(w.must(0, "apply", "-auto-approve"), "adds max_worker_processes = 2")
	for _, i := range []int{1, 2, 3} {
		if got := w.sql(i, "SHOW ssl"); got != "on" {
			t.Errorf("pg%d has ssl = %s", i, got)
		}
	}
	w.settled()
	w.sql(2, "ALTER SYSTEM SET max_connections = 40")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	w.exec(2, "sed", "-i", "s/port=5432/port=5439/", "/var/lib/postgresql/15/main/postgresql.auto.conf")
	w.exec(2, "sh", "-c", "rm ~postgres/.repltool/*.pass")
	w.sql(1, "ALTER ROLE replicator PASSWORD 'another'")

	topology(120, "other", "pg3")
	r := w.must(0, "apply", "-auto-approve", "-allow=restart,drop")
	w.says(r, "primary_conninfo.port", "5439", "primary_slot_name")
	const receiver = "SELECT status || ' ' || slot_name FROM pg_stat_wal_receiver"
	if got := w.sql(2, receiver); got != "streaming other" {
		t.Errorf("the WAL receiver: %s", got)
	}
	for _, i := range []int{1, 2, 3} {
		if got := w.sql(i, "SHOW max_connections"); got != "120" {
			t.Errorf("pg%d has max_connections = %s", i, got)
		}
	}
	const slots = "SELECT string_agg(slot_name, ' ' ORDER BY slot_name) FROM pg_replication_slots"
	if got := w.sql(1, slots); got != "other pg3" {
		t.Errorf("the slots: %s", got)
	}
	w.settled()

	w.exec(1, "pg_ctlcluster", "15", "main", "stop")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	topology(150, "other", "pg3")
	w.says(w.must(3, "apply", "-auto-approve"), "max_connections stays 120") // the primary was down: not compared
	if got := w.sql(1, "SHOW max_connections") + w.sql(2, "SHOW max_connections"); got != "120150" {
		t.Errorf("max_connections is %s", got)
	}
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	if got := w.sql(1, "SHOW max_connections"); got != "150" {
		t.Errorf("max_connections is %s", got)
	}
	w.settled()

	topology(150, "pg3", "other")
	w.must(0, "apply", "-auto-approve", "-parallelism=1")
	if got := w.sql(2, receiver) + w.sql(3, receiver); got != "streaming pg3streaming other" {
		t.Errorf("the WAL receivers: %s", got)
	}
	w.settled()
	w.noSecrets()
}
