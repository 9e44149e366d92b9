package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/topology"
)

// applied is a real server that has a ledger, as the node pg1.
type applied struct {
	stand
	env apply.Env
}

func (s *applied) Env(apply.Observer, *apply.Locks) apply.Env { return s.env }

// TestHistoryOnARealServer: an apply in CI is recorded with its run and commit, and shown; one
// of an earlier version, by hand, as well.
func TestHistoryOnARealServer(t *testing.T) {
	w := newWorld(t)
	p := w.plan(sql("CREATE SCHEMA repltool;\nCREATE TABLE repltool.applies (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, who text NOT NULL, started timestamptz NOT NULL, ended timestamptz, plan text NOT NULL, result text NOT NULL);" +
		"INSERT INTO repltool.applies (who, started, plan, result) VALUES ('ann@desk', '2026-01-02 03:04:05+00', 'f0', 'done: 3 steps');"))
	me := apply.Holder{Who: "ci@runner", Run: runOfCI(func(name string) string {
		return map[string]string{"GITHUB_RUN_ID": "5", "GITHUB_SERVER_URL": "https://git.example", "GITHUB_REPOSITORY": "o/r", "GITHUB_SHA": strings.Repeat("0a", 20)}[name]
	})}
	locks, err := apply.AcquireLocks(t.Context(), p, lockable(w.machines), apply.LockOptions{Me: me})
	if err != nil {
		t.Fatal(err)
	}
	w.env.Locks = locks
	r := apply.Run(t.Context(), p, w.env, apply.Options{})
	for _, err := range []error{r.Err(), locks.Record(t.Context(), r), locks.Release()} {
		if err != nil {
			t.Fatal(err)
		}
	}
	found := fresh()
	found.Server = &facts.Server{Ledger: &facts.Ledger{}}
	t.Chdir(t.TempDir())
	if err := os.WriteFile("main.hcl", []byte(oneServer), 0o600); err != nil {
		t.Fatal(err)
	}
	history := func(args ...string) (int, string, string) {
		t.Helper()
		return runWith(t, &applied{stand{found: found}, w.env}, append([]string{"history"}, args...)...)
	}
	code, out, errors := history("main")
	var lines []string // with one space between columns
	for line := range strings.Lines(out) {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	if code != 0 || len(lines) != 4 || !strings.Contains(lines[1], "ci@runner done: 1 steps") || !strings.Contains(lines[2], "2026-01-02 03:04:05 - ann@desk done: 3 steps") ||
		!strings.Contains(lines[3], "cluster.main 2: https://git.example/o/r/actions/runs/5, commit 0a0a0a0a0a0a") {
		t.Errorf("exit code %d\n%s%s", code, out, errors)
	}
	code, out, _ = history("-json", "-limit=1")
	var h view.History
	if err := json.Unmarshal([]byte(out), &h); err != nil || code != 0 || len(h.Applies) != 1 || h.Applies[0].Seconds == nil {
		t.Errorf("exit code %d, %v\n%s", code, err, out)
	}
	if code, _, errors := history("man"); code != 1 || !strings.Contains(errors, `no cluster "man". Did you mean "main"?`) {
		t.Errorf("exit code %d\n%s", code, errors)
	}
	found.Server.Ledger = nil
	if code, out, _ := history(); code != 0 || !strings.Contains(out, "No applies are recorded.") {
		t.Errorf("without a ledger: exit code %d\n%s", code, out)
	}
	if code, _, errors := runWith(t, &applied{stand{found: unreachable()}, w.env}, "history"); code != 1 || !strings.Contains(errors, "primary of cluster.main could not be read") {
		t.Errorf("unreachable: exit code %d\n%s", code, errors)
	}
}

// runWith runs repltool over clusters of the test.
func runWith(t *testing.T, live clusters, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err strings.Builder
	a := newApp(streams{in: strings.NewReader(""), out: &out, err: &err})
	a.environ = func(name string) (string, bool) { return canary, name == "REPLTOOL_VAR_password" }
	a.connect = func(*topology.Topology, way) clusters { return live }
	code = a.run(t.Context(), args)
	return code, out.String(), err.String()
}
