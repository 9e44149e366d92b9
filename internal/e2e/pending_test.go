package e2e

import (
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestPendingReload leaves values and rules in the files of servers that nobody has reloaded,
// and applies changes that reload or restart these servers: what would promote, cut off or
// block is refused or set right first, and the rest is listed.
func TestPendingReload(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	const (
		conf   = "/etc/postgresql/15/main/conf.d/dba.conf"
		target = "-target=cluster.main.node.pg1.parameters"
		both   = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"
	)
	leave := func(i int, line string) {
		w.exec(i, "sh", "-c", `echo "$1" >"$2"; chown postgres "$2"`, "sh", line, conf)
	}
	memory := func(work, shared string) {
		w.topology("  parameters = {\n    work_mem = \"" + work + "\"\n    shared_buffers = \"" + shared + "\"\n  }\n")
	}
	memory("4MB", "16MB")
	w.must(0, "apply", "-auto-approve")
	w.settled()

	memory("5MB", "16MB")
	w.exec(2, "touch", "/tmp/promote")
	leave(2, "promote_trigger_file = '/tmp/promote'")
	w.says(w.must(2, "drift"), "promote_trigger_file", "second primary")
	w.says(w.must(1, "apply", "-auto-approve"), "promote_trigger_file", conf)
	w.expect(2, "SELECT pg_is_in_recovery()", "t")
	w.exec(2, "rm", conf, "/tmp/promote")
	leave(1, "synchronous_standby_names = 'nobody'")
	w.says(w.must(1, "apply", "-auto-approve"), "synchronous_standby_names", "0 of the 1 standbys")
	w.expect(1, "SHOW synchronous_standby_names", "")
	leave(1, "checkpoint_timeout = 6min")
	w.says(w.must(2, "plan", "-detailed-exitcode"), "checkpoint_timeout", "this reload puts it into effect", conf)
	w.must(0, "apply", "-auto-approve")
	w.expect(1, "SHOW checkpoint_timeout", "6min")
	w.settled()

	w.sql(2, "ALTER SYSTEM RESET ALL")
	memory("6MB", "16MB")
	w.says(w.must(2, "drift"), "primary_conninfo", "the other value waits for a reload")
	w.must(0, "apply", "-auto-approve", "-target=cluster.main.node.pg2.parameters")
	w.expect(1, both, "2")
	w.must(0, "apply", "-auto-approve")
	w.expect(1, both, "2")
	w.settled()

	w.exec(1, "sed", "-i", "1i host replication all all reject", "/etc/postgresql/15/main/pg_hba.conf")
	memory("6MB", "17MB")
	w.must(0, "apply", "-auto-approve", "-allow=restart", target)
	w.expect(1, both, "2")
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.settled()

	memory("6MB", "18MB")
	w.sql(3, "SELECT pg_wal_replay_pause()")
	w.says(w.must(1, "apply", "-auto-approve", "-allow=restart"), "pause of replay", "pg_wal_replay_resume()")
	w.expect(3, "SELECT pg_is_wal_replay_paused()", "t")
	w.sql(3, "SELECT pg_wal_replay_resume()")
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.settled()

	// A node that is down is as bad to status as it is to drift.
	w.exec(3, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.says(w.must(2, "status"), "pg3 is down")
	w.must(2, "drift")
	w.must(0, "apply", "-auto-approve")
	w.settled()
}

// TestRemovedByHalf takes parameters out of the topology and out of the file of the primary, as
// an apply does that is killed before the restart.
func TestRemovedByHalf(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = {\n    shared_buffers = \"16MB\"\n    max_connections = 120\n    max_prepared_transactions = 5\n  }\n")
	w.must(0, "apply", "-auto-approve")
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.exec(1, "sed", "-i", "/^max_connections = '120'$/d; /^max_prepared_transactions = '5'$/d", "/etc/postgresql/15/main/postgresql.conf")
	w.says(w.must(2, "plan", "-detailed-exitcode"), "120 -> 100", "5 -> 0", "not in the topology any more")
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	for i := 1; i <= 2; i++ {
		w.expect(i, "SELECT current_setting('max_connections') || ' ' || current_setting('max_prepared_transactions')", "100 0")
	}
	w.settled()
}
