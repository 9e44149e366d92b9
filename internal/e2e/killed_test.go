package e2e

import (
	"strings"
	"syscall"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestSignals: the first signal leaves a base backup running and ends the apply at once;
// the second leaves whatever runs. The next apply continues, also with another max_rate; a
// backup with other options is named with its process, and canceled by -replace.
func TestSignals(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n  basebackup { max_rate = \"100k\" }\n")
	slow := w.read("main.hcl")
	first := w.intoStep("cluster.main.standby.pg2: base backup\n")
	w.until(2, "[ -s /var/lib/postgresql/.repltool/jobs/var-lib-postgresql-15-main.clone/log ]")
	first.signal(syscall.SIGTERM)
	code, out := first.wait()
	if code != 130 || !strings.Contains(out, "Still running on pg2: base backup (job var-lib-postgresql-15-main.clone)") || !strings.Contains(out, "Resume with: ") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	// Another rate is the same backup; another WAL directory is not.
	w.write("main.hcl", strings.Replace(slow, `max_rate = "100k"`, "", 1))
	w.says(w.must(2, "plan", "-detailed-exitcode"), "it is still running: this apply waits for it", "--max-rate 100k")
	w.write("main.hcl", strings.Replace(slow, `max_rate = "100k"`, `wal_dir = "/var/lib/postgresql/wal/main"`, 1))
	w.exec(2, "install", "-d", "-o", "postgres", "/var/lib/postgresql/wal")
	pid := strings.TrimSpace(w.exec(2, "cat", "/var/lib/postgresql/.repltool/jobs/var-lib-postgresql-15-main.clone/pid"))
	w.says(w.must(1, "plan"), "process "+pid, "--waldir was not set", "-replace=cluster.main.standby.pg2")
	w.must(0, "apply", "-auto-approve", "-replace=cluster.main.standby.pg2")
	w.expect(1, "SELECT application_name || ' ' || state FROM pg_stat_replication", "pg2 streaming")
	w.exec(2, "sh", "-c", "! kill -0 "+pid+" 2>/dev/null && readlink /var/lib/postgresql/15/main/pg_wal | grep -x /var/lib/postgresql/wal/main")
	w.settled()

	// Twice: it leaves at once, whatever runs.
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), "16MB", "17MB", 1))
	second := w.intoStep("pg2.parameters: restart", "-allow=restart")
	second.signal(syscall.SIGINT)
	second.until("Interrupted:")
	second.signal(syscall.SIGINT)
	if code, out := second.wait(); code != 130 {
		t.Errorf("exit code %d\n%s", code, out)
	}
	w.must(0, "apply", "-auto-approve", "-allow=restart", "-lock-timeout=1m")
	w.settled()
	w.noSecrets()
}

// TestTwoApplies: the second is told who holds the lock, and changes nothing.
func TestTwoApplies(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	first := w.intoStep("create the cluster\n")
	r := w.must(4, "apply", "-auto-approve")
	w.says(r, "lock")
	if code, out := first.wait(); code != 0 {
		t.Errorf("the first apply: exit code %d\n%s", code, out)
	}
	w.settled()
}

// TestStalePlan: a saved plan is refused once the world or the topology is another.
func TestStalePlan(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.must(0, "apply", "-auto-approve")
	w.topology("  parameters = { shared_buffers = \"16MB\", work_mem = \"9MB\" }\n")
	w.must(0, "plan", "-out=a.plan")
	w.sql(1, "ALTER ROLE replicator CREATEDB")
	w.says(w.must(4, "apply", "-auto-approve", "a.plan"), "cluster.main.role.replicator")
	w.sql(1, "ALTER ROLE replicator NOCREATEDB")
	w.topology("  parameters = { shared_buffers = \"16MB\", work_mem = \"10MB\" }\n")
	w.must(4, "apply", "-auto-approve", "a.plan")
	w.topology("  parameters = { shared_buffers = \"16MB\", work_mem = \"9MB\" }\n")
	w.must(0, "apply", "-auto-approve", "a.plan")
	w.expect(2, "SHOW work_mem", "9MB")
	w.settled()
	w.must(4, "apply", "-auto-approve", "a.plan") // done is stale, too
}
