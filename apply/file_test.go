package apply

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/plan"
)

const conf = "/pg.conf"

// fileWorld has one file, and a server that objects to every text with "bad".
func fileWorld(content string) (*world, *machine) {
	w := newWorld("pg1")
	m := w.nodes["pg1"]
	if content != "" {
		m.files[conf] = content
	}
	m.query = func(context.Context, string) ([][]string, error) {
		m.log.mu.Lock()
		defer m.log.mu.Unlock()
		if strings.Contains(m.files[conf], "bad") {
			return [][]string{{"3", "syntax error"}, {"4", "unrecognized name"}}, nil
		}
		return nil, nil
	}
	return w, m
}

func fileStep(content, replaces string) plan.Step {
	return opStep("f", "pg1", plan.File{Path: conf, Content: plan.Text{Text: content}, Mode: 0o640, Replaces: replaces, Check: "SELECT errors"})
}

func TestFileCheckRestores(t *testing.T) {
	for name, old := range map[string]string{"old bytes": "old\n", "no file": ""} {
		t.Run(name, func(t *testing.T) {
			w, m := fileWorld(old)
			r := Run(t.Context(), planOf(fileStep("bad\n", ""), sqlStep("reload", "pg1", "", "f")), w.Env, Options{})
			wantStates(t, r, "f=failed reload=not tried(f)")
			if want := "pg1: do f: /pg.conf: rejected by the server: 3 | syntax error; 4 | unrecognized name; the previous content was restored"; r.Steps[0].Err.Error() != want {
				t.Errorf("got %q\nwant %q", r.Steps[0].Err, want)
			}
			if got, there := m.files[conf]; got != old || there != (old != "") {
				t.Errorf("the file holds %q", got)
			}
		})
	}
}

// A check that could not be asked is no consent.
func TestFileCheckThatFails(t *testing.T) {
	w, m := fileWorld("old\n")
	m.query = func(context.Context, string) ([][]string, error) { return nil, errors.New("connection refused") }
	r := Run(t.Context(), planOf(fileStep("new\n", "")), w.Env, Options{})
	if m.files[conf] != "old\n" || r.OK() || !strings.Contains(r.Err().Error(), "check: connection refused") {
		t.Errorf("file %q, error %v", m.files[conf], r.Err())
	}
}

// Leaving at once does not leave a file that nobody checked.
func TestFileRestoredWhenLeft(t *testing.T) {
	w, m := fileWorld("old\n")
	ctx, cancel := context.WithCancel(t.Context())
	m.query = func(ctx context.Context, _ string) ([][]string, error) { cancel(); return nil, ctx.Err() }
	r := Run(ctx, planOf(fileStep("new\n", "")), w.Env, Options{})
	wantStates(t, r, "f=cut off")
	if m.files[conf] != "old\n" || len(r.MayStillRun()) > 0 {
		t.Errorf("file %q, may run %v", m.files[conf], r.MayStillRun())
	}
}

func TestFileEqualIsNotWritten(t *testing.T) {
	w, _ := fileWorld("same\n")
	r := Run(t.Context(), planOf(fileStep("same\n", plan.HashFile([]byte("same\n")))), w.Env, Options{})
	wantStates(t, r, "f=done")
	wantLog(t, w, "pg1 query : SELECT errors")
}

// What an apply that died wrote and did not check is checked by the next one.
func TestFileEqualIsChecked(t *testing.T) {
	w, m := fileWorld("bad\n")
	r := Run(t.Context(), planOf(fileStep("bad\n", "")), w.Env, Options{})
	wantStates(t, r, "f=failed")
	if m.files[conf] != "bad\n" {
		t.Errorf("file %q", m.files[conf])
	}
}

