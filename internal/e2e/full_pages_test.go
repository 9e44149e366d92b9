package e2e

import (
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// full_page_writes was off, and is on again, between two checkpoints: nothing that can be read
// tells. The server that is to serve the base backup is asked before the old standby is stopped.
func TestFullPagesBetweenCheckpoints(t *testing.T) {
	t.Parallel()
	for _, suite := range []string{"bookworm", "bullseye"} { // the functions have other names up to 14
		t.Run(suite, func(t *testing.T) {
			w := newWorld(t, lab.Options{Hosts: 3, Suites: []string{suite}})
			w.cascade("", "")
			w.must(0, "apply", "-auto-approve")
			w.settled()
			for _, value := range []string{"off", "on"} {
				w.sql(1, "ALTER SYSTEM SET full_page_writes = "+value)
				w.sql(1, "SELECT pg_reload_conf()")
				w.expect(1, "SELECT setting FROM pg_settings WHERE name = 'full_page_writes'", value)
				w.arrives()
			}
			w.sql(1, "ALTER SYSTEM RESET full_page_writes")
			started := w.sql(3, "SELECT pg_postmaster_start_time()")
			again := []string{"apply", "-auto-approve", "-allow=reclone", "-replace=cluster.main.standby.pg3"}
			w.says(w.must(1, again...), "verify that pg2 serves a base backup", "full_page_writes", "run CHECKPOINT on the ") // what follows differs by version
			w.expect(3, "SELECT pg_postmaster_start_time()", started)
			w.arrives()

			w.sql(1, "CHECKPOINT")
			w.arrives()
			w.must(0, again...)
			w.arrives()
			w.settled()
		})
	}
}
