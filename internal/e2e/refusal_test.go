package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestRefusals: each of these is a clear error before anything is changed.
func TestRefusals(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.topology(synchronous)
	main, err := os.ReadFile(filepath.Join(w.dir, "main.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		before func()
		says   []string
		after  func()
	}{
		{"bad parameter value", func() {
			w.write("main.hcl", strings.Replace(string(main), "work_mem = \"8MB\"", "work_mem = \"8 apples\"", 1))
		}, []string{"Invalid parameter value", "work_mem"}, func() { w.write("main.hcl", string(main)) }},
		{"unknown parameter", func() {
			w.write("main.hcl", strings.Replace(string(main), "work_mem = \"8MB\"", "wrok_mem = \"8MB\"", 1))
		}, []string{"wrok_mem"}, func() { w.write("main.hcl", string(main)) }},
		{"somebody else's cluster", func() {
			w.exec(2, "sudo", "-u", "postgres", "pg_createcluster", "15", "main")
			w.exec(2, "pg_ctlcluster", "15", "main", "start")
		}, []string{"pg2", "system identifier"}, func() {
			w.exec(2, "pg_dropcluster", "--stop", "15", "main")
		}},
		{"files that are no cluster", func() {
			w.exec(2, "sudo", "-u", "postgres", "mkdir", "-p", "/var/lib/postgresql/15/main")
			w.exec(2, "sudo", "-u", "postgres", "touch", "/var/lib/postgresql/15/main/precious")
		}, []string{"Data directory not empty", "pg2"}, func() {
			w.exec(2, "rm", "-r", "/var/lib/postgresql/15")
		}},
		{"missing binary", func() {
			w.exec(3, "mv", "/usr/lib/postgresql", "/usr/lib/postgresql.away")
		}, []string{"pg3", "PostgreSQL"}, func() {
			w.exec(3, "mv", "/usr/lib/postgresql.away", "/usr/lib/postgresql")
		}},
		{"no sudo rights", func() {
			w.write("plain.hcl", "defaults {\n  ssh { user = \"plain\" }\n}\n")
		}, []string{"sudo"}, func() { os.Remove(filepath.Join(w.dir, "plain.hcl")) }},
		{"a node that is down", func() {
			if err := w.host(3).Crash(t.Context()); err != nil {
				t.Fatal(err)
			}
		}, []string{"pg3"}, func() {
			if err := w.host(3).Boot(t.Context()); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.before()
			defer c.after()
			r := w.run("apply", "-auto-approve", "-timeout=20s")
			if r.code != 1 && r.code != 3 {
				t.Errorf("exit code %d\n%s\n%s", r.code, r.stdout, r.stderr)
			}
			w.says(r, c.says...)
			w.untouched()
		})
	}
	t.Run("unknown host key", func(t *testing.T) {
		empty := filepath.Join(t.TempDir(), "known_hosts")
		if err := os.WriteFile(empty, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		w.write("keys.hcl", "defaults {\n  ssh { known_hosts = \""+empty+"\" }\n}\n")
		defer os.Remove(filepath.Join(w.dir, "keys.hcl"))
		r := w.run("apply", "-auto-approve")
		if r.code != 1 && r.code != 3 {
			t.Errorf("exit code %d", r.code)
		}
		w.says(r, "SHA256:", "host key")
		w.untouched()
	})
	w.must(0, "apply", "-auto-approve")
	w.inSync()
	w.settled()
	w.noSecrets()
}

// untouched expects that pg1 has no cluster: nothing was begun.
func (w *world) untouched() {
	w.t.Helper()
	if out := w.exec(1, "pg_lsclusters", "-h"); strings.TrimSpace(out) != "" {
		w.t.Errorf("pg1 has a cluster: %s", out)
	}
}
