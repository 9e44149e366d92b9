package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestRenamed renames a cluster and a synchronous standby and takes an hba rule out, all
// in one apply, while commits are made.
func TestRenamed(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	rule := "  hba {\n    type = \"host\"\n    database = \"all\"\n    user = \"postgres\"\n    address = \"" + w.host(3).Addr + "/32\"\n    method = \"trust\"\n  }\n"
	w.topology("  synchronous { number = 2 }\n" + rule)
	w.must(0, "apply", "-auto-approve")
	w.sql(1, "CREATE TABLE t (i int)")
	login := []string{"psql", "-h", w.host(1).Addr, "-U", "postgres", "-w", "-Atc", "SELECT 1"}
	if got := strings.TrimSpace(w.exec(3, login...)); got != "1" {
		t.Fatalf("the rule does not let host3 in: %q", got)
	}

	renamed := strings.NewReplacer(`cluster "main"`, `cluster "core"`, `node "pg2"`, `node "db2"`, "node.pg2", "node.db2", rule, "").Replace(w.read("main.hcl"))
	w.write("main.hcl", renamed)
	w.says(w.must(2, "drift"), "block of cluster main, which is in effect", "moved {", "trust")

	w.write("moved.hcl", "moved {\n  from = cluster.main\n  to = cluster.core\n}\nmoved {\n  from = node.pg2\n  to = node.db2\n}\n")
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	w.sql(1, "INSERT INTO t VALUES (1)") // waits for both
	w.expect(1, "SELECT string_agg(application_name || ' ' || sync_state, ', ' ORDER BY application_name) FROM pg_stat_replication", "db2 quorum, pg3 quorum")
	w.expect(1, "SELECT string_agg(slot_name || ' ' || active, ', ' ORDER BY slot_name) FROM pg_replication_slots", "db2 true, pg3 true")
	w.expect(1, "SHOW synchronous_standby_names", "ANY 2 (db2, pg3)")
	w.expect(1, "SELECT count(*) FROM repltool.managed WHERE address LIKE 'cluster.main.%' OR object LIKE '%pg2%'", "0")
	if out, err := w.host(3).Exec(t.Context(), login...); err == nil {
		t.Errorf("host3 is still let in: %s", out)
	}
	for i := 1; i <= 3; i++ {
		if got := w.exec(i, "sh", "-c", "grep -l 'repltool main' /etc/postgresql/*/*/*.conf || true"); strings.TrimSpace(got) != "" {
			t.Errorf("host%d still has a block of the old name: %s", i, got)
		}
	}
	w.write("moved.hcl", "")
	w.settled()
	w.noSecrets()
}
