package e2e

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestReports has one run of drift feed its files, of two servers in sync, of one that differs
// and of a standby that is down; and asks for the picture and the history of the same cluster.
func TestReports(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.topology("  parameters = { shared_buffers = \"16MB\" }\n")
	w.must(0, "apply", "-auto-approve")
	w.reported(0, map[string][]string{
		"drift.prom": {
			`repltool_run_exit_code{topology="` + filepath.Base(w.dir) + `"} 0`, `repltool_drift{cluster="main"} 0`, `repltool_node_up{cluster="main",node="pg2"} 1`,
			`repltool_standby_streaming{cluster="main",node="pg2",upstream="pg1"} 1`, `repltool_slot_active{cluster="main",node="pg1",slot="pg2",type="physical"} 1`,
		},
		"drift.xml":  {`failures="0" errors="0"`, `classname="cluster.main.standby" name="pg2"`},
		"drift.md":   {"in sync"},
		"drift.json": {`{"create":0,"delete":0,"update":0}`},
	})
	w.says(w.must(0, "status", "-nagios"), "REPLTOOL OK - main: 1 of 1 standby streaming", "'main.standbys'=1;;;0;1")
	w.says(w.must(0, "graph", "-live"), "└─ pg2  main: standby, 15", "async, ")
	w.says(w.must(0, "graph", "-live", "-format=svg"), "<svg ", "running")

	w.sql(1, "ALTER ROLE replicator CONNECTION LIMIT 7")
	w.reported(2, map[string][]string{
		"drift.prom": {`repltool_drift{cluster="main"} 1`, `repltool_drift_changes{cluster="main",kind="role",action="update"} 1`},
		"drift.xml":  {`failures="1" errors="0"`, "connection_limit"},
		"drift.md":   {"cluster.main.role.replicator"},
		"drift.json": {`"update":1`},
	})
	w.must(0, "apply", "-auto-approve")

	w.exec(2, "pg_ctlcluster", "15", "main", "stop", "-m", "fast")
	w.reported(2, map[string][]string{
		"drift.prom": {`repltool_node_up{cluster="main",node="pg2"} 0`, `repltool_standby_streaming{cluster="main",node="pg2",upstream="pg1"} 0`},
		"drift.xml":  {`classname="cluster.main.node" name="pg2"`, "<failure "},
		"drift.md":   {"cluster.main.node.pg2"},
		"drift.json": {`"update":1`},
	})
	w.says(w.must(2, "status", "-nagios"), "REPLTOOL CRITICAL - ")
	w.says(w.must(0, "graph", "-live"), "down", "failed")
	w.must(0, "apply", "-auto-approve")
	w.settled()

	r := w.must(0, "history", "main")
	if got := strings.Count(r.stdout, "cluster.main "); got != 3 {
		t.Errorf("%d applies, not 3:\n%s", got, r.stdout)
	}
	w.noSecrets()
}

// reported runs drift with all files, and looks for texts in them.
func (w *world) reported(code int, texts map[string][]string) {
	w.t.Helper()
	w.must(code, "drift", "-prom-file=drift.prom", "-junit-file=drift.xml", "-markdown-file=drift.md", "-gitlab-file=drift.json")
	for file, all := range texts {
		text := w.read(file)
		for _, want := range all {
			if !strings.Contains(text, want) {
				w.t.Errorf("%s lacks %q:\n%s", file, want, text)
			}
		}
	}
}
