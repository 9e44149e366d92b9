package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestSwitchoverBehind moves the primary while a standby has received nothing for a while, and the
// new primary has removed the WAL that it needs next: it is waited for before it is repointed, and
// follows. Before, it was taken for streaming, and had to be cloned again.
func TestSwitchoverBehind(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(movable)
	w.must(0, "apply", "-auto-approve")
	receiver := strings.TrimSpace(w.exec(3, "pgrep", "-f", "walreceiver"))
	w.exec(3, "kill", "-STOP", receiver)
	needed := w.sql(1, "SELECT pg_walfile_name(restart_lsn) FROM pg_replication_slots WHERE slot_name = 'pg3'")
	w.sql(1, "CREATE TABLE filled AS SELECT repeat('x', 500) FROM generate_series(1, 100000)")
	for range 2 { // a restartpoint removes what is older than the one before
		w.sql(1, "SELECT pg_switch_wal()")
		w.sql(1, "CHECKPOINT")
		w.reaches(server{2, 5432, "postgres"}, "SELECT pg_last_wal_replay_lsn() >= '"+w.sql(1, "SELECT checkpoint_lsn FROM pg_control_checkpoint()")+"'", "t")
		w.sql(2, "CHECKPOINT")
	}
	w.expect(2, "SELECT count(*) FROM pg_ls_waldir() WHERE name = '"+needed+"'", "0")
	waited := false
	code, _ := w.followed([]string{"switchover", "main", "-to=pg2", "-auto-approve"}, func(_ *exec.Cmd, e event) {
		if e.Type == "step_start" && strings.HasPrefix(e.Why, "pg3 has replayed") {
			waited = true
			w.exec(3, "kill", "-CONT", receiver)
		}
	})
	if code != 0 || !waited {
		t.Fatalf("exit code %d, waited for pg3: %t", code, waited)
	}
	w.leads(2, 1, 3)
	w.settled()
}
