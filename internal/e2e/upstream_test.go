package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// TestUpstream moves a standby between upstreams in place, changes its delay, lowers
// a limit while replay stands, and takes it out.
func TestUpstream(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	with := func(more string) string { return "  parameters = {\n    shared_buffers = \"16MB\"\n" + more + "  }\n" }
	w.cascade(with(""), "")
	w.must(0, "apply", "-auto-approve")
	w.settled()
	started := w.sql(3, "SELECT pg_postmaster_start_time()")
	w.slotsAre("pg2 true", "pg3 true")

	// To pg1 and back: the new slot first, the old one gone, no restart.
	w.topology(with(""))
	r := w.must(2, "plan", "-detailed-exitcode")
	if made, moved, gone := strings.Index(r.stdout, "pg_create_physical_replication_slot('pg3'"), strings.Index(r.stdout, "SET primary_conninfo"), strings.Index(r.stdout, "pg_drop_replication_slot('pg3')"); made < 0 || moved < made || gone < moved {
		t.Errorf("the order is not slot, conninfo, old slot:\n%s", r.stdout)
	}
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.slotsAre("pg2 true, pg3 true", "")
	w.arrives()
	w.settled()
	w.cascade(with(""), "apply_delay = \"1h\"")
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.slotsAre("pg2 true", "pg3 true")
	w.settled()

	// A delay is set, changed and removed by a reload.
	w.sql(1, "CREATE TABLE late AS SELECT 1 AS n")
	w.cascade(with(""), "apply_delay = \"2h\"")
	w.must(0, "apply", "-auto-approve")
	w.expect(3, "SHOW recovery_min_apply_delay", "2h")
	w.expect(2, "SELECT n FROM late", "1")
	if got := w.sql(3, "SELECT to_regclass('late') IS NULL"); got != "t" {
		t.Error("the delayed standby has the table already")
	}
	w.settled()
	w.cascade(with(""), "")
	w.must(0, "apply", "-auto-approve")
	w.expect(3, "SHOW recovery_min_apply_delay", "0")
	w.arrives()
	w.settled()
	if now := w.sql(3, "SELECT pg_postmaster_start_time()"); now != started {
		t.Errorf("pg3 was restarted: %s, then %s", started, now)
	}

	w.lowered(with)

	w.cascade(with("    max_connections = 80\n"), "")
	w.must(0, "apply", "-auto-approve")

	// Taken out while it runs: its slot stays while it is in use, its data forever.
	w.topology(with("    max_connections = 80\n"))
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), "[node.pg2, node.pg3]", "[node.pg2]", 1))
	w.says(w.must(0, "plan"), "slot pg3 on pg2 is not defined in the topology any more, but process", "No cluster has node.pg3")
	w.exec(3, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.says(w.must(2, "plan", "-detailed-exitcode"), "- cluster.main.slot.pg3", "the data directory of the server that used it is not touched")
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.slotsAre("pg2 true", "")
	w.settled()
	w.exec(3, "ls", "/var/lib/postgresql/15/main/PG_VERSION")
}

// slotsAre asks pg1 and pg2 for their slots.
func (w *world) slotsAre(pg1, pg2 string) {
	w.t.Helper()
	for i, want := range []string{pg1, pg2} {
		w.expect(i+1, "SELECT coalesce(string_agg(slot_name || ' ' || active, ', ' ORDER BY slot_name), '') FROM pg_replication_slots", want)
	}
}

// lowered: what is lowered waits for replay, and says how far that is. A raise does not.
func (w *world) lowered(with func(more string) string) {
	t := w.t
	t.Helper()
	w.sql(2, "SELECT pg_wal_replay_pause()")
	w.cascade(with("    max_connections = 80\n"), "")
	w.says(w.must(1, "plan"), "pg2 has paused its replay", "pg_wal_replay_resume()", "main.hcl")
	w.cascade(with("    max_connections = 110\n"), "")
	w.says(w.must(1, "apply", "-auto-approve", "-allow=restart"), "Restart would end the pause of replay", "pg_wal_replay_resume()")
	w.sql(2, "SELECT pg_wal_replay_resume()")
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1")
	w.settled()
	w.cascade(with("    max_connections = 110\n"), "apply_delay = \"8s\"")
	w.must(0, "apply", "-auto-approve")
	w.cascade(with("    max_connections = 80\n"), "apply_delay = \"8s\"")
	w.says(w.must(2, "plan", "-detailed-exitcode"), "wait until standbys replayed the change (10m8s at most without progress)")
	w.sql(1, "CREATE TABLE held AS SELECT clock_timestamp() AS at")
	r := w.must(0, "apply", "-auto-approve", "-allow=restart", "-json")
	if !strings.Contains(r.stdout, `, replayed 0/`) {
		t.Errorf("the wait does not tell how far replay is:\n%s", r.stdout)
	}
	t.Logf("lowered behind a delay of 8 s in %s", r.took.Round(100*time.Millisecond))
	w.expect(3, "SHOW max_connections", "80")
	w.arrives()
	w.settled()
}

// arrives writes a row on pg1 and waits for it on the others.
func (w *world) arrives() {
	w.t.Helper()
	w.sql(1, "CREATE TABLE IF NOT EXISTS arrives (n int); INSERT INTO arrives VALUES (1)")
	total := w.sql(1, "SELECT count(*) FROM arrives")
	for i := 2; i <= len(w.lab.Hosts); i++ {
		w.expect(i, "SELECT count(*) FROM arrives", total)
	}
}
