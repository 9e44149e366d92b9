package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestOneMachine puts four instances of two clusters on one machine, Debian's and
// bare ones, each standby beside its primary, and a second version beside the first.
func TestOneMachine(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 1})
	w.exec(1, "install", "-d", "-o", "postgres", "-g", "postgres", "/srv/pg")
	w.exec(1, "cp", "-r", "/usr/lib/postgresql/15", "/usr/lib/postgresql/16") // its name is all that is looked at
	text := strings.ReplaceAll(`
variable "password" {
  type = string
  sensitive = true
}
defaults {
  ssh { user = "postgres" }
}
node "pg1" {
  host = "host1"
  address = "ADDR"
}
node "pg2" {
  host = "host1"
  address = "ADDR"
  port = 5433
}
node "b1" {
  host = "host1"
  address = "ADDR"
  port = 5440
  data_dir = "/srv/pg/b1"
}
node "b2" {
  host = "host1"
  address = "ADDR"
  port = 5441
  data_dir = "/srv/pg/b2"
}
cluster "main" {
  version = 15
  primary = node.pg1
  standbys = [node.pg2]
  parameters = { shared_buffers = "16MB" }
  role "replicator" {
    replication = true
    password = var.password
  }
}
cluster "bare" {
  version = 15
  primary = node.b1
  standbys = [node.b2]
  parameters = { shared_buffers = "16MB" }
  role "replicator" {
    replication = true
    password = var.password
  }
}
`, "ADDR", w.host(1).Addr)
	w.write("main.hcl", strings.Replace(text, "version = 15", "", 1))
	w.says(w.must(2, "plan", "-detailed-exitcode"), "pg_createcluster 16 main", "pg_createcluster 16 pg2")
	w.write("main.hcl", text)
	w.says(w.must(2, "plan", "-detailed-exitcode"), "pg_createcluster 15 main", "pg_createcluster 15 pg2",
		"initdb --pgdata /srv/pg/b1", "pg_basebackup --pgdata /srv/pg/b2")
	w.must(0, "apply", "-auto-approve")
	w.settled()

	for port, dir := range map[int]string{5432: "/var/lib/postgresql/15/main", 5433: "/var/lib/postgresql/15/pg2", 5440: "/srv/pg/b1", 5441: "/srv/pg/b2"} {
		if got := w.on(port, "SHOW data_directory"); got != dir {
			t.Errorf("port %d: %s, want %s", port, got, dir)
		}
	}
	for port, want := range map[int]string{5432: "pg2 streaming", 5440: "b2 streaming"} {
		if got := w.on(port, "SELECT application_name || ' ' || state FROM pg_stat_replication"); got != want {
			t.Errorf("port %d: %s, want %s", port, got, want)
		}
	}
	w.on(5433, "ALTER SYSTEM SET work_mem = '99MB'") // nobody wants it otherwise
	w.on(5441, "ALTER SYSTEM SET shared_buffers = '17MB'")
	w.on(5441, "SELECT pg_reload_conf()")
	w.exec(1, "pg_ctlcluster", "15", "pg2", "stop")
	r := w.must(2, "drift")
	w.says(r, "cluster.main.node.pg2", "is down", "cluster.bare.node.b2.parameters")
	if strings.Contains(r.stdout, "node.b1") || strings.Contains(r.stdout, "node.pg1.") {
		t.Errorf("another instance is named:\n%s", r.stdout)
	}
	w.must(0, "apply", "-auto-approve") // no restart: the override never came into force
	w.settled()
	w.noSecrets()
}

// on asks the server on that port of pg1's host.
func (w *world) on(port int, query string) string {
	w.t.Helper()
	out, err := w.host(1).SQLOn(w.t.Context(), port, "postgres", query)
	if err != nil {
		w.t.Fatalf("port %d: %s: %v", port, query, err)
	}
	return strings.TrimSpace(out)
}
