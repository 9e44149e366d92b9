package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestNothingThatRanIsRemoved: the marker of a copy that died stays, a person makes
// the standby by hand, it is promoted and written to, and stopped. What it holds is
// not taken for an incomplete copy.
func TestNothingThatRanIsRemoved(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.must(0, "apply", "-auto-approve")
	w.exec(2, "sudo", "-u", "postgres", "sh", "-c",
		`d=/var/lib/postgresql/.repltool/jobs/pg2.clone; mkdir -p $d && printf 'pg_basebackup\0--pgdata\0/var/lib/postgresql/15/main\0' >$d/argv && : >$d/log`)
	w.exec(1, "pg_ctlcluster", "15", "main", "stop")
	w.sql(2, "SELECT pg_promote()")
	w.sql(2, "CREATE TABLE precious AS SELECT 1 AS n")
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	w.exec(1, "pg_ctlcluster", "15", "main", "start")
	r := w.run("apply", "-auto-approve", "-allow=restart,drop,reclone")
	if r.code != 1 {
		t.Errorf("exit code %d\n%s\n%s", r.code, r.stdout, r.stderr)
	}
	w.says(r, "/var/lib/postgresql/15/main", "-replace=cluster.main.standby.pg2")
	w.exec(2, "pg_ctlcluster", "15", "main", "start")
	w.expect(2, "SELECT n FROM precious", "1")

	// Cloned again it is kept aside until the new one streams, and the marker goes.
	w.exec(2, "pg_ctlcluster", "15", "main", "stop")
	w.must(0, "apply", "-auto-approve", "-allow=reclone,discard", "-replace=cluster.main.standby.pg2")
	w.settled()
}

// TestStoppedPrimary: a primary that is down is started, unless someone may have
// taken its place.
func TestStoppedPrimary(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.must(0, "apply", "-auto-approve")
	w.exec(1, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.run("apply", "-auto-approve") // exit code 3: what it holds is seen from now on
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "2")
	w.settled()

	w.exec(1, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.sql(2, "SELECT pg_promote()")
	if err := w.host(2).DropAll(t.Context()); err != nil { // it lives, and cannot be read
		t.Fatal(err)
	}
	for _, more := range []string{"-quiet", "-target=cluster.main.node.pg1"} {
		r := w.run("apply", "-auto-approve", "-timeout=5s", more)
		if r.code != 1 {
			t.Errorf("exit code %d\n%s\n%s", r.code, r.stdout, r.stderr)
		}
		w.says(r, "Stopped primary not started", "pg2")
	}
	if err := w.host(2).Heal(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.says(w.must(1, "apply", "-auto-approve"), "pg2 is a live primary")
	if out := w.exec(1, "pg_lsclusters", "-h"); !strings.Contains(out, "down") {
		t.Errorf("pg1 was started: %s", out)
	}
}

// TestRestartThatFails: a value that the server does not start with is mended by
// the next apply, once the topology is right again.
func TestRestartThatFails(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.must(0, "apply", "-auto-approve")
	good := w.read("main.hcl")
	w.write("main.hcl", strings.Replace(good, "16MB", "40000GB", 1))
	w.must(1, "apply", "-auto-approve", "-allow=restart")
	w.expect(1, "SHOW shared_buffers", "16MB") // the standby went first, and the primary was not tried
	w.write("main.hcl", good)
	for range 2 { // started with its files, then compared
		if r := w.run("apply", "-auto-approve", "-allow=restart"); r.code == 0 {
			break
		}
	}
	w.expect(2, "SHOW shared_buffers", "16MB")
	w.settled()
}
