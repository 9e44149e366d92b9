package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestDelayedGetsSlot gives a delayed standby a slot: after one apply it has no connection from
// before, and nothing is left to do.
func TestDelayedGetsSlot(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	delayed := func(slots string) {
		w.topology("  slots = " + slots + "\n")
		text := strings.Replace(w.read("main.hcl"), "standbys = [node.pg2]", "standby {\n    node = node.pg2\n    apply_delay = \"1h\"\n  }", 1)
		w.write("main.hcl", text)
	}
	delayed("false")
	w.must(0, "apply", "-auto-approve")
	w.must(0, "plan", "-detailed-exitcode")
	delayed("true")
	w.must(0, "apply", "-auto-approve")
	w.says(w.must(0, "plan", "-detailed-exitcode"), "pg2 delays its replay, and still has the connection from before slot was changed")

	// Once it has replayed everything, it has the slot.
	w.sql(2, "ALTER SYSTEM SET recovery_min_apply_delay = 0")
	w.sql(2, "SELECT pg_reload_conf()")
	w.expect(1, "SELECT active FROM pg_replication_slots", "t")
	w.must(0, "apply", "-auto-approve")
	w.must(0, "plan", "-detailed-exitcode")
}
