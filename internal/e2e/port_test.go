package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestPort moves a primary with a synchronous standby and a subscriber, and the standby
// itself, to other ports; an apply dies in between, and someone moves the primary by hand.
func TestPort(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.ports("", "")
	w.must(0, "apply", "-auto-approve")
	w.exec(3, "su", "postgres", "-c", "psql -qc 'CREATE TABLE t (id int PRIMARY KEY)' dw")
	w.at(1, 5432, "shop", "CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t SELECT generate_series(1, 10)")
	w.subscribes = true
	w.ports("", "")
	w.must(0, "apply", "-auto-approve")
	w.settled()

	// Both ports at once: one restart each, and everybody follows.
	w.ports("5444", "5433")
	r := w.must(2, "plan", "-detailed-exitcode")
	w.says(r, "port  5432 -> 5444", "port  5432 -> 5433", "primary_conninfo.port  5432 -> 5444", "connection.port  5432 -> 5444", "2 restarts")
	w.must(1, "apply", "-auto-approve") // a restart is to be allowed
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.follow(5444, 5433, 11)
	w.settled()

	// Killed between the restart and its followers: commits wait for no standby, the next
	// plan finds who is left behind.
	w.ports("5445", "5433")
	w.killedAfter("cluster.main.node.pg1.parameters", "restart")
	if got := w.at(1, 5445, "shop", "INSERT INTO t VALUES (12) RETURNING id"); got != "12" {
		t.Errorf("a commit does not come through: %s", got)
	}
	w.says(w.run("plan"), "primary_conninfo.port  5444 -> 5445", "ANY 1 (pg2)")
	w.must(0, "apply", "-auto-approve", "-allow=restart", "-lock-timeout=60s")
	w.follow(5445, 5433, 13)
	w.settled()

	// By hand: drift, with the port in force and where it comes from.
	w.at(1, 5445, "postgres", "ALTER SYSTEM SET synchronous_standby_names = ''; ", "ALTER SYSTEM SET port = 5466")
	w.exec(1, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "restart", "--mode", "fast")
	w.says(w.run("drift"), "port  5466 -> 5445", "overridden by postgresql.auto.conf")
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.follow(5445, 5433, 14)

	// A port that is in use, and a standby that could not follow: before anything is changed.
	w.ports("22", "5433")
	w.says(w.must(1, "plan"), "Port in use", "pg1: another server listens on port 22: a program of root")
	w.exec(2, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "stop", "--mode", "fast")
	w.ports("5446", "5433")
	w.says(w.must(1, "plan"), "Standby cannot follow to another port", "write port = 5445 on")
	w.ports("5445", "5434") // one that is down starts on its new port
	w.must(0, "apply", "-auto-approve")
	w.follow(5445, 5434, 15)
	w.settled()
	w.noSecrets()
}

// ports writes the topology; "" is no port.
func (w *world) ports(pg1, pg2 string) {
	w.t.Helper()
	node := func(i int, name, port string) string {
		if port != "" {
			port = "  port = " + port + "\n"
		}
		return "node \"" + name + "\" {\n  host = \"" + w.host(i).Name + "\"\n  address = \"" + w.host(i).Addr + "\"\n" + port + "}\n"
	}
	text := "variable \"password\" {\n  type = string\n  sensitive = true\n}\n" + node(1, "pg1", pg1) + node(2, "pg2", pg2) + node(3, "dw1", "") + `
cluster "main" {
  primary    = node.pg1
  standbys   = [node.pg2]
  parameters = { wal_level = "logical" }
  synchronous {}
  role "replicator" {
    replication = true
    password    = var.password
  }
  database "shop" {}
}
cluster "dw" {
  primary = node.dw1
  database "dw" {}
}
`
	if w.subscribes {
		text += `
publication "t" {
  cluster  = cluster.main
  database = "shop"
  tables   = ["public.t"]
}
subscription "t" {
  cluster      = cluster.dw
  database     = "dw"
  publications = [publication.t]
}
`
	}
	w.write("main.hcl", text)
}

