package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// cascade is a topology of three: pg1 -> pg2 -> pg3. with goes into the cluster
// block, of into pg3's standby block.
func (w *world) cascade(with, of string) {
	w.t.Helper()
	w.topology(with)
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), "[node.pg2, node.pg3]",
		"[node.pg2]\n  standby {\n    node = node.pg3\n    upstream = node.pg2\n    "+of+"\n  }", 1))
}

// TestChangeCascade raises and lowers what a standby must not have lower than its
// primary, down a cascade of three.
func TestChangeCascade(t *testing.T) {
	t.Parallel()
	for _, suite := range []string{"bookworm", "bullseye"} { // 13 stops a standby where 14 pauses it
		t.Run(suite, func(t *testing.T) {
			w := newWorld(t, lab.Options{Hosts: 3, Suites: []string{suite}})
			w.cascade(limits(100, 8, 10), "")
			w.must(0, "apply", "-auto-approve")
			w.settled()
			w.restartsOf("raise", []int{3, 2, 1}, limits(130, 12, 14), "")
			w.env = append(w.env, "REPLTOOL_VAR_password="+newCanary) // the files have it before who needs them restarts
			w.restartsOf("lower, with a new password", []int{1, 2, 3}, limits(88, 8, 10), "")
			w.noSecrets()
			if suite == "bookworm" {
				w.restartsOf("raise the leaf", []int{3}, limits(88, 8, 10), "parameters = { max_connections = 95 }")
				w.restartsOf("raise the others, lower the leaf no further than them", []int{3, 2, 1}, limits(90, 8, 10), "parameters = { max_connections = 93 }")
				w.says(w.must(1, "plan", "-replace=cluster.main.standby.pg2"), "Re-cloning the upstream would strand this standby", "pg3 follows pg2")
				w.restartsOf("lower the leaf", []int{3}, limits(90, 8, 10), "")
				w.overrides()
			}
		})
	}
}

// overrides sets behind repltool's back what the topology says, in each way.
func (w *world) overrides() {
	w.t.Helper()
	w.cascade(limits(90, 8, 10), "parameters = { max_connections = 80 }")
	w.says(w.must(1, "plan"), "pg3 would have max_connections = 80, but its primary pg1 has 90", "main.hcl")
	w.cascade(limits(90, 8, 10), "parameters = { work_mem = \"5MB\", max_connections = 95 }")
	w.must(0, "apply", "-auto-approve", "-allow=restart")

	// What waits for a restart is taken back without one.
	started := len(w.starts(3))
	w.sql(3, "ALTER SYSTEM SET max_connections = 200")
	w.sql(3, "ALTER SYSTEM SET work_mem = '9MB'") // and no reload
	w.says(w.must(2, "drift"), "200 at the next restart -> 95", "9MB at the next reload -> 5MB", "overridden by postgresql.auto.conf, line")
	w.must(0, "apply", "-auto-approve")
	w.settled()

	// A file behind the block: the block moves behind it.
	w.exec(3, "sh", "-c", "echo \"work_mem = '3MB'\" > /etc/postgresql/15/main/late.conf; chown postgres /etc/postgresql/15/main/late.conf; echo \"include 'late.conf'\" >> /etc/postgresql/15/main/postgresql.conf")
	w.sql(3, "SELECT pg_reload_conf()")
	w.expect(3, "SHOW work_mem", "3MB")
	w.says(w.must(2, "drift"), "3MB -> 5MB", "overridden by /etc/postgresql/15/main/late.conf, line 1")
	w.must(0, "apply", "-auto-approve")
	w.expect(3, "SHOW work_mem", "5MB")
	w.settled()
	if n := len(w.starts(3)); n != started {
		w.t.Errorf("pg3 was restarted %d times", n-started)
	}

	// The command line is the user's.
	w.exec(3, "pg_ctlcluster", "15", "main", "restart", "-o", "-c work_mem=2MB")
	w.expect(3, "SHOW work_mem", "2MB")
	r := w.must(2, "plan", "-detailed-exitcode")
	w.says(r, "work_mem is 2MB because of the command line", "not 5MB", "pg_ctl_options in /etc/postgresql/15/main/pg_ctl.conf", "No changes, but repltool cannot fix the 1 difference")
	w.must(2, "drift")
	w.must(0, "apply", "-auto-approve")
	w.exec(3, "pg_ctlcluster", "15", "main", "restart")
	w.settled()
}

func limits(connections, workers, senders int) string {
	return fmt.Sprintf("  parameters = {\n    shared_buffers = \"16MB\"\n    max_connections = %d\n    max_worker_processes = %d\n    max_wal_senders = %d\n  }\n", connections, workers, senders)
}

// restartsOf applies a change that restarts these servers, in that order, each
// once, never two at a time, and stops nobody's replay.
func (w *world) restartsOf(what string, order []int, with, of string) {
	w.t.Helper()
	var before [4]int
	for i := 1; i <= 3; i++ {
		before[i] = len(w.starts(i))
	}
	w.cascade(with, of)
	r := w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.t.Logf("%s: %s", what, r.took.Round(100*time.Millisecond))
	var last time.Time
	for _, i := range order {
		starts := w.starts(i)
		if got := len(starts) - before[i]; got != 1 {
			w.t.Errorf("%s: pg%d was started %d times", what, i, got)
			continue
		}
		down := starts[len(starts)-1]
		if down.from.Before(last) {
			w.t.Errorf("%s: pg%d went down at %s, and the one before it was up at %s", what, i, down.from, last)
		}
		last = down.to
	}
	for i := 1; i <= 3; i++ {
		if got := len(w.starts(i)) - before[i]; got != 0 && !slices.Contains(order, i) {
			w.t.Errorf("%s: pg%d was started %d times", what, i, got)
		}
		if out := w.exec(i, "sh", "-c", "grep -h 'insufficient parameter' /var/log/postgresql/*.log; true"); out != "" {
			w.t.Errorf("%s: pg%d: %s", what, i, out)
		}
	}
	for _, i := range []int{2, 3} {
		w.expect(i, "SELECT pg_is_wal_replay_paused()", "f")
	}
	w.sql(1, "CREATE TABLE IF NOT EXISTS arrives (n int); INSERT INTO arrives VALUES (1)")
	w.expect(3, "SELECT count(*) FROM arrives", w.sql(1, "SELECT count(*) FROM arrives"))
	w.settled()
}

// down is how long a server was not there, by its own log.
type down struct{ from, to time.Time }

// starts returns every start of a server, with the shutdown before it.
func (w *world) starts(i int) []down {
	w.t.Helper()
	var all []down
	var from time.Time
	for line := range strings.Lines(w.exec(i, "sh", "-c", "cat /var/log/postgresql/*.log")) {
		if len(line) < 23 {
			continue
		}
		at, err := time.Parse("2006-01-02 15:04:05.000", line[:23])
		switch {
		case err != nil:
		case strings.Contains(line, "shutdown request"):
			from = at
		case strings.Contains(line, "starting PostgreSQL"):
			all = append(all, down{from: from})
		case strings.Contains(line, "ready to accept") && len(all) > 0:
			all[len(all)-1].to = at
		}
	}
	return all
}
