package e2e

import (
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestDivergence: of two standbys the one with less WAL is promoted, by hand. The other one and
// the old primary are to be its standbys again: how much only they have is said before anybody
// discards it, and it is kept, also where the apply is killed. Then the primary is stopped and
// another one promoted that has everything: the old one follows it as it is, and one that
// somebody made a primary by removing standby.signal does not, though it ends before the fork.
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
	w.says(w.must(1, "plan"), "Another node is the primary", "primary = node.pg2", "pg3 has WAL of timeline 1 up to ")

	w.leading("pg2", "pg1", "pg3")
	w.says(w.must(1, "apply", "-auto-approve", "-allow=restart,drop,reclone"), "-allow=restart,drop,reclone,discard")
	w.says(w.must(2, "drift"), "pg1 has written past the fork at", "pg3 has received past the fork at")
	w.expect(3, "SELECT count(*) FROM t", "1000")
	w.exec(3, "pg_ctlcluster", "15", "main", "stop")
	w.says(w.must(0, "plan"), "pg1 has written past the fork at", "pg3 has received past the fork at", "with a list of its transactions")
	w.rejoinedKilled("keep the WAL that only pg1 has", "keep the old data directory", "base backup", "remove the old data directory")
	for _, i := range []int{1, 3} {
		w.expect(i, "SELECT count(*) FROM t", "2")
		kept := w.exec(i, "sh", "-c", "grep -h COMMIT /var/lib/postgresql/.repltool/lost/*-timeline1-*/transactions.txt; ls -d /var/lib/postgresql/15/*")
		if strings.Count(kept, "COMMIT") != 1 || strings.Contains(kept, ".repltool-old") {
			t.Errorf("pg%d has kept:\n%s", i, kept)
		}
	}
	w.settled()

	w.expect(2, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "2")
	w.exec(1, "pg_ctlcluster", "15", "main", "stop")
	w.exec(1, "rm", "/var/lib/postgresql/15/main/standby.signal")
	w.exec(1, "pg_ctlcluster", "15", "main", "start")
	w.sql(1, "INSERT INTO t VALUES (4)") // on the same timeline as pg2, and before the fork
	w.exec(1, "pg_ctlcluster", "15", "main", "stop", "-m", "immediate")
	w.sql(2, "CREATE TABLE more AS SELECT generate_series(1, 10000) AS n")
	w.expect(3, "SELECT count(*) FROM more", "10000")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	w.sql(3, "SELECT pg_promote()")
	w.sql(3, "INSERT INTO t VALUES (3)")
	w.leading("pg3", "pg1", "pg2")
	w.says(w.must(1, "apply", "-auto-approve", "-allow=restart,drop"), "pg2 was the primary, and follows pg3 without a rewind",
		"verify that pg3 has the last record of pg1", "both servers have written WAL of this timeline")
	w.says(w.must(1, "apply", "-auto-approve", "-allow=restart,drop,reclone", "-replace=cluster.main.standby.pg1"), "-allow=restart,drop,reclone,discard")
	w.must(0, "apply", "-auto-approve", "-allow=restart,drop,discard", "-replace=cluster.main.standby.pg1")
	w.applied("after the old primary follows", "-allow=restart,drop")
	w.expect(2, "SELECT count(*) FROM t", "3")
	w.settled()
}

// leading edits the topology: who leads, and the standbys.
func (w *world) leading(primary string, standbys ...string) {
	w.t.Helper()
	lines := strings.Split(w.read("main.hcl"), "\n")
	for i, line := range lines {
		switch name, _, _ := strings.Cut(strings.TrimSpace(line), " "); name {
		case "primary":
			lines[i] = "  primary = node." + primary
		case "standbys":
			lines[i] = "  standbys = [node." + strings.Join(standbys, ", node.") + "]"
		}
	}
	w.write("main.hcl", strings.Join(lines, "\n"))
}

// rejoinedKilled applies and kills repltool at each of these steps of pg1, before, in and after
// it in turn, until an apply comes to the end.
func (w *world) rejoinedKilled(steps ...string) {
	w.t.Helper()
	at, struck := moments{begins, runs, ends}, map[string]bool{}
	for applies, done := 0, false; !done; applies++ {
		killed, now := false, at.of(len(struck))
		code, told := w.followed([]string{"apply", "-auto-approve", "-allow=discard,drop,restart", "-lock-timeout=2m"}, func(c *exec.Cmd, e event) {
			is := func(step string) bool { return strings.Contains(e.Why, step) }
			if now.of(e) && !killed && !struck[e.name()] && e.Node == "pg1" && slices.ContainsFunc(steps, is) {
				struck[e.name()], killed = true, true
				strikeAt(c, now, applies)
			}
		})
		if done = code == 0 && !killed; applies > 3*len(steps) {
			w.t.Fatalf("no apply comes to the end: exit code %d\n%s", code, told)
		}
	}
	w.applied("after the last kill", "-allow=drop,restart")
	w.t.Logf("killed %d times", len(struck))
}
