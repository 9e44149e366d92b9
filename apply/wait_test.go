package apply

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/repltool/repltool/plan"
)

func waitStep(op plan.Wait) plan.Step {
	op.Query = "SELECT ready"
	return opStep("w", "pg1", op)
}

// A server that restarts: refused, then starting, then not yet, then true.
func TestWaitOverRestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1")
		began := time.Now()
		var asked []time.Duration
		w.nodes["pg1"].query = func(context.Context, string) ([][]string, error) {
			since := time.Since(began)
			asked = append(asked, since)
			switch {
			case since < 5*time.Second:
				return nil, errors.New("connection refused")
			case since < 10*time.Second:
				return [][]string{{"f", "lag 20MB"}}, nil
			case since < 12*time.Second:
				return nil, nil
			}
			return [][]string{{"t"}}, nil
		}
		r := Run(t.Context(), planOf(waitStep(plan.Wait{What: "pg2 streaming", Gate: true, Timeout: time.Minute})), w.Env, Options{})
		wantStates(t, r, "w=done")
		if asked[1]-asked[0] != pollFirst {
			t.Errorf("second question after %v", asked[1]-asked[0])
		}
		if n := len(asked); asked[n-1]-asked[n-2] != pollMost || n > 30 {
			t.Errorf("%d questions, the last after %v", n, asked[n-1]-asked[n-2])
		}
		var details []string
		for _, e := range w.events.events {
			if g, ok := e.(Gate); ok {
				details = append(details, g.Detail)
			}
		}
		if got, want := strings.Join(details, "/"), "/connection refused/lag 20MB/no row yet"; got != want {
			t.Errorf("details %q, want %q", got, want)
		}
	})
}

func TestWaitTimesOut(t *testing.T) {
	cases := map[string]struct {
		op   plan.Wait
		rows [][]string
		err  error
		want string
	}{
		"gate":     {plan.Wait{What: "pg2 streaming", Else: "wave 5 would block commits", Gate: true}, [][]string{{"f", "lag 1GB"}}, nil, "pg1: do w: waiting for pg2 streaming: not finished after 10m; last seen: lag 1GB; stopped here because wave 5 would block commits"},
		"refused":  {plan.Wait{What: "pg1 accepts connections"}, nil, errors.New("connection refused"), "pg1: do w: waiting until pg1 accepts connections: not finished after 10m; last seen: connection refused"},
		"false":    {plan.Wait{What: "x"}, [][]string{{"f"}}, nil, "pg1: do w: waiting until x: not finished after 10m"},
		"two rows": {plan.Wait{What: "x"}, [][]string{{"t"}, {"t"}}, nil, "pg1: do w: waiting until x: not finished after 10m"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("pg1")
				w.nodes["pg1"].query = func(context.Context, string) ([][]string, error) { return c.rows, c.err }
				c.op.Timeout = 10 * time.Minute
				r := Run(t.Context(), planOf(waitStep(c.op)), w.Env, Options{})
				wantStates(t, r, "w=failed")
				if r.Err().Error() != c.want {
					t.Errorf("got  %s\nwant %s", r.Err(), c.want)
				}
				if r.Ended.Sub(r.Started) != 10*time.Minute {
					t.Errorf("took %v", r.Ended.Sub(r.Started))
				}
			})
		})
	}
}

// What fails over and over ends the wait; what fails once and recovers does not.
func TestWaitThatKeepsFailing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1")
		began := time.Now()
		w.nodes["pg1"].query = func(context.Context, string) ([][]string, error) {
			if since := time.Since(began); since > 10*time.Second && since < 12*time.Second {
				return [][]string{{"f", "one runs"}}, nil
			}
			return [][]string{{"failing", "no copy runs"}}, nil
		}
		r := Run(t.Context(), planOf(waitStep(plan.Wait{What: "every table is copied", Timeout: time.Hour})), w.Env, Options{})
		wantStates(t, r, "w=failed")
		if want := "pg1: do w: waiting until every table is copied: no copy runs"; r.Err().Error() != want {
			t.Errorf("got %q", r.Err())
		}
		if took := r.Ended.Sub(r.Started); took < 12*time.Second+failingLimit || took > 14*time.Second+failingLimit {
			t.Errorf("took %v", took)
		}
	})
}

