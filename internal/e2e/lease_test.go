package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestLostConnections ends the SSH sessions of both machines in the middle of a base
// backup. The apply dials again, keeps its locks, follows the backup that went on without
// it, and ends well; in all that time nobody else gets a lock.
func TestLostConnections(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n  basebackup { max_rate = \"3M\" }\n")
	both := w.read("main.hcl")
	w.write("main.hcl", strings.Replace(both, "standbys = [node.pg2]", "", 1))
	w.must(0, "apply", "-auto-approve")
	w.write("main.hcl", both)

	first := w.start("apply", "-auto-approve", "-allow=restart")
	first.until("cluster.main.standby.pg2: copy\n")
	w.until(2, "[ -s /var/lib/postgresql/.repltool/jobs/pg2.clone/log ]")
	for i := range 2 {
		w.exec(i+1, "sh", "-c", "kill -9 $(pgrep -f '^sshd: admin')")
		w.until(i+1, "! flock -n /var/lib/postgresql/.repltool/locks/apply-* true")
	}
	w.write("main.hcl", strings.Replace(both, "  role ", "  role \"extra\" {}\n  role ", 1))
	w.says(w.must(4, "apply", "-auto-approve", "-target=cluster.main.role.extra"), "lock")
	w.write("main.hcl", both)
	if code, out := first.wait(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	w.expect(1, "SELECT application_name || ' ' || state FROM pg_stat_replication", "pg2 streaming")
	w.settled()
	w.noSecrets()
}
