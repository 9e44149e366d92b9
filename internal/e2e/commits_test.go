package e2e

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// TestCommitsDoNotHang changes the synchronous set and its members while a writer
// commits on the primary all along. No commit waits for what an apply does.
func TestCommitsDoNotHang(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	const memory = "  parameters = { shared_buffers = \"16MB\" }\n"
	w.topology(memory + "  synchronous { number = 2 }\n")
	full := w.read("main.hcl")
	w.must(0, "apply", "-auto-approve")
	w.whileWriting(t, "clone a member of ANY 2 again", func() {
		w.must(0, "apply", "-auto-approve", "-allow=reclone", "-replace=cluster.main.standby.pg3")
		w.expect(1, "SHOW synchronous_standby_names", "ANY 2 (pg2, pg3)")
		w.settled()
	})
	w.topology(memory + "  basebackup { max_rate = \"8M\" }\n  synchronous {\n    method   = \"first\"\n    standbys = [node.pg3, node.pg2]\n  }\n")
	w.must(0, "apply", "-auto-approve")
	w.whileWriting(t, "clone the first of FIRST 1 again, slowly", func() {
		w.must(0, "apply", "-auto-approve", "-allow=reclone", "-replace=cluster.main.standby.pg3")
		w.expect(1, "SHOW synchronous_standby_names", "FIRST 1 (pg3, pg2)")
		w.settled()
	})
	w.write("main.hcl", full)
	w.must(0, "apply", "-auto-approve")
	w.whileWriting(t, "restart the standbys of ANY 2", func() {
		w.write("main.hcl", strings.Replace(full, "shared_buffers = \"16MB\"", "shared_buffers = \"16MB\", max_worker_processes = 12", 1))
		w.must(0, "apply", "-auto-approve", "-allow=restart", "-target=cluster.main.node.pg2", "-target=cluster.main.node.pg3")
		w.write("main.hcl", full)
		w.must(0, "apply", "-auto-approve", "-allow=restart")
	})
	w.whileWriting(t, "restart the primary of ANY 2", func() {
		w.write("main.hcl", strings.Replace(full, "shared_buffers = \"16MB\"", "shared_buffers = \"17MB\"", 1))
		w.must(0, "apply", "-auto-approve", "-allow=restart", "-target=cluster.main.node.pg1")
		w.write("main.hcl", full)
		w.must(0, "apply", "-auto-approve", "-allow=restart", "-target=cluster.main.node.pg1")
		w.settled()
	})
	w.whileWriting(t, "a member moves behind the other", func() {
		w.write("main.hcl", strings.Replace(strings.Replace(full, "number = 2", "number = 1", 1), "[node.pg2, node.pg3]",
			"[node.pg2]\n  standby {\n    node = node.pg3\n    upstream = node.pg2\n  }", 1))
		w.must(0, "apply", "-auto-approve", "-allow=drop")
		w.expect(1, "SHOW synchronous_standby_names", "ANY 1 (pg2)")
		w.settled()
	})
	w.whileWriting(t, "it comes back, and none is waited for", func() {
		w.topology(memory)
		w.must(0, "apply", "-auto-approve", "-allow=drop")
		w.expect(1, "SHOW synchronous_standby_names", "")
		w.settled()
	})
}

// whileWriting runs do while a client commits every 20 ms, and looks at the longest gap.
// A restart of the primary ends its session: it comes back.
func (w *world) whileWriting(t *testing.T, name string, do func()) {
	t.Run(name, func(t *testing.T) {
		w.sql(1, "DROP TABLE IF EXISTS ticks, stop; CREATE TABLE ticks (at timestamptz); CREATE TABLE stop ()")
		c, err := w.host(1).Command(t.Context(), "postgres", "sh", "-c", `until psql -XAtq -c "$0" 2>/dev/null; do sleep 0.02; done`, `DO $$ BEGIN
  WHILE NOT EXISTS (SELECT FROM stop) LOOP INSERT INTO ticks VALUES (clock_timestamp()); COMMIT; PERFORM pg_sleep(0.02); END LOOP;
END $$`)
		if err != nil {
			t.Fatal(err)
		}
		ended := run(t, c)
		do()
		w.sql(1, "INSERT INTO stop DEFAULT VALUES")
		if err := <-ended; err != nil {
			t.Errorf("the writer: %v", err)
		}
		longest, err := strconv.ParseFloat(w.sql(1, "SELECT max(extract(epoch FROM gap)) FROM (SELECT at - lag(at) OVER (ORDER BY at) AS gap FROM ticks) g"), 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("the longest gap between two commits was %s", time.Duration(longest*float64(time.Second)).Round(time.Millisecond))
		if longest > 5 {
			t.Errorf("a commit hung for %.1f s", longest)
		}
	})
}

// run starts a command and returns how it ends.
func run(t *testing.T, c *exec.Cmd) <-chan error {
	t.Helper()
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	return ended
}
