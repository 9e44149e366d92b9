package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestDivergence: of two standbys the one with less WAL is promoted. What the other one has
// beyond is named before anybody clones it again.
func TestDivergence(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology("")
	w.must(0, "apply", "-auto-approve")
	w.sql(1, "CREATE TABLE t AS SELECT 1 AS n")
	w.expect(2, "SELECT count(*) FROM t", "1")
	w.sql(2, "ALTER SYSTEM SET primary_conninfo = ''")
	w.sql(2, "SELECT pg_reload_conf()")
	w.expect(1, "SELECT string_agg(application_name, ' ') FROM pg_stat_replication", "pg3")
	w.sql(1, "INSERT INTO t SELECT generate_series(2, 1000)")
	w.expect(3, "SELECT count(*) FROM t", "1000")
	w.exec(1, "pg_ctlcluster", "15", "main", "stop", "-m", "immediate")
	w.sql(2, "SELECT pg_promote()")
	w.sql(2, "INSERT INTO t VALUES (2)")
	const diverged = "pg3 has WAL of timeline 1 up to "
	w.says(w.must(1, "plan"), "Another node is the primary", "primary = node.pg2", diverged)

	w.write("main.hcl", strings.NewReplacer("primary = node.pg1", "primary = node.pg2", "[node.pg2, node.pg3]", "[node.pg3]").Replace(w.read("main.hcl")))
	w.says(w.must(1, "apply", "-auto-approve", "-allow=restart,drop"), "Timeline divergence", diverged, "pg2 left that timeline at", "-replace=cluster.main.standby.pg3")
	w.says(w.must(2, "drift"), "Timeline divergence")
	w.expect(3, "SELECT count(*) FROM t", "1000")
	w.exec(3, "pg_ctlcluster", "15", "main", "stop")
	w.says(w.must(1, "plan"), "Timeline divergence", diverged)
	w.must(0, "apply", "-auto-approve", "-allow=reclone", "-replace=cluster.main.standby.pg3")
	w.expect(3, "SELECT count(*) FROM t", "2")
	w.settled()
}
