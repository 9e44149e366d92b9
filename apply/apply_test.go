package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/repltool/repltool/plan"
)

// Apply adds nothing: what a recorder saw is the plan's, byte for byte.
func TestAddsNothing(t *testing.T) {
	w := newWorld("pg1", "pg2")
	w.nodes["pg1"].files["/pg_hba.conf"] = "local all all peer\n"
	w.secret("role.app.password", "it's")
	w.nodes["pg1"].query = func(_ context.Context, sql string) ([][]string, error) {
		if strings.HasPrefix(sql, "SELECT bad") {
			return nil, nil
		}
		return [][]string{{"t"}}, nil
	}
	rest, err := plan.HashRest([]byte("local all all peer\n"), plan.Block{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	p := planOf(
		sqlStep("sql", "pg1", "CREATE TABLE a ();\nCREATE TABLE b ();"),
		opStep("role", "pg1", plan.SQL{Database: "app", SQL: text("CREATE ROLE app PASSWORD {role.app.password};", plan.FormSCRAM)}, "sql"),
		opStep("block", "pg1", plan.File{
			Path: "/pg_hba.conf", Block: &plan.Block{Name: "orders", First: true},
			Content: plan.Text{Text: "host all all all scram-sha-256\n"}, Mode: 0o640, Replaces: rest, Check: "SELECT bad", Database: "postgres",
		}, "role"),
		opStep("passfile", "pg2", plan.File{Path: "/passfile", Content: text("*:*:*:app:{role.app.password}\n", plan.FormPassfile), Mode: 0o600, Replaces: plan.Absent}, "block"),
		opStep("clone", "pg2", plan.Command{Argv: []string{"pg_basebackup", "-D", "/a b"}, Job: "clone-pg2"}, "passfile"),
		opStep("start", "pg2", plan.Command{Argv: []string{"systemctl", "start", "x"}, Root: true}, "clone"),
		opStep("streams", "pg1", plan.Wait{Database: "postgres", Query: "SELECT streams", What: "pg2 streaming", Timeout: time.Minute}, "start"),
	)
	r := Run(t.Context(), p, w.Env, Options{})
	if !r.OK() {
		t.Fatal(r.Err())
	}
	wantLog(t, w,
		"pg1 exec postgres: CREATE TABLE a ();\nCREATE TABLE b ();",
		"pg1 exec secret app: CREATE ROLE app PASSWORD 'SCRAM-SHA-256$of:it''s';",
		"pg1 write /pg_hba.conf 640: # repltool orders: begin\nhost all all all scram-sha-256\n# repltool orders: end\nlocal all all peer\n",
		"pg1 query postgres: SELECT bad",
		"pg2 write /passfile 600: *:*:*:app:it's\n",
		"pg2 job clone-pg2: pg_basebackup|-D|/a b",
		"pg2 run root=true: systemctl|start|x",
		"pg1 query postgres: SELECT streams",
	)
}

// What a machine answers is input: a panic over it fails the step, not the run.
func TestPanicIsAFailedStep(t *testing.T) {
	w := newWorld("pg1", "pg2")
	w.nodes["pg1"].query = func(context.Context, string) ([][]string, error) { panic("slice bounds out of range") }
	r := Run(t.Context(), planOf(
		opStep("wait", "pg1", plan.Wait{Database: "postgres", Query: "SELECT x", What: "x", Timeout: time.Minute}),
		sqlStep("sql", "pg2", "SELECT 1;"),
	), w.Env, Options{})
	if r.OK() || len(r.With(Failed)) != 1 || len(r.With(Done)) != 1 || !strings.Contains(r.Err().Error(), "slice bounds out of range") {
		t.Errorf("failed %d, done %d: %v", len(r.With(Failed)), len(r.With(Done)), r.Err())
	}
}

func TestFailureStaysWhereItIs(t *testing.T) {
	w := newWorld("pg1", "pg2")
	w.nodes["pg1"].exec = func(_ context.Context, sql string) error {
		if sql == "bad" {
			return errors.New("no such thing")
		}
		return nil
	}
	r := Run(t.Context(), planOf(
		sqlStep("a", "pg1", "bad"),
		sqlStep("b", "pg1", "b", "a"),
		sqlStep("c", "pg2", "c", "b"),
		sqlStep("d", "pg2", "d"),
		sqlStep("e", "pg2", "e", "d"),
	), w.Env, Options{Parallelism: 1})
	wantStates(t, r, "a=failed b=not tried(a) c=not tried(a) d=done e=done")
	if got, want := r.Steps[0].Err.Error(), "pg1: do a: no such thing"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
	wantLog(t, w, "pg1 exec postgres: bad", "pg2 exec postgres: d", "pg2 exec postgres: e")
	if want := "2 of 5 steps done, 1 failed: pg1: do a: no such thing"; r.String() != want {
		t.Errorf("report %q, want %q", r, want)
	}
}

func TestStepsOfAChangeRunInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1")
		w.nodes["pg1"].exec = func(ctx context.Context, sql string) error {
			if sql == "1" {
				return sleep(ctx, time.Second)
			}
			return nil
		}
		one, two := sqlStep("a#1", "pg1", "1"), sqlStep("a#2", "pg1", "2")
		two.Address = one.Address
		r := Run(t.Context(), planOf(one, sqlStep("b#1", "pg1", "other"), two), w.Env, Options{})
		wantStates(t, r, "a#1=done b#1=done a#2=done")
		if last := w.log.lines[2]; last != "pg1 exec postgres: 2" {
			t.Errorf("last came %q", last)
		}
		if got := r.Ended.Sub(r.Started); got != time.Second {
			t.Errorf("took %v", got)
		}
	})
}

