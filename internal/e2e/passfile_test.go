package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestTwoTopologies applies two topologies in turns whose subscribers are instances of one
// host, of one cluster name: each keeps its logins in the password file that they share.
func TestTwoTopologies(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	path := "/var/lib/postgresql/.repltool/sub.subscriptions.pass"
	w.outside()
	for _, name := range []string{"a", "b"} {
		w.second(name, false)
		w.must(0, "apply", "-auto-approve")
		w.at(2, portOfTopology(name), "dw", "CREATE TABLE "+name+" (id int PRIMARY KEY)")
		w.second(name, true)
		w.must(0, "apply", "-auto-approve")
		w.settled()
	}

	// As an earlier version left it: lines without a block, of the one that was last.
	w.exec(2, "sed", "-i", "/: begin$/d; /: end$/d; /:shopa:/d", path)
	for _, name := range []string{"a", "b", "a"} {
		w.second(name, true)
		w.must(0, "apply", "-auto-approve")
		w.settled()
	}
	w.exec(1, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "restart", "--mode", "fast")
	for _, name := range []string{"a", "b"} {
		w.at(1, 5432, "shop"+name, "INSERT INTO "+name+" VALUES (1)")
		w.reaches(server{2, portOfTopology(name), "dw"}, "SELECT id FROM "+name, "1")
	}

	// One is renamed: its lines move to the file of the new name.
	renamed := func(subscribes bool) {
		w.second("a", subscribes)
		w.write("main.hcl", strings.NewReplacer(`cluster "sub"`, `cluster "core"`, "cluster.sub", "cluster.core").Replace(w.read("main.hcl")))
		w.write("moved.hcl", "moved {\n  from = cluster.sub\n  to   = cluster.core\n}\n")
	}
	renamed(true)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	if text := w.exec(2, "cat", path); strings.Contains(text, ":shopa:") || strings.Count(text, ":shopb:") != 1 {
		t.Errorf("a's old password file has other lines than those of b:\n%s", strings.ReplaceAll(text, canary, "…"))
	}
	w.at(1, 5432, "shopa", "INSERT INTO a VALUES (3)")
	w.reaches(server{2, portOfTopology("a"), "dw"}, "SELECT max(id) FROM a", "3")

	// One leaves: its lines go, the other one's stay.
	renamed(false)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	w.write("moved.hcl", "")
	if text := w.exec(2, "cat", path); strings.Contains(text, ":shopa:") || strings.Count(text, ":shopb:") != 1 {
		t.Errorf("the password file has other lines than those of b:\n%s", strings.ReplaceAll(text, canary, "…"))
	}
	w.exec(1, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "restart", "--mode", "fast")
	w.at(1, 5432, "shopb", "INSERT INTO b VALUES (2)")
	w.reaches(server{2, portOfTopology("b"), "dw"}, "SELECT max(id) FROM b", "2")
	w.second("b", false)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.settled()
	if out := w.exec(2, "sh", "-c", "ls "+path+" 2>/dev/null || true"); strings.TrimSpace(out) != "" {
		t.Errorf("nothing uses %s, and it is there", path)
	}
	w.noSecrets()
}

func portOfTopology(name string) int { return map[string]int{"a": 5434, "b": 5435}[name] }

// outside makes the publisher of both: a cluster of neither topology on host 1.
func (w *world) outside() {
	w.t.Helper()
	w.write("main.hcl", fmt.Sprintf(`variable "password" {
  type      = string
  sensitive = true
}
node "pg1" {
  host    = "host1"
  address = %q
}
cluster "pub" {
  primary    = node.pg1
  parameters = { wal_level = "logical", listen_addresses = "*" }
  role "feed" {
    replication = true
    password    = var.password
  }
  database "shopa" {}
  database "shopb" {}
  hba {
    type     = "host"
    database = "all"
    user     = "feed"
    address  = "%s/32"
    method   = "scram-sha-256"
  }
}
`, w.host(1).Addr, w.host(2).Addr))
	w.must(0, "apply", "-auto-approve")
	for _, name := range []string{"a", "b"} {
		w.at(1, 5432, "shop"+name, "CREATE TABLE "+name+" (id int PRIMARY KEY)", "GRANT SELECT ON "+name+" TO feed", "CREATE PUBLICATION "+name+" FOR TABLE "+name)
	}
}

// second writes topology a or b: a subscriber of its own on host 2.
func (w *world) second(name string, subscribes bool) {
	w.t.Helper()
	text := fmt.Sprintf(`variable "password" {
  type      = string
  sensitive = true
}
node "dw" {
  host     = "host2"
  address  = %[2]q
  port     = %[3]d
  data_dir = "/var/lib/postgresql/15/%[1]s"
}
cluster "sub" {
  primary = node.dw
  database "dw" {}
}
`, name, w.host(2).Addr, portOfTopology(name))
	if subscribes {
		text += fmt.Sprintf(`subscription "%[1]s" {
  cluster           = cluster.sub
  database          = "dw"
  publication_names = [%[1]q]
  connection {
    host     = %[2]q
    database = "shop%[1]s"
    user     = "feed"
    password = var.password
  }
}
`, name, w.host(1).Addr)
	}
	w.write("main.hcl", text)
}
