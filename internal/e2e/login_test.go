package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestLoginMoves changes the role with which standbys connect, and the address of an
// upstream, together with restarts: no standby is refused at any moment, and nothing of the
// old login is left. A standby that leaves the topology keeps its way in until it is stopped.
func TestLoginMoves(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.cascade(limits(100, 8, 10), "")
	w.must(0, "apply", "-auto-approve")
	w.settled()

	w.cascade(limits(110, 8, 10), "")
	w.write("main.hcl", strings.ReplaceAll(w.read("main.hcl"), `role "replicator"`, `role "streamer"`))
	w.says(w.must(0, "plan"), "cluster.main.node.pg1.earlier_hba", "cluster.main.node.pg2.earlier_hba", "primary_conninfo.user")
	w.must(0, "apply", "-auto-approve", "-allow=restart,drop")
	w.neverRefused()
	w.settled()
	w.expect(1, "SELECT string_agg(usename || ' ' || application_name, ',') FROM pg_stat_replication", "streamer pg2")
	w.expect(2, "SELECT string_agg(usename || ' ' || application_name, ',') FROM pg_stat_replication", "streamer pg3")
	for i := 1; i <= 3; i++ {
		w.expect(i, "SELECT count(*) FROM pg_hba_file_rules WHERE 'replicator' = ANY (user_name)", "0")
	}
	w.oldLoginGone(2, "replicator")
	w.oldLoginGone(3, "replicator")

	// Another address of the upstream, and restarts of all.
	second := "10.77.200.11"
	w.exec(1, "sh", "-c", "ip addr add "+second+"/32 dev lo && true")
	for i := 2; i <= 3; i++ {
		w.exec(i, "ip", "route", "add", second+"/32", "via", w.host(1).Addr)
	}
	w.write("main.hcl", strings.Replace(strings.ReplaceAll(w.read("main.hcl"), "110", "120"), fmt.Sprintf("address = %q", w.host(1).Addr), fmt.Sprintf("address = %q", second), 1))
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.neverRefused()
	w.settled()
	w.expect(2, "SELECT sender_host FROM pg_stat_wal_receiver", second)
	w.oldLoginGone(2, w.host(1).Addr)

	// pg3 leaves, and still streams: its slot and its rule stay until it is stopped.
	w.write("main.hcl", w.read("main.hcl")[:strings.Index(w.read("main.hcl"), "  standby {")]+w.read("main.hcl")[strings.Index(w.read("main.hcl"), "  parameters"):])
	w.says(w.must(0, "apply", "-auto-approve"), "pg3 streams from pg2 and uses it")
	w.settled()
	w.exec(3, "pg_ctlcluster", "15", "main", "restart")
	w.reaches(server{2, 5432, "postgres"}, "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg3'", "1")
	w.exec(3, "pg_ctlcluster", "15", "main", "stop")
	w.reaches(server{2, 5432, "postgres"}, "SELECT count(*) FROM pg_stat_replication WHERE application_name = 'pg3'", "0")
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	w.expect(2, "SELECT count(*) FROM pg_replication_slots", "0")
	w.expect(2, fmt.Sprintf("SELECT count(*) FROM pg_hba_file_rules WHERE address = '%s'", w.host(3).Addr), "0")
	w.noSecrets()
}

// neverRefused fails the test where a server has refused a login.
func (w *world) neverRefused() {
	w.t.Helper()
	for i := range w.lab.Hosts {
		if out := w.exec(i+1, "sh", "-c", "grep -hE 'no pg_hba.conf entry|authentication failed|no password supplied' /var/log/postgresql/*.log; true"); out != "" {
			w.t.Errorf("pg%d: %s", i+1, out)
		}
	}
}

// oldLoginGone fails the test where a standby's password file still has a line of that role or host.
func (w *world) oldLoginGone(i int, what string) {
	w.t.Helper()
	file := fmt.Sprintf("/var/lib/postgresql/.repltool/pg%d.pass", i)
	if out := w.exec(i, "sh", "-c", "grep -o '[^:]*"+what+"[^:]*' "+file+"; true"); out != "" {
		w.t.Errorf("%s has lines of %s", file, what)
	}
}
