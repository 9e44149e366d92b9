package e2e

import (
	"os"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestVersions is the loop on other versions of PostgreSQL than 15: from nothing
// to in sync, a restart, a drift and its mending. REPLTOOL_TEST_SUITES names the
// suites; trixie has 17.
func TestVersions(t *testing.T) {
	t.Parallel()
	for _, suite := range suites() {
		t.Run(suite, func(t *testing.T) {
			w := newWorld(t, lab.Options{Hosts: 3, Suites: []string{suite}})
			w.topology(synchronous)
			w.must(0, "apply", "-auto-approve")
			w.inSync()
			w.settled()
			w.topology("  parameters = { work_mem = \"8MB\", shared_buffers = \"16MB\", max_connections = 120 }\n  synchronous { number = 1 }\n")
			w.must(0, "apply", "-auto-approve", "-allow=restart")
			w.expect(2, "SHOW max_connections", "120")
			w.sql(1, "ALTER ROLE replicator PASSWORD 'something else' CREATEDB")
			w.must(2, "drift")
			w.must(0, "apply", "-auto-approve")
			w.settled()
			w.noSecrets()
		})
	}
}

func suites() []string {
	if os.Getenv("REPLTOOL_TEST_SUITES") == "all" {
		return []string{"bullseye", "bookworm", "trixie", "forky"}
	}
	return []string{"trixie"}
}
