package e2e

import (
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestUpstreamVanishes cuts the power of a primary while its standby waits for the first
// answer to a connection: no limit of PostgreSQL's ends that wait, and commits would wait
// for the standby as long. drift says so, and the keepalives of the connection end it.
func TestUpstreamVanishes(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  synchronous {}\n")
	w.must(0, "apply", "-auto-approve")
	if err := w.host(1).Freeze(t.Context()); err != nil { // its kernel still accepts connections
		t.Fatal(err)
	}
	w.exec(2, "pg_ctlcluster", "15", "main", "restart")
	const connecting = "SELECT count(*) - (SELECT count(*) FROM pg_stat_wal_receiver) FROM pg_stat_activity WHERE backend_type = 'walreceiver'"
	w.expect(2, connecting, "1")
	if err := w.host(1).Crash(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.host(1).Boot(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.eventually("its WAL receiver has waited", "drift")
	w.expect(1, "SELECT pg_is_in_recovery()", "f")
	w.sql(1, "CREATE TABLE t ()") // returns once pg2 is connected again
	w.settled()
}
