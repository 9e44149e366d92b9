package e2e

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// TestKilled ends applies by kill -9 at one moment after another: each next one
// sees what is there and goes on from it, and the last one ends in sync.
func TestKilled(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(synchronous)
	for _, after := range []time.Duration{300, 800, 1200, 1800, 2500, 2500, 3200, 600, 1500, 4000} {
		if r := w.killedAfter(after * time.Millisecond); strings.Contains(r, "panic") {
			t.Fatal(r)
		}
		r := w.run("plan", "-detailed-exitcode")
		if r.code == 0 {
			break
		}
		if r.code != 2 && r.code != 3 {
			t.Fatalf("after a kill at %v ms, plan says %d\n%s\n%s", int64(after), r.code, r.stdout, r.stderr)
		}
	}
	for range 3 { // a node that was down is compared once it is up
		if r := w.run("apply", "-auto-approve", "-allow=restart,drop", "-lock-timeout=30s"); r.code == 0 {
			break
		}
	}
	w.settled()
	w.inSync()
	for i := 1; i <= 3; i++ {
		if out := w.exec(i, "sh", "-c", "ls /var/lib/postgresql/.repltool/jobs /var/lib/postgresql/.repltool/initial 2>/dev/null; ls -d /var/lib/postgresql/15/main.* 2>/dev/null; true"); strings.Contains(out, "pg") {
			t.Errorf("pg%d: left behind: %s", i, out)
		}
	}
	w.noSecrets()
}

// killedAfter starts an apply, kills it, and answers what it said.
func (w *world) killedAfter(d time.Duration) string {
	w.t.Helper()
	var out strings.Builder
	c := exec.CommandContext(w.t.Context(), binary, "apply", "-auto-approve", "-allow=restart", "-lock-timeout=30s")
	c.Dir, c.Env, c.Stdout, c.Stderr = w.dir, w.env, &out, &out
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	time.Sleep(d)
	_ = c.Process.Signal(syscall.SIGKILL) // it may have ended
	_ = c.Wait()
	w.sinks.WriteString(out.String())
	return out.String()
}

// TestInterrupted: the first signal lets running steps end and starts no other.
func TestInterrupted(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(synchronous)
	var out strings.Builder
	c := exec.CommandContext(t.Context(), binary, "apply", "-auto-approve")
	c.Dir, c.Env, c.Stdout, c.Stderr = w.dir, w.env, &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	if err := c.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = c.Wait() // the exit code tells
	if code := c.ProcessState.ExitCode(); code != 130 {
		t.Errorf("exit code %d, want 130\n%s", code, out.String())
	}
	w.must(0, "apply", "-auto-approve")
	w.inSync()
	w.settled()
}

// TestSecondSignal: the second signal leaves at once, and the next apply goes on.
func TestSecondSignal(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	var out strings.Builder
	c := exec.CommandContext(t.Context(), binary, "apply", "-auto-approve")
	c.Dir, c.Env, c.Stdout, c.Stderr = w.dir, w.env, &out, &out
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(2 * time.Second) // in the middle of a start, which takes more than two
	for range 2 {
		if err := c.Process.Signal(syscall.SIGINT); err != nil {
			t.Fatal(err)
		}
		time.Sleep(100 * time.Millisecond)
	}
	begin := time.Now()
	_ = c.Wait() // the exit code tells
	if code, took := c.ProcessState.ExitCode(), time.Since(begin); code != 130 || took > 8*time.Second {
		t.Errorf("exit code %d after %s\n%s", code, took, out.String())
	}
	w.must(0, "apply", "-auto-approve", "-lock-timeout=30s")
	w.settled()
}

// TestTwoApplies: the second is told who holds the lock, and changes nothing.
func TestTwoApplies(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	c := exec.CommandContext(t.Context(), binary, "apply", "-auto-approve")
	c.Dir, c.Env = w.dir, w.env
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond)
	r := w.must(4, "apply", "-auto-approve")
	w.says(r, "lock")
	if err := c.Wait(); err != nil {
		t.Errorf("the first apply: %v", err)
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
