package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// TestLostConnections ends the SSH sessions of both machines in the middle of a base
// backup. The apply dials again, keeps its locks, follows the backup that continued without
// it, and ends well; in all that time nobody else gets a lock.
func TestLostConnections(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n  basebackup { max_rate = \"3M\" }\n")
	both := w.read("main.hcl")
	w.write("main.hcl", strings.Replace(both, "standbys = [node.pg2]", "", 1))
	w.must(0, "apply", "-auto-approve")
	w.write("main.hcl", both)

	first := w.intoStep("cluster.main.standby.pg2: base backup\n", "-allow=restart")
	w.until(2, "[ -s /var/lib/postgresql/.repltool/jobs/var-lib-postgresql-15-main.clone/log ]")
	w.exec(2, "pkill", "-STOP", "pg_basebackup") // it lasts until the lock was looked at
	for i := range 2 {
		holder := strings.TrimSpace(w.exec(i+1, "sh", "-c", "find /proc -maxdepth 3 -path '/proc/[0-9]*/fd/9' -lname '*/locks/apply-*' 2>/dev/null; true")) // processes end meanwhile
		if !strings.HasPrefix(holder, "/proc/") || strings.Contains(holder, "\n") {
			t.Fatalf("the lock of host%d is held by %q", i+1, holder)
		}
		w.exec(i+1, "sh", "-c", "kill -9 $(pgrep -f '^sshd: admin')")
		w.until(i+1, "[ ! -e '"+holder+"' ] && ! flock -n /var/lib/postgresql/.repltool/locks/apply-* true") // it is held by another process
	}
	w.write("main.hcl", strings.Replace(both, "  role ", "  role \"extra\" {}\n  role ", 1))
	w.says(w.must(4, "apply", "-auto-approve", "-target=cluster.main.role.extra"), "lock")
	w.exec(2, "pkill", "-CONT", "pg_basebackup")
	w.write("main.hcl", both)
	if code, out := first.wait(); code != 0 {
		t.Fatalf("exit code %d\n%s", code, out)
	}
	w.expect(1, "SELECT application_name || ' ' || state FROM pg_stat_replication", "pg2 streaming")
	w.settled()
	w.noSecrets()
}

// TestCutOffHolder cuts the machine off on which an apply runs. Within a minute someone
// else gets both locks; the one that was cut off does nothing more once it is back.
func TestCutOffHolder(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), "standbys = [node.pg2, node.pg3]", "standbys = [node.pg2]", 1))
	whole := w.read("main.hcl")
	w.write("main.hcl", strings.Replace(whole, "standbys = [node.pg2]", "", 1))
	w.must(0, "apply", "-auto-approve")
	slow := strings.Replace(whole, "  role ", "  basebackup { max_rate = \"400k\" }\n  role ", 1)
	w.fromHost(3, slow)
	w.until(2, "[ -s /var/lib/postgresql/.repltool/jobs/var-lib-postgresql-15-main.clone/log ]")
	w.write("main.hcl", strings.Replace(slow, "  role ", "  role \"extra\" {}\n  role ", 1))
	w.says(w.must(4, "apply", "-auto-approve", "-target=cluster.main.role.extra"), "lock")

	begin := time.Now()
	if err := w.host(3).DropAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.must(0, "apply", "-auto-approve", "-target=cluster.main.role.extra", "-lock-timeout=5m")
	took := time.Since(begin)
	t.Logf("the locks were free %s after the cut", took.Round(time.Second))
	if took > 3*time.Minute { // the minute, and the apply itself on a loaded machine; TCP alone takes more than ten
		t.Errorf("it took %s", took)
	}
	if err := w.host(3).Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.until(3, "[ -e /root/code ]")
	if out := w.exec(3, "cat", "/root/code", "/root/out"); !strings.HasPrefix(out, "4\n") && !strings.HasPrefix(out, "1\n") {
		t.Errorf("the apply that was cut off:\n%s", out)
	}
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), "  basebackup { max_rate = \"400k\" }\n", "", 1))
	w.must(0, "apply", "-auto-approve", "-allow=restart", "-replace=cluster.main.standby.pg2")
	w.expect(1, "SELECT application_name || ' ' || state FROM pg_stat_replication", "pg2 streaming")
	w.settled()
	w.noSecrets()
}

// fromHost runs an apply of a topology on one of the hosts; its exit code comes to
// /root/code.
func (w *world) fromHost(i int, topology string) {
	w.t.Helper()
	copied := func(from, to string) {
		w.t.Helper()
		data, err := os.ReadFile(from)
		if err != nil {
			w.t.Fatal(err)
		}
		c, err := w.host(i).Command(w.t.Context(), "root", "sh", "-c", "umask 077; cat >"+to+" && chmod 700 "+to)
		if err != nil {
			w.t.Fatal(err)
		}
		c.Stdin = bytes.NewReader(data)
		if err := c.Run(); err != nil {
			w.t.Fatalf("copy %s: %v", from, err)
		}
	}
	w.write("main.hcl", topology)
	copied(binary, "/root/repltool")
	copied(filepath.Join(w.dir, "main.hcl"), "/root/main.hcl")
	config, err := os.ReadFile(w.lab.SSHConfig)
	if err != nil {
		w.t.Fatal(err)
	}
	text := string(config)
	for _, word := range strings.Fields(text) { // the key and the known hosts
		if word = strings.Trim(word, `"`); filepath.IsAbs(word) && word != "/dev/null" {
			if _, err := os.Stat(word); err == nil {
				copied(word, "/root/"+filepath.Base(word))
				text = strings.ReplaceAll(text, word, "/root/"+filepath.Base(word))
			}
		}
	}
	here := filepath.Join(w.t.TempDir(), "ssh_config")
	if err := os.WriteFile(here, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	copied(here, "/root/ssh_config")
	w.exec(i, "sh", "-c", `cd /root; export REPLTOOL_SSH_CONFIG=/root/ssh_config REPLTOOL_VAR_password="$0"; `+
		`(setsid ./repltool apply -auto-approve -allow=restart >out 2>&1 </dev/null; echo $? >code) >/dev/null 2>&1 &`, canary)
}