func TestFileReplaces(t *testing.T) {
	block := &plan.Block{Name: "orders"}
	ours := "# repltool orders: begin\nx = 1\n# repltool orders: end\n"
	rest, err := plan.HashRest([]byte("user\n"+ours), plan.Block{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	cases := map[string]struct {
		old      string
		block    *plan.Block
		replaces string
		ok       bool
	}{
		"absent, is":                 {"", nil, plan.Absent, true},
		"absent, is not":             {"old\n", nil, plan.Absent, false},
		"absent block's file, is":    {"", block, plan.Absent, true},
		"there, is":                  {"old\n", nil, plan.HashFile([]byte("old\n")), true},
		"there, edited":              {"new\n", nil, plan.HashFile([]byte("old\n")), false},
		"there, gone":                {"", nil, plan.HashFile([]byte("old\n")), false},
		"rest as it was":             {"user\n" + ours, block, rest, true},
		"rest as it was, block gone": {"user\n", block, rest, true},
		"rest edited":                {"user 2\n" + ours, block, rest, false},
		"block broken":               {"user\n# repltool orders: begin\n", block, rest, false},
		"not looked at":              {"anything\n", block, "", true},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w, m := fileWorld(c.old)
			s := fileStep("x = 2\n", c.replaces)
			op := s.Op.(plan.File)
			op.Block = c.block
			s.Op = op
			r := Run(t.Context(), planOf(s), w.Env, Options{})
			if r.OK() != c.ok {
				t.Fatalf("ok %t, want %t: %v", r.OK(), c.ok, r.Err())
			}
			if !c.ok && m.files[conf] != c.old {
				t.Errorf("a refused write changed the file to %q", m.files[conf])
			}
			if !c.ok && !strings.Contains(name, "broken") && !errors.Is(r.Err(), ErrStale) {
				t.Errorf("not stale: %v", r.Err())
			}
		})
	}
}

func TestFileRestoreFails(t *testing.T) {
	w, m := fileWorld("")
	w.Machines["pg1"] = stubborn{m}
	r := Run(t.Context(), planOf(fileStep("bad\n", "")), w.Env, Options{})
	if text := r.Err().Error(); !strings.Contains(text, "content failed: read-only") || !strings.Contains(text, "syntax error") {
		t.Errorf("error: %s", text)
	}
}

// stubborn does not remove.
type stubborn struct{ *machine }

func (stubborn) RemoveFile(context.Context, string) error { return errors.New("read-only") }

func TestMeter(t *testing.T) {
	now := time.Unix(0, 0)
	m := &meter{now: func() time.Time { return now }, total: 1000}
	if p := m.read(500, 0); p.Rate != 0 || p.ETA != 0 || p.Total != 1000 || p.Done != 500 {
		t.Errorf("first: %+v", p)
	}
	now = now.Add(time.Second)
	if p := m.read(600, 0); p.Rate != 100 || p.ETA != 4*time.Second {
		t.Errorf("second: %+v", p)
	}
	now = now.Add(10 * time.Second)
	if p := m.read(1100, 0); p.Rate != 50 || p.ETA != 0 || p.Total != 1100 {
		t.Errorf("beyond the estimate: %+v", p)
	}
	if p := m.read(1100, 4000); p.Total != 4000 || p.ETA != 58*time.Second {
		t.Errorf("the command knows better: %+v", p)
	}
}

func TestJobProgress(t *testing.T) {
	w := newWorld("pg2")
	w.nodes["pg2"].watch = func(_ context.Context, progress func(done, total int64)) error {
		progress(10, 0)
		progress(20, 200)
		return nil
	}
	r := Run(t.Context(), planOf(opStep("c", "pg2", plan.Command{Argv: []string{"x"}, Job: "j", Bytes: 100})), w.Env, Options{})
	wantStates(t, r, "c=done")
	var seen []StepProgress
	for _, e := range w.events.events {
		if p, ok := e.(StepProgress); ok {
			seen = append(seen, p)
		}
	}
	if len(seen) != 2 || seen[0].Total != 100 || seen[1].Total != 200 || seen[0].Step != "c" || seen[0].Node != "pg2" {
		t.Errorf("progress: %+v", seen)
	}
}
