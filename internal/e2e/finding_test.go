package e2e

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
)

// TestFindings: what people and other tools do to servers by hand is reported by drift and
// status with the exit code that says so, and nothing is printed when all is well.
func TestFindings(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n" +
		"  role \"app\" {\n    parameters = { statement_timeout = \"30s\" }\n  }\n  database \"shop\" {}\n")
	w.must(0, "apply", "-auto-approve")
	for _, verb := range [][]string{{"plan"}, {"apply", "-auto-approve"}, {"drift"}} {
		if r := w.must(0, append(verb, "-quiet")...); r.stdout+r.stderr != "" {
			t.Errorf("in sync, and %s -quiet says\n%s%s", verb[0], r.stdout, r.stderr)
		}
	}
	if code := w.run("drift", "-target=cluster.main.standby.pg9").code; code != 1 {
		t.Errorf("a target that is not there: exit code %d", code)
	}
	w.sql(1, "CREATE ROLE evil SUPERUSER LOGIN")
	w.sql(1, "CREATE DATABASE stray")
	w.exec(1, "sh", "-c", "echo 'host all all 0.0.0.0/0 trust' >>/etc/postgresql/15/main/pg_hba.conf; echo manual >/etc/postgresql/15/main/start.conf; pg_ctlcluster 15 main reload")
	r := w.must(0, "drift", "-verbose")
	w.says(r, "role evil with SUPERUSER, LOGIN", "database stray", "0.0.0.0/0  trust", "without a password", "start.conf says manual")
	w.says(w.must(0, "drift"), "Unmanaged (list with -verbose): ", "1 role on pg1")

	for _, c := range []struct{ on, do, says, undo string }{
		{"pg1", "psql -qc 'ALTER SYSTEM SET fsync = off' -c 'SELECT pg_reload_conf()'", "fsync = off", "psql -qc 'ALTER SYSTEM RESET fsync' -c 'SELECT pg_reload_conf()'"},
		{"pg1", "psql -qc \"ALTER ROLE app IN DATABASE shop SET statement_timeout = '1h'\"", "statement_timeout = '1h' in database shop", "psql -qc 'ALTER ROLE app IN DATABASE shop RESET ALL'"},
		{"pg2", "rm /var/lib/postgresql/15/main/standby.signal", "without standby.signal", "touch /var/lib/postgresql/15/main/standby.signal"},
		{"pg1", "touch /var/lib/postgresql/15/main/standby.signal", "pg1 is a primary with standby.signal", "rm /var/lib/postgresql/15/main/standby.signal"},
		{"pg1", "psql -qc \"ALTER ROLE replicator VALID UNTIL '2020-01-01'\"", "password of role replicator expired", "psql -qc \"ALTER ROLE replicator VALID UNTIL 'infinity'\""},
		{"pg2", "chmod 0777 /var/lib/postgresql/15/main", "mode 0777", "chmod 0700 /var/lib/postgresql/15/main"},
	} {
		i := int(c.on[2] - '0')
		w.exec(i, "sudo", "-u", "postgres", "sh", "-c", c.do)
		w.eventually(c.says, "drift") // a reload reaches the session that asks a moment later
		w.must(2, "drift")
		w.says(w.must(2, "status"), c.says)
		w.exec(i, "sudo", "-u", "postgres", "sh", "-c", c.undo)
	}
	w.must(0, "apply", "-auto-approve")
	w.settled()

	w.sql(2, "SELECT pg_promote()")
	w.must(1, "plan")
	w.must(1, "apply", "-auto-approve", "-allow=restart,drop,reclone")
	w.says(w.must(2, "drift"), "Two live primaries", "pg2")
	w.says(w.must(2, "status"), "Two live primaries")
	var p plan.Plan
	var s view.Status
	decodeInto(t, w.must(2, "drift", "-json").stdout, &p)
	decodeInto(t, w.must(2, "status", "-json").stdout, &s)
	for _, health := range [][]plan.Finding{p.Findings, s.Findings} {
		if len(health) == 0 || health[0].Severity != plan.Error || !strings.Contains(health[0].Message, "Two live primaries") || health[0].Code != "two_live_primaries" {
			t.Errorf("health: %+v", health)
		}
	}
	if p.Complete {
		t.Error("a cluster with two primaries was compared whole")
	}
}

func decodeInto(t *testing.T, text string, into any) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), into); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
}
