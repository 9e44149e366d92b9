package e2e

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// TestFromNothing is the loop of the product: three machines with nothing but
// PostgreSQL's binaries and sshd become a primary and two synchronous standbys.
func TestFromNothing(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(synchronous)
	r := w.must(2, "plan", "-detailed-exitcode", "-out=main.plan")
	w.says(r, "CREATE ROLE replicator", "pg_basebackup", "(sensitive value)", "ANY 1 (pg2, pg3)")

	stop := watchArgv(t, w)
	w.must(0, "apply", "-auto-approve", "main.plan")
	stop()

	w.inSync()
	for i := range w.lab.Hosts {
		w.expect(i+1, "SELECT string_agg(DISTINCT type || ' ' || auth_method, ', ') FROM pg_hba_file_rules", "host scram-sha-256, local peer")
	}
	w.settled()
	w.says(w.must(0, "apply", "-auto-approve"), "No changes.")
	w.noSecrets()
	if info, err := os.Stat(filepath.Join(w.dir, "main.plan")); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("plan file: %v, mode %v", err, info.Mode())
	}
}

// inSync asks the servers themselves.
func (w *world) inSync() {
	w.t.Helper()
	w.expect(1, "SELECT string_agg(application_name || ' ' || state || ' ' || sync_state, ', ' ORDER BY application_name) FROM pg_stat_replication",
		"pg2 streaming quorum, pg3 streaming quorum")
	w.expect(1, "SELECT string_agg(slot_name || ' ' || active, ', ' ORDER BY slot_name) FROM pg_replication_slots", "pg2 true, pg3 true")
	w.expect(1, "SHOW synchronous_standby_names", "ANY 1 (pg2, pg3)")
	w.expect(1, "SHOW data_checksums", "on")
	w.sql(1, "CREATE TABLE IF NOT EXISTS arrives (n int)")
	w.sql(1, "INSERT INTO arrives SELECT generate_series(1, 1000)")
	total := w.sql(1, "SELECT count(*) FROM arrives")
	for i := 2; i <= len(w.lab.Hosts); i++ {
		w.expect(i, "SELECT pg_is_in_recovery()", "t")
		w.expect(i, "SELECT count(*) FROM arrives", total)
		w.expect(i, "SELECT status FROM pg_stat_wal_receiver", "streaming")
		if out := w.exec(i, "sh", "-c", "stat -c '%a %U' /var/lib/postgresql/.repltool/*.pass"); strings.TrimSpace(out) != "600 postgres" {
			w.t.Errorf("pg%d: passfile is %s", i, out)
		}
	}
}

// watchArgv looks at the command lines of every process while the program runs:
// none may hold the password. The hosts' processes are seen from outside.
func watchArgv(t *testing.T, w *world) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var done sync.WaitGroup
	looked := 0
	done.Go(func() {
		for ctx.Err() == nil {
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, f := range files {
				if data, err := os.ReadFile(f); err == nil && strings.Contains(string(data), "canary-7f3a") {
					t.Errorf("the password stands in the arguments of a process: %q", data)
				}
			}
			looked++
			time.Sleep(20 * time.Millisecond)
		}
	})
	return func() {
		cancel()
		done.Wait()
		if looked < 10 {
			t.Errorf("the command lines were looked at only %d times", looked)
		}
	}
}

// TestDrift changes the cluster behind repltool's back; each change is reported and
// mended.
func TestDrift(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(synchronous)
	w.must(0, "apply", "-auto-approve")
	w.settled()

	conf, hba := "/etc/postgresql/15/main/postgresql.conf", "/etc/postgresql/15/main/pg_hba.conf"
	for _, c := range []struct {
		name  string
		spoil func()
		says  []string
		after func()
	}{
		{"alter system", func() {
			w.sql(2, "ALTER SYSTEM SET work_mem = '99MB'")
			w.sql(2, "SELECT pg_reload_conf()")
		}, []string{"cluster.main.node.pg2.parameters", "99MB", "8MB", "postgresql.auto.conf"}, func() {
			w.expect(2, "SHOW work_mem", "8MB")
		}},
		{"edited block", func() {
			w.exec(1, "sed", "-i", "s/^work_mem = .*/work_mem = '1MB'/", conf)
		}, []string{"cluster.main.node.pg1.parameters", "-work_mem = '1MB'"}, func() {
			w.expect(1, "SHOW work_mem", "8MB")
		}},
		{"dropped role", func() {
			w.sql(1, "DROP ROLE replicator")
		}, []string{"+ cluster.main.role.replicator", "CREATE ROLE replicator"}, func() {
			w.expect(1, "SELECT rolreplication FROM pg_roles WHERE rolname = 'replicator'", "t")
		}},
		{"changed password", func() {
			w.sql(1, "ALTER ROLE replicator PASSWORD 'something else'")
		}, []string{"~ cluster.main.role.replicator", "ALTER ROLE replicator PASSWORD (sensitive value)"}, func() {
			w.exec(2, "pg_ctlcluster", "15", "main", "restart") // it logs in again
			w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "2")
		}},
		{"rule above ours", func() {
			w.exec(1, "sed", "-i", "1i host all all 0.0.0.0/0 reject", hba)
			w.sql(1, "SELECT pg_reload_conf()")
		}, []string{"cluster.main.node.pg1.hba", "first match wins"}, func() {
			if first := w.exec(1, "head", "-1", hba); !strings.HasPrefix(first, "# repltool main: begin") {
				t.Errorf("the block is not first: %s", first)
			}
			if out := w.exec(1, "grep", "-c", "^host all all 0.0.0.0/0 reject", hba); strings.TrimSpace(out) != "1" {
				t.Errorf("the user's rule is gone: %s", out)
			}
		}},
		{"standby stopped", func() {
			w.exec(3, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
		}, []string{"cluster.main.node.pg3", "is down"}, func() {
			w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "2")
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.spoil()
			w.eventually(c.says[0], "drift") // a reload takes its time
			w.says(w.must(2, "drift"), c.says...)
			w.must(0, "apply", "-auto-approve")
			c.after()
			w.settled()
		})
	}
	w.inSync()
	w.noSecrets()
}
