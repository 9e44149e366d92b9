package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestGone: what was there and is gone is not created again in silence: a database, a
// slot, the configuration files of a data directory that is there.
func TestGone(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n  database \"shop\" {}\n  slot \"archiver\" { type = \"physical\" }\n")
	w.must(0, "apply", "-auto-approve")
	w.settled()

	w.sql(1, "DROP DATABASE shop")
	w.sql(1, "SELECT pg_drop_replication_slot('archiver')")
	w.says(w.must(2, "drift"), "database shop no longer exists (repltool created it on 2", "slot archiver no longer exists")
	w.says(w.must(2, "status"), "database shop no longer exists")
	w.says(w.must(1, "apply", "-auto-approve"), "cluster.main.database.shop", "cluster.main.slot.archiver", "-allow=recreate", "Nothing was changed")
	w.expect(1, "SELECT count(*) FROM pg_database WHERE datname = 'shop'", "0")
	w.must(0, "apply", "-auto-approve", "-allow=recreate")
	w.expect(1, "SELECT count(*) FROM pg_database WHERE datname = 'shop'", "1")
	w.settled()

	w.sql(1, "CREATE TABLE kept AS SELECT 1 AS id")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	for host, node := range map[int]string{1: "pg1", 2: "pg2"} {
		w.exec(host, "rm", "-r", "/etc/postgresql/15/main")
		r := w.must(1, "plan")
		w.says(r, "Missing configuration files", node)
		w.exec(host, "sh", "-c", commandIn(t, r.stdout+r.stderr, "pg_createcluster"))
	}
	w.must(0, "apply", "-auto-approve", "-allow=restart") // pg2 starts
	w.must(0, "apply", "-auto-approve", "-allow=restart") // its files follow
	w.expect(2, "SELECT count(*) FROM kept", "1")
	w.exec(1, "rm", "-r", "/var/lib/postgresql/15/main.empty")
	w.exec(2, "rm", "-r", "/var/lib/postgresql/15/main.empty")
	w.settled()
	w.noSecrets()
}

// commandIn returns the line of an output that begins with a command.
func commandIn(t *testing.T, output, command string) string {
	t.Helper()
	for line := range strings.SplitSeq(output, "\n") {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, command+" ") {
			return line
		}
	}
	t.Fatalf("no line begins with %s:\n%s", command, output)
	return ""
}
