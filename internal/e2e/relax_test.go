package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// TestSynchronousChanges changes the method and the number while a member lags, while a
// member's host stands still, and while an apply is killed over a set that is
// someone's own.
func TestSynchronousChanges(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	const memory = "  parameters = { shared_buffers = \"16MB\" }\n"
	set := func(method, number string) {
		w.topology(memory + "  synchronous {\n    method = \"" + method + "\"\n    number = " + number + "\n  }\n")
	}
	set("any", "1")
	w.must(0, "apply", "-auto-approve")
	w.whileWriting(t, "ANY 1, FIRST 2, none, ANY 1, with a member whose replay stands", func() {
		w.sql(3, "SELECT pg_wal_replay_pause()")
		set("first", "2")
		w.must(0, "apply", "-auto-approve")
		w.expect(1, "SHOW synchronous_standby_names", "FIRST 2 (pg2, pg3)")
		w.topology(memory)
		w.must(0, "apply", "-auto-approve")
		w.expect(1, "SHOW synchronous_standby_names", "")
		set("any", "1")
		w.must(0, "apply", "-auto-approve")
		w.expect(1, "SHOW synchronous_standby_names", "ANY 1 (pg2, pg3)")
		w.sql(3, "SELECT pg_wal_replay_resume()")
		w.settled()
	})
	any1 := w.read("main.hcl")
	w.whileWriting(t, "a host stands still in the middle", func() {
		w.write("main.hcl", strings.Replace(any1, "16MB", "17MB", 1))
		a := w.intoStep("pg2.parameters: restart", "-allow=restart", "-target=cluster.main.node.pg2", "-target=cluster.main.node.pg3")
		if err := w.host(3).Freeze(t.Context()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(6 * time.Second)
		if err := w.host(3).Thaw(t.Context()); err != nil {
			t.Fatal(err)
		}
		if code, out := a.wait(); code != 0 {
			t.Errorf("exit code %d\n%s", code, out)
		}
		w.write("main.hcl", any1)
		w.must(0, "apply", "-auto-approve", "-allow=restart")
		w.settled()
	})
	w.whileWriting(t, "a member is removed", func() {
		w.write("main.hcl", strings.Replace(any1, "[node.pg2, node.pg3]", "[node.pg2]", 1))
		w.exec(3, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
		w.must(0, "apply", "-auto-approve", "-allow=drop")
		w.expect(1, "SHOW synchronous_standby_names", "ANY 1 (pg2)")
		w.expect(1, "SELECT string_agg(slot_name, ',') FROM pg_replication_slots", "pg2")
		w.settled()
		w.topology(memory)
		w.must(0, "apply", "-auto-approve", "-allow=reclone", "-replace=cluster.main.standby.pg3")
		w.settled()
	})
	w.ownSet(memory)
}

// ownSet is a set that the topology says nothing of, and an apply that is killed
// while it is relaxed.
func (w *world) ownSet(memory string) {
	w.t.Helper()
	const own = "ANY 2 (pg2, pg3)"
	w.sql(1, "ALTER SYSTEM SET synchronous_standby_names = '"+own+"'")
	w.sql(1, "SELECT pg_reload_conf()")
	w.expect(1, "SHOW synchronous_standby_names", own)
	w.settled()
	w.topology(strings.Replace(memory, "16MB", "18MB", 1))
	a := w.intoStep("pg2.parameters: restart", "-allow=restart")
	a.kill()
	w.expect(1, "SELECT object FROM repltool.managed WHERE address = 'cluster.main.synchronous.set_aside'", "setting system "+own)
	w.expect(1, "SHOW synchronous_standby_names", "ANY 1 (pg3)")
	w.until(2, "pg_isready -q")
	w.says(w.must(2, "plan", "-detailed-exitcode"), "restores the value that an interrupted apply had overridden", "'ANY 1 (pg3)' -> '"+own+"'")
	w.must(0, "apply", "-auto-approve", "-allow=restart", "-lock-timeout=30s")
	w.expect(1, "SHOW synchronous_standby_names", own)
	w.expect(1, "SELECT count(*) FROM repltool.managed WHERE address LIKE '%set_aside'", "0")
	w.settled()
}
