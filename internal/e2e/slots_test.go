package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestSlots: extra slots, a budget of WAL, an orphan, and a standby that was away
// until its slot lost what it needs.
func TestSlots(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	const budget = "  parameters = {\n    shared_buffers = \"16MB\"\n    max_slot_wal_keep_size = \"BUDGET\"\n    max_wal_size = \"32MB\"\n    min_wal_size = \"32MB\"\n  }\n"
	roomy, tight := strings.Replace(budget, "BUDGET", "10GB", 1), strings.Replace(budget, "BUDGET", "64MB", 1) // a base backup alone comes two segments behind, and an autovacuum would write as much as the table has
	const names = "SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots"
	w.topology(roomy + "  slot \"archive\" {}\n")
	w.must(0, "apply", "-auto-approve")
	w.expect(1, names, "archive,pg2")
	w.expect(1, "SHOW max_slot_wal_keep_size", "10GB")

	// One that nothing defines is reported, and stays.
	w.sql(1, "SELECT pg_create_physical_replication_slot('orphan', true)")
	w.says(w.must(0, "drift"), "Unmanaged", "orphan", "not in use, holds back")
	w.settled()
	w.topology(tight)
	w.must(1, "apply", "-auto-approve") // a slot goes: that wants a word
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expect(1, names, "orphan,pg2")
	w.sql(1, "SELECT pg_drop_replication_slot('orphan')")
	w.settled()

	w.exec(2, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.sql(1, "CREATE TABLE much WITH (autovacuum_enabled = off) AS SELECT g, repeat('x', 100) AS x FROM generate_series(1, 800000) g")
	w.sql(1, "SELECT pg_switch_wal()")
	w.sql(1, "CHECKPOINT")
	w.expect(1, "SELECT wal_status FROM pg_replication_slots", "lost")
	told := []string{"pg2 must be cloned again", "slot pg2 on pg1 has lost WAL", "-replace=cluster.main.standby.pg2", "-allow=reclone"}
	w.says(w.must(2, "plan", "-detailed-exitcode"), told...)

	// It is started, since it may have an archive, and not waited for.
	w.must(0, "apply", "-auto-approve")
	r := w.must(2, "plan", "-detailed-exitcode")
	w.says(r, append(told, "No changes, but repltool cannot fix the 1 difference")...)
	w.says(w.must(2, "drift"), "pg2 is not connected", "its slot pg2 on pg1 has lost WAL that it needs", "Cannot be recovered: clone it again")

	// With a new slot only positions tell, and they do where it has asked for more.
	w.sql(1, "SELECT pg_drop_replication_slot('pg2'), pg_create_physical_replication_slot('pg2', true)")
	w.expect(2, "SELECT pg_last_wal_receive_lsn() IS NOT NULL", "t")
	w.eventually("and pg1 has removed all before", "drift") // not in the moment in which it asks
	w.must(1, "apply", "-auto-approve", "-replace=cluster.main.standby.pg2")
	w.must(0, "apply", "-auto-approve", "-allow=reclone", "-replace=cluster.main.standby.pg2")
	w.expect(1, "SELECT slot_name || ' ' || active || ' ' || wal_status FROM pg_replication_slots", "pg2 true reserved")
	w.expect(2, "SELECT count(*) FROM much", "800000")
	w.settled()
}