// follow expects the servers on these ports, the standby in the set, and that row n
// arrives on the standby and at the subscriber.
func (w *world) follow(pg1, pg2, n int) {
	w.t.Helper()
	for i, port := range []int{pg1, pg2} {
		if got := w.at(i+1, port, "postgres", "SHOW port"); got != fmt.Sprint(port) {
			w.t.Errorf("pg%d listens on %s, want %d", i+1, got, port)
		}
	}
	if got := w.at(1, pg1, "postgres", "SHOW synchronous_standby_names"); got != "ANY 1 (pg2)" {
		w.t.Errorf("commits wait for %q", got)
	}
	w.at(1, pg1, "shop", "INSERT INTO t VALUES ("+fmt.Sprint(n)+")")
	w.reaches(server{1, pg1, "postgres"}, "SELECT application_name || ' ' || state || ' ' || sync_state FROM pg_stat_replication WHERE application_name = 'pg2'", "pg2 streaming quorum")
	w.reaches(server{2, pg2, "shop"}, "SELECT id FROM t WHERE id = "+fmt.Sprint(n), fmt.Sprint(n))
	w.reaches(server{3, 5432, "dw"}, "SELECT id FROM t WHERE id = "+fmt.Sprint(n), fmt.Sprint(n))
}

// killedAfter runs an apply, and kills it once it has done that step of an address.
func (w *world) killedAfter(address, why string) {
	w.t.Helper()
	done := false
	_, told := w.followed([]string{"apply", "-auto-approve", "-allow=restart"}, func(c *exec.Cmd, e event) {
		if e.Type == "step_done" && e.Address == address && e.Why == why {
			done = true
			_ = c.Process.Kill() // it may have ended
		}
	})
	if !done {
		w.t.Fatalf("the apply has not done %s: %s:\n%s", address, why, told)
	}
}

// TestInstance: which server is the node's is not told by its port. A second, empty one
// is made by a person's word only.
func TestInstance(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 1})
	node := func(lines string) string { return "node \"pg1\" {\n  host = \"host1\"\n" + lines + "}\n" }
	cluster := func(name string) string {
		return "cluster \"" + name + "\" {\n  version = 15\n  primary = node.pg1\n  database \"shop\" {}\n}\n"
	}
	w.write("main.hcl", node("")+cluster("shop"))
	w.must(0, "apply", "-auto-approve")
	w.at(1, 5432, "shop", "CREATE TABLE kept AS SELECT 1 AS n")

	// The port alone.
	w.write("main.hcl", node("  port = 5433\n")+cluster("shop"))
	r := w.must(2, "plan", "-detailed-exitcode")
	w.says(r, "port  5432 -> 5433", "RESTART")
	if strings.Contains(r.stdout, "pg_createcluster") {
		t.Fatalf("a second server is made:\n%s", r.stdout)
	}
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.settled()
	if got := w.at(1, 5433, "shop", "SELECT n FROM kept"); got != "1" {
		t.Errorf("another server: %s", got)
	}
	w.onlyOne()

	// data_dir, and another cluster's name with another port: not clear.
	w.write("main.hcl", node("  port = 5433\n  data_dir = \"/var/lib/postgresql/15/new\"\n")+cluster("shop"))
	w.says(w.run("plan"), "the managed block of this cluster is in another one: 15/main on port 5433 in /var/lib/postgresql/15/main", "To move a data directory, stop its server")
	w.write("main.hcl", node("  port = 5434\n")+cluster("other"))
	w.says(w.run("plan"), "clusters found", "15/main on port 5433", "set data_dir to a new directory")
	w.onlyOne()

	// data_directory was changed in the file: it is that server all the same.
	w.exec(1, "sed", "-i", "s|^data_directory = .*|data_directory = '/var/lib/postgresql/15/other'|", "/etc/postgresql/15/main/postgresql.conf")
	w.write("main.hcl", node("  port = 5433\n")+cluster("shop"))
	if out := w.run("plan").stdout; !strings.Contains(out, "pg1 primary") || strings.Contains(out, "program of") {
		t.Errorf("the server was not found:\n%s", out)
	}
	w.exec(1, "sed", "-i", "s|^data_directory = .*|data_directory = '/var/lib/postgresql/15/main'|", "/etc/postgresql/15/main/postgresql.conf")
	w.settled()

	// A person's word makes another one beside it.
	w.write("main.hcl", node("  port = 5434\n  data_dir = \"/var/lib/postgresql/15/other\"\n")+cluster("other"))
	w.must(0, "apply", "-auto-approve")
	w.settled()
	if got := w.at(1, 5434, "postgres", "SHOW data_directory"); got != "/var/lib/postgresql/15/other" {
		t.Errorf("port 5434 is %s", got)
	}
}

// onlyOne expects one cluster on the host.
func (w *world) onlyOne() {
	w.t.Helper()
	if out := strings.TrimSpace(w.exec(1, "pg_lsclusters", "-h")); strings.Contains(out, "\n") {
		w.t.Errorf("more than one cluster:\n%s", out)
	}
}