func TestParallelismLimit(t *testing.T) {
	for _, limit := range []int{1, 3, 10} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld("pg1")
			var now, most atomic.Int32
			w.nodes["pg1"].exec = func(ctx context.Context, _ string) error {
				n := now.Add(1)
				defer now.Add(-1)
				for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
				}
				return sleep(ctx, time.Second)
			}
			var steps []plan.Step
			for i := range 30 {
				steps = append(steps, sqlStep(fmt.Sprint(i), "pg1", "x"))
			}
			r := Run(t.Context(), planOf(steps...), w.Env, Options{Parallelism: limit})
			if !r.OK() || int(most.Load()) != limit {
				t.Errorf("limit %d: at most %d ran, err %v", limit, most.Load(), r.Err())
			}
			if got, want := r.Ended.Sub(r.Started), time.Duration(30/limit)*time.Second; got != want {
				t.Errorf("limit %d: took %v, want %v", limit, got, want)
			}
		})
	}
}

// Steps wait for what they require, not for a wave.
func TestNoWaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1")
		w.nodes["pg1"].exec = func(ctx context.Context, sql string) error {
			d, _ := time.ParseDuration(sql)
			return sleep(ctx, d)
		}
		r := Run(t.Context(), planOf(
			sqlStep("slow", "pg1", "10s"),
			sqlStep("a", "pg1", "1s"), sqlStep("b", "pg1", "2s", "a"), sqlStep("c", "pg1", "3s", "b"),
		), w.Env, Options{})
		if got := r.Ended.Sub(r.Started); !r.OK() || got != 10*time.Second {
			t.Errorf("took %v: %v", got, r.Err())
		}
	})
}