// A connection that died in silence costs one question, not the wait.
func TestWaitOverFrozenConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld("pg1")
		first := true
		w.nodes["pg1"].query = func(ctx context.Context, _ string) ([][]string, error) {
			if first {
				first = false
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return [][]string{{"t"}}, nil
		}
		r := Run(t.Context(), planOf(waitStep(plan.Wait{Timeout: time.Minute})), w.Env, Options{})
		if took := r.Ended.Sub(r.Started); !r.OK() || took > pollLimit+pollMost {
			t.Errorf("took %v: %v", took, r.Err())
		}
	})
}

type wrongQuery struct{}

func (wrongQuery) Error() string   { return "syntax error" }
func (wrongQuery) Permanent() bool { return true }

func TestWaitGivesUpOnAWrongQuery(t *testing.T) {
	w := newWorld("pg1")
	w.nodes["pg1"].query = func(context.Context, string) ([][]string, error) { return nil, wrongQuery{} }
	r := Run(t.Context(), planOf(waitStep(plan.Wait{What: "x", Timeout: time.Hour})), w.Env, Options{})
	wantStates(t, r, "w=failed")
	if want := "pg1: do w: waiting until x: syntax error"; r.Err().Error() != want {
		t.Errorf("got %q", r.Err())
	}
}

// A wait with progress may take longer than its limit, which counts from the last
// time that the progress grew; one that stands still, falls, or cannot be asked ends.
func TestWaitWithProgress(t *testing.T) {
	const limit = 10 * time.Minute
	at := func(minute int) time.Duration { return time.Duration(minute) * time.Minute }
	cases := map[string]struct {
		progress func(since time.Duration) ([][]string, error)
		done     time.Duration // when the query turns true
		fails    time.Duration // or when the wait ends
		want     string
	}{
		"moves":         {moving(at(50)), at(55), 0, ""},
		"stops moving":  {moving(at(50)), 0, at(60), "waiting until pg2 is streaming: no progress for 10m; last seen: state catchup, replayed 3000"},
		"never moves":   {moving(0), 0, at(10), "waiting until pg2 is streaming: no progress for 10m; last seen: state catchup, replayed 0"},
		"falls":         {func(d time.Duration) ([][]string, error) { return [][]string{{"-" + seconds(d)}}, nil }, 0, at(10), "no progress for 10m; last seen: state catchup"},
		"cannot be had": {func(time.Duration) ([][]string, error) { return nil, errors.New("refused") }, 0, at(10), "no progress for 10m; last seen: state catchup"},
		"is no number":  {func(time.Duration) ([][]string, error) { return [][]string{{""}}, nil }, 0, at(10), "no progress for 10m; last seen: state catchup"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld("pg1", "pg2")
				began := time.Now()
				w.nodes["pg1"].query = func(context.Context, string) ([][]string, error) {
					if since := time.Since(began); c.done > 0 && since >= c.done {
						return [][]string{{"t"}}, nil
					}
					return [][]string{{"f", "state catchup"}}, nil
				}
				w.nodes["pg2"].query = func(_ context.Context, sql string) ([][]string, error) {
					if sql != "SELECT progress" {
						t.Errorf("pg2 was asked %q", sql)
					}
					return c.progress(time.Since(began))
				}
				op := plan.Wait{What: "pg2 is streaming", Timeout: limit, Progress: &plan.Progress{Node: "pg2", Query: "SELECT progress"}}
				r := Run(t.Context(), planOf(waitStep(op)), w.Env, Options{})
				took := r.Ended.Sub(r.Started)
				if c.want == "" {
					if !r.OK() || took < c.done || took > c.done+2*pollMost {
						t.Errorf("took %v: %v", took, r.Err())
					}
					return
				}
				if r.OK() || !strings.Contains(r.Err().Error(), c.want) || took < c.fails-2*pollMost || took > c.fails+2*pollMost {
					t.Errorf("took %v: %v", took, r.Err())
				}
			})
		})
	}
}

// moving returns a progress that grows every second until then.
func moving(until time.Duration) func(time.Duration) ([][]string, error) {
	return func(since time.Duration) ([][]string, error) {
		n := seconds(min(since, until))
		return [][]string{{n, "replayed " + n}}, nil
	}
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d.Seconds())) }
