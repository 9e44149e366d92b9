package e2e

import (
	"os"
	"path/filepath"
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
		if got := w.at(1, port, "postgres", "SHOW data_directory"); got != dir {
			t.Errorf("port %d: %s, want %s", port, got, dir)
		}
	}
	for port, want := range map[int]string{5432: "pg2 streaming", 5440: "b2 streaming"} {
		if got := w.at(1, port, "postgres", "SELECT application_name || ' ' || state FROM pg_stat_replication"); got != want {
			t.Errorf("port %d: %s, want %s", port, got, want)
		}
	}
	w.at(1, 5433, "postgres", "ALTER SYSTEM SET work_mem = '99MB'") // nothing asks for it otherwise
	w.at(1, 5441, "postgres", "ALTER SYSTEM SET shared_buffers = '17MB'")
	w.at(1, 5441, "postgres", "SELECT pg_reload_conf()")
	w.exec(1, "pg_ctlcluster", "15", "pg2", "stop")
	r := w.must(2, "drift")
	w.says(r, "cluster.main.node.pg2", "is down", "cluster.bare.node.b2.parameters")
	if strings.Contains(r.stdout, "node.b1") || strings.Contains(r.stdout, "node.pg1.") {
		t.Errorf("another instance is named:\n%s", r.stdout)
	}
	w.must(0, "apply", "-auto-approve") // no restart: the override never came into force
	w.settled()
	w.otherNames(text)
	w.noSecrets()
}

// otherNames gives the machine another host name, and a data directory another path: two
// nodes that are one instance are refused before anything is changed.
func (w *world) otherNames(text string) {
	w.t.Helper()
	config, err := os.ReadFile(w.lab.SSHConfig)
	if err != nil {
		w.t.Fatal(err)
	}
	alias := filepath.Join(w.t.TempDir(), "ssh_config")
	if err := os.WriteFile(alias, []byte(strings.Replace(string(config), "Host host1", "Host host1 db1-vip", 1)), 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.exec(1, "ln", "-s", "/srv/pg/b1", "/srv/pg/alias")
	refused := func(summary, text string, words ...string) {
		w.t.Helper()
		w.write("main.hcl", text)
		r := w.runWith(append(w.env, "REPLTOOL_SSH_CONFIG="+alias), "apply", "-auto-approve", "-allow=restart,reclone")
		if r.code != 1 {
			w.t.Errorf("%s: exit code %d, want 1\n%s%s", summary, r.code, r.stdout, r.stderr)
		}
		w.says(r, append(words, summary)...)
	}
	b2 := "node \"b2\" {\n  host = \"host1\"\n  address = \"" + w.host(1).Addr + "\"\n  port = 5441\n"
	refused("Duplicate data directory", strings.Replace(text, b2+"  data_dir = \"/srv/pg/b2\"", strings.Replace(b2, "host1", "db1-vip", 1)+"  data_dir = \"/srv/pg/alias\"", 1),
		"node.b1", "node.b2", "host db1-vip", "under two names", "/srv/pg/alias", "at main.hcl:")
	pg2 := "  host = \"host1\"\n  address = \"" + w.host(1).Addr + "\"\n  port = 5433\n"
	refused("Duplicate instance", strings.Replace(text, pg2, "  host = \"db1-vip\"\n  address = \""+w.host(1).Addr+"2\"\n  port = 5432\n  data_dir = \"/var/lib/postgresql/15/pg2\"\n", 1),
		"node.pg1", "node.pg2", "port 5432")
	w.write("main.hcl", text)
	w.settled()
}