func TestRefusedBeforeAnythingRuns(t *testing.T) {
	altered := text("PASSWORD {role.app.password}", plan.FormSCRAM)
	altered.Text = strings.Replace(altered.Text, "(sensitive value)", "'my own password!'", 1)
	unknown := text("PASSWORD {role.other.password}", plan.FormSCRAM)
	multiline := text("{role.odd.password}", plan.FormPassfile)
	cases := map[string]struct {
		steps []plan.Step
		want  string
	}{
		"text at the offset": {[]plan.Step{opStep("x", "pg1", plan.SQL{SQL: altered})}, "modified"},
		"unknown secret":     {[]plan.Step{opStep("x", "pg1", plan.SQL{SQL: unknown})}, "role.other.password has no value"},
		"unwritable secret":  {[]plan.Step{opStep("x", "pg1", plan.File{Content: multiline})}, "line break"},
		"unknown node":       {[]plan.Step{sqlStep("x", "pg9", "")}, `node "pg9": not connected`},
		"unknown step":       {[]plan.Step{sqlStep("x", "pg1", "", "y")}, `requires "y"`},
		"later step":         {[]plan.Step{sqlStep("x", "pg1", "", "y"), sqlStep("y", "pg1", "")}, `requires "y"`},
		"one ID twice":       {[]plan.Step{sqlStep("x", "pg1", ""), sqlStep("x", "pg1", "")}, "not unique"},
		"no argv":            {[]plan.Step{opStep("x", "pg1", plan.Command{})}, "without arguments"},
		"no operation":       {[]plan.Step{opStep("x", "pg1", nil)}, "type <nil>"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			w := newWorld("pg1")
			w.secret("role.app.password", "s3cret")
			w.secret("role.odd.password", "a\nb")
			r := Run(t.Context(), planOf(append([]plan.Step{sqlStep("first", "pg1", "good")}, c.steps...)...), w.Env, Options{})
			if r.OK() || r.Refused == nil || !strings.Contains(r.Refused.Error(), c.want) {
				t.Errorf("refused: %v, want %q", r.Refused, c.want)
			}
			if len(w.log.lines) > 0 {
				t.Errorf("reached a machine: %q", w.log.lines)
			}
		})
	}
}

func TestFirstSignalLetsStepsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1")
		stop := make(chan struct{})
		w.nodes["pg1"].exec = func(ctx context.Context, sql string) error { return sleep(ctx, 10*time.Second) }
		time.AfterFunc(time.Second, func() { close(stop) })
		r := Run(t.Context(), planOf(sqlStep("a", "pg1", ""), sqlStep("b", "pg1", "", "a"), sqlStep("c", "pg1", "")),
			w.Env, Options{Stop: stop, Parallelism: 1})
		wantStates(t, r, "a=done b=not tried c=not tried")
		if !errors.Is(r.Stopped, ErrInterrupted) || r.OK() {
			t.Errorf("stopped: %v", r.Stopped)
		}
	})
}

func TestStopAfterTheLastStep(t *testing.T) {
	w := newWorld("pg1")
	stop := make(chan struct{})
	w.nodes["pg1"].exec = func(context.Context, string) error { close(stop); return nil }
	r := Run(t.Context(), planOf(sqlStep("a", "pg1", "")), w.Env, Options{Stop: stop})
	if !r.OK() || r.Stopped != nil {
		t.Errorf("all was done, yet stopped: %v", r.Stopped)
	}
}

// The first signal leaves a detached program at once: it runs on by itself. A statement is
// let to its end.
func TestFirstSignalLeavesJobs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1", "pg2")
		w.nodes["pg1"].exec = func(ctx context.Context, _ string) error { return sleep(ctx, time.Minute) }
		w.nodes["pg2"].watch = func(ctx context.Context, _ func(int64, int64)) error { <-ctx.Done(); return ctx.Err() }
		stop := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(stop) })
		began := time.Now()
		r := Run(t.Context(), planOf(sqlStep("a", "pg1", ""),
			opStep("b", "pg2", plan.Command{Argv: []string{"x"}, Job: "clone"}), sqlStep("c", "pg2", "", "a", "b")), w.Env, Options{Stop: stop})
		wantStates(t, r, "a=done b=cut off c=not tried(b)")
		if left := r.MayStillRun(); len(left) != 1 || left[0].Step.ID != "b" || left[0].Took != time.Second || time.Since(began) != time.Minute {
			t.Errorf("left: %+v, after %s", left, time.Since(began))
		}
		for _, e := range w.events.events {
			if failed, ok := e.(StepFailed); ok && (!failed.CutOff || !failed.MayStillRun) {
				t.Errorf("told as a failure: %+v", failed)
			}
		}
	})
}

func TestSecondSignalLeavesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1", "pg2")
		release := make(chan struct{})
		w.nodes["pg1"].exec = func(context.Context, string) error { <-release; return nil } // deaf
		w.nodes["pg2"].watch = func(ctx context.Context, _ func(int64, int64)) error { <-ctx.Done(); return ctx.Err() }
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		r := Run(ctx, planOf(sqlStep("a", "pg1", ""),
			opStep("b", "pg2", plan.Command{Argv: []string{"x"}, Job: "clone"}),
			sqlStep("c", "pg2", "", "b"), opStep("w", "pg2", plan.Wait{Query: "SELECT 1"})), w.Env, Options{})
		wantStates(t, r, "a=cut off b=cut off c=not tried(b) w=done")
		if got := len(r.MayStillRun()); got != 2 {
			t.Errorf("%d may still run", got)
		}
		if text := r.Steps[1].Err.Error(); !strings.Contains(text, "job clone keeps running on pg2, and the next apply waits for it") {
			t.Errorf("error: %s", text)
		}
		seen := len(w.events.events)
		close(release)
		synctest.Wait()
		if len(w.events.events) != seen {
			t.Error("an event came after the end")
		}
	})
}

func TestStepTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1")
		w.nodes["pg1"].exec = func(ctx context.Context, _ string) error { return sleep(ctx, time.Hour) }
		w.nodes["pg1"].run = func(ctx context.Context, _ []string) error { <-ctx.Done(); return errors.New("session closed") }
		r := Run(t.Context(), planOf(sqlStep("a", "pg1", ""),
			opStep("b", "pg1", plan.Command{Argv: []string{"pg_ctl"}, Timeout: 90 * time.Second})), w.Env, Options{StepTimeout: time.Minute})
		wantStates(t, r, "a=failed b=failed")
		if got, want := r.Steps[1].Err.Error(), "pg1: do b: not finished after 1m30s (session closed)"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		if !errors.Is(r.Steps[0].Err, context.DeadlineExceeded) || !strings.Contains(r.Steps[0].Err.Error(), "not finished after 1m") {
			t.Errorf("got %v", r.Steps[0].Err)
		}
	})
}

// A thousand nodes with many steps each must not be slow to schedule.
func TestManySteps(t *testing.T) {
	w := newWorld("pg1")
	var steps []plan.Step
	for n := range 1000 {
		for i := range 20 {
			s := sqlStep(fmt.Sprintf("%d#%d", n, i), "pg1", "x")
			s.Address = fmt.Sprint(n)
			steps = append(steps, s)
		}
	}
	began := time.Now()
	if r := Run(t.Context(), planOf(steps...), w.Env, Options{}); !r.OK() {
		t.Fatal(r.Err())
	}
	if took := time.Since(began); took > time.Minute {
		t.Errorf("20,000 steps took %v", took)
	}
}

// refused is an error of a server that gave a HINT.
type refused struct{}

func (refused) Error() string    { return "out of shared memory" }
func (refused) HintText() string { return "You might need to increase max_locks_per_transaction." }

// The HINT of a server is shown, once, however deep its error is.
func TestHintOfAServer(t *testing.T) {
	w := newWorld("pg1")
	w.nodes["pg1"].exec = func(context.Context, string) error { return fmt.Errorf("execute: %w", refused{}) }
	r := Run(t.Context(), planOf(sqlStep("a", "pg1", "CREATE TABLE t ()")), w.Env, Options{})
	wantStates(t, r, "a=failed")
	text := r.Err().Error()
	if !strings.Contains(text, "out of shared memory") || strings.Count(text, "HINT: You might need to increase max_locks_per_transaction.") != 1 {
		t.Errorf("got %q", text)
	}
}

type hintedError struct{ hint string }

func (hintedError) Error() string      { return "not allowed" }
func (e hintedError) HintText() string { return e.hint }

// The hint of a server or host is part of the error of a step.
func TestHint(t *testing.T) {
	for hint, want := range map[string]string{
		"":                       "pg1: not allowed",
		"Install sudo there.":    "pg1: not allowed (HINT: Install sudo there.)",
		"Allow it with:\n  rule": "pg1: not allowed\nHINT: Allow it with:\n  rule",
	} {
		if got := hinted(fmt.Errorf("pg1: %w", hintedError{hint})).Error(); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
