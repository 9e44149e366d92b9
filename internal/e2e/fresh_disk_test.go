package e2e

import (
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestFreshDisk: where a host has no trace of its standby's data directory, as when a file
// system is not mounted, the slot says that the standby was there: nothing is created in its
// place without -replace. An apply that is killed between the slot and the copy leaves a slot
// that nobody has used, and the next one goes on.
func TestFreshDisk(t *testing.T) {
	const confirmed = "SELECT substring(object FROM ' at (.*)')::pg_lsn FROM repltool.managed WHERE address = 'cluster.main.node.pg1.slot.pg2'"
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.killedAfter("cluster.main.slot.pg2", "create slot")
	w.exec(2, "test", "!", "-e", "/var/lib/postgresql/15/main")
	w.expect(1, "SELECT restart_lsn < ("+confirmed+") FROM pg_replication_slots", "t")
	w.must(0, "apply", "-auto-approve", "-allow=restart", "-lock-timeout=60s")
	w.settled()

	w.sql(1, "CREATE TABLE kept AS SELECT 1 AS id")
	w.expect(1, "SELECT restart_lsn > ("+confirmed+") FROM pg_replication_slots", "t")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	const left = "cd / && find etc/postgresql var/lib/postgresql var/log/postgresql -mindepth 1 ! -path '*/.repltool' ! -path '*/.repltool/locks*'"
	w.exec(2, "sh", "-c", left+" -delete")

	missing := []string{"Missing data directory", "pg2: /var/lib/postgresql/15/main does not exist", "slot pg2 on pg1: a standby has used it since repltool created it", "-replace=cluster.main.standby.pg2"}
	w.says(w.must(1, "plan"), missing...)
	w.says(w.must(1, "apply", "-auto-approve", "-allow=restart,reclone,recreate"), missing...)
	w.says(w.must(2, "drift"), "/var/lib/postgresql/15/main does not exist")
	if out := w.exec(2, "sh", "-c", left); out != "" {
		t.Errorf("created:\n%s", out)
	}
	w.must(0, "apply", "-auto-approve", "-allow=reclone", "-replace=cluster.main.standby.pg2")
	w.expect(2, "SELECT id FROM kept", "1")
	w.settled()
	w.noSecrets()
}
