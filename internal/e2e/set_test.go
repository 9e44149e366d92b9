package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestSetStaysWhole clones members of synchronous sets of every kind again, changes their
// connections, takes a hot-standby parameter out of the topology, and promotes a clone: a
// set is whole after every apply, no standby loses the name that a set knows it by, and
// the promoted clone waits for nobody.
func TestSetStaysWhole(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	const replace = "-replace=cluster.main.standby.pg2"
	w.topology("  synchronous { number = 1 }\n  parameters = { max_connections = 110 }\n")
	w.must(0, "apply", "-auto-approve")
	w.must(0, "apply", "-auto-approve", "-allow=reclone", replace, "-target=cluster.main.standby.pg2")
	w.expect(1, "SHOW synchronous_standby_names", "ANY 1 (pg2, pg3)")
	w.expect(1, "SELECT string_agg(application_name, ',' ORDER BY application_name) FROM pg_stat_replication", "pg2,pg3")
	w.carriesNothing(2)

	// Taken out, the parameter is lowered on every node by one apply.
	w.topology("  synchronous { number = 1 }\n")
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	for i := 1; i <= 3; i++ {
		w.expect(i, "SHOW max_connections", "100")
	}
	w.settled()

	// A set of someone else's knows pg2 by another name, which it keeps.
	w.topology("")
	w.must(0, "apply", "-auto-approve")
	w.exec(2, "sed", "-i", "s/application_name=pg2/application_name=standby_b/", "/var/lib/postgresql/15/main/postgresql.auto.conf")
	w.sql(2, "SELECT pg_reload_conf()")
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'standby_b' AND state = 'streaming'", "1")
	w.ownValue("FIRST 1 (standby_b)")
	w.settled()
	w.topology("  replication { sslmode = \"disable\" }\n")
	w.must(0, "apply", "-auto-approve")
	w.expect(1, "SHOW synchronous_standby_names", "FIRST 1 (standby_b)")
	w.expect(1, "SELECT sync_state FROM pg_stat_replication WHERE application_name = 'standby_b'", "sync")
	w.expect(2, "SELECT count(*) FROM pg_stat_wal_receiver WHERE conninfo LIKE '%sslmode=disable%'", "1")
	w.settled()

	// One that nobody satisfies is a finding.
	w.ownValue("FIRST 1 (nobody)")
	w.says(w.must(2, "drift"), "Commits on pg1 are waiting", "standby_b")

	// Whoever streams: a base backup is none of them.
	w.ownValue("*")
	w.must(0, "apply", "-auto-approve", "-allow=reclone", replace)
	w.expect(1, "SHOW synchronous_standby_names", "*")
	w.carriesNothing(2)
	w.settled()

	w.exec(1, "pg_ctlcluster", "15", "main", "stop", "-m", "immediate")
	w.sql(2, "SELECT pg_promote()")
	w.expect(2, "SHOW synchronous_standby_names", "")
	w.sql(2, "SET statement_timeout = '10s'; CREATE TABLE after_promotion ()")
	w.noSecrets()
}

// ownValue sets the synchronous set by hand.
func (w *world) ownValue(value string) {
	w.t.Helper()
	w.sql(1, "ALTER SYSTEM SET synchronous_standby_names = '"+value+"'")
	w.sql(1, "SELECT pg_reload_conf()")
	w.expect(1, "SHOW synchronous_standby_names", value)
}

// carriesNothing expects that a clone has nothing of its source's role.
func (w *world) carriesNothing(i int) {
	w.t.Helper()
	text := w.exec(i, "cat", "/var/lib/postgresql/15/main/postgresql.auto.conf")
	if strings.Contains(text, "synchronous_standby_names") || strings.Contains(text, "pg_basebackup") || strings.Count(text, "primary_conninfo") != 1 {
		w.t.Errorf("pg%d: postgresql.auto.conf of the clone:\n%s", i, text)
	}
}

// TestRestartWaits restarts a primary under a base backup that an apply which died began,
// changes the connection of a standby whose replay is paused, and restarts the primary
// while a standby that leaves still streams.
func TestRestartWaits(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	buffers := func(size, more string) { w.topology("  parameters = { shared_buffers = \"" + size + "\" }\n" + more) }
	alone := func() {
		w.write("main.hcl", strings.Replace(w.read("main.hcl"), "standbys = [node.pg2]", "", 1))
	}
	const slow = "  basebackup { max_rate = \"2M\" }\n"
	buffers("16MB", "")
	alone()
	w.must(0, "apply", "-auto-approve")
	w.sql(1, "CREATE TABLE big AS SELECT g, repeat(md5(g::text), 3) AS text FROM generate_series(1, 300000) g")

	// The copy ends before the restart, whoever began it.
	buffers("16MB", slow)
	first := w.launch("-allow=restart") // of pg1, so that it listens
	w.until(2, "ls /var/lib/postgresql/15/main/base/*/*")
	first.kill()
	buffers("17MB", slow)
	w.says(w.must(0, "apply", "-auto-approve", "-allow=restart", "-lock-timeout=60s"), "it finishes before pg1 restarts")
	w.expect(1, "SHOW shared_buffers", "17MB")
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1")
	w.expect(2, "SELECT count(*) FROM big", "300000")
	w.settled()

	// A paused standby keeps the connection that it has, and the plan says so.
	w.sql(2, "SELECT pg_wal_replay_pause()")
	w.sql(1, "INSERT INTO big VALUES (0, '')")
	encrypted := slow + "  replication { sslmode = \"disable\" }\n"
	buffers("17MB", encrypted)
	w.must(0, "apply", "-auto-approve")
	w.says(w.must(2, "plan", "-detailed-exitcode"), "still has the connection from before sslmode was changed", "pg_wal_replay_resume()")
	w.sql(2, "SELECT pg_wal_replay_resume()")
	w.sql(1, "INSERT INTO big VALUES (0, '')")
	w.expect(2, "SELECT count(*) FROM pg_stat_wal_receiver WHERE status = 'streaming' AND conninfo LIKE '%sslmode=disable%'", "1")
	w.settled()

	// One that leaves and still streams is connected again when the apply ends.
	buffers("18MB", encrypted)
	alone()
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	if now := w.sql(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'"); now != "1" {
		t.Errorf("%s standbys stream after the apply", now)
	}
	w.expect(1, "SHOW shared_buffers", "18MB")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expect(1, "SELECT count(*) FROM pg_replication_slots", "0")
	w.settled()
	w.noSecrets()
}
