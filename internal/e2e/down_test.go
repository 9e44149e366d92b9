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
// Then both are stopped and the topology raises a limit: the primary starts with what it had.
func TestStandbyDown(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("")
	w.must(0, "apply", "-auto-approve")
	w.settled()
	w.sql(2, "ALTER SYSTEM SET max_connections = 40")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	w.exec(2, "sed", "-i", "s/port=5432/port=5439/", "/var/lib/postgresql/15/main/postgresql.auto.conf")
	w.exec(2, "sh", "-c", "rm ~postgres/.repltool/*.pass")
	w.sql(1, "ALTER ROLE replicator PASSWORD 'another'")

	topology := func(connections int) {
		w.topology(fmt.Sprintf("  parameters = { max_connections = %d }\n  standby {\n    node = node.pg2\n    slot = \"other\"\n  }\n", connections))
		w.write("main.hcl", strings.Replace(w.read("main.hcl"), "  standbys = [node.pg2]\n", "", 1))
	}
	topology(120)
	r := w.must(0, "apply", "-auto-approve", "-allow=restart,drop")
	w.says(r, "primary_conninfo.port", "5439", "primary_slot_name")
	if got := w.sql(2, "SELECT status || ' ' || slot_name FROM pg_stat_wal_receiver"); got != "streaming other" {
		t.Errorf("the WAL receiver: %s", got)
	}
	for _, i := range []int{1, 2} {
		if got := w.sql(i, "SHOW max_connections"); got != "120" {
			t.Errorf("pg%d has max_connections = %s", i, got)
		}
	}
	if got := w.sql(1, "SELECT string_agg(slot_name, ' ') FROM pg_replication_slots"); got != "other" {
		t.Errorf("the slots: %s", got)
	}
	w.settled()

	w.exec(1, "pg_ctlcluster", "15", "main", "stop")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	topology(150)
	w.says(w.must(3, "apply", "-auto-approve"), "max_connections stays 120") // the primary was down: not compared
	if got := w.sql(1, "SHOW max_connections") + w.sql(2, "SHOW max_connections"); got != "120150" {
		t.Errorf("max_connections is %s", got)
	}
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	if got := w.sql(1, "SHOW max_connections"); got != "150" {
		t.Errorf("max_connections is %s", got)
	}
	w.settled()
	w.noSecrets()
}
