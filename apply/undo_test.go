package apply

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/repltool/repltool/plan"
)

// move is a change of four steps, of which each but the last two has a way back.
func move(w *world) *plan.Plan {
	step := func(id, node, sql string) plan.Step {
		return plan.Step{ID: id, Address: "m", Node: node, Op: plan.SQL{Database: "postgres", SQL: plan.Text{Text: sql}}}
	}
	back := func(undoes, node, sql string) plan.Step {
		s := step("back."+undoes, node, sql)
		s.Undoes = undoes
		return s
	}
	stop := plan.Step{ID: "stop", Address: "m", Node: "pg1", Op: plan.Command{Argv: []string{"stop"}, Prints: "end"}}
	replayed := plan.Step{ID: "replayed", Address: "m", Node: "pg2", Op: plan.Wait{Query: "SELECT replayed > :'end'"}}
	p := planOf(step("slot", "pg2", "CREATE"), stop, replayed, step("promote", "pg2", "PROMOTE"), step("after", "pg2", "AFTER"))
	p.Changes = []plan.Change{{
		Address: "m", Steps: []string{"slot", "stop", "replayed", "promote", "after"}, NoReturn: "promote",
		Undo: []plan.Step{back("stop", "pg1", "START"), back("slot", "pg2", "DROP")},
	}}
	w.nodes["pg1"].prints = "0/3000028\n"
	w.nodes["pg2"].query = func(context.Context, string) ([][]string, error) { return [][]string{{"t"}}, nil }
	return p
}

func failing(sql string) func(context.Context, string) error {
	return func(_ context.Context, text string) error {
		if text == sql {
			return errors.New("no")
		}
		return nil
	}
}

// TestTakeBack has a change fail at each of its steps: what was begun of it is taken back in
// the order of its plan, and nothing once the step has begun after which there is only
// forward.
func TestTakeBack(t *testing.T) {
	for fails, want := range map[string]string{
		"CREATE":  "pg2 exec postgres: DROP",
		"stop":    "pg1 exec postgres: START, pg2 exec postgres: DROP",
		"wait":    "pg1 exec postgres: START, pg2 exec postgres: DROP",
		"PROMOTE": "",
		"AFTER":   "",
		"none":    "",
	} {
		w := newWorld("pg1", "pg2")
		p := move(w)
		w.nodes["pg2"].exec = failing(fails)
		switch fails {
		case "stop":
			w.nodes["pg1"].run = func(context.Context, []string) error { return errors.New("no") }
		case "wait":
			w.nodes["pg2"].query = func(context.Context, string) ([][]string, error) { return [][]string{{"failed", "it is gone"}}, nil }
		}
		r := Run(t.Context(), p, w.Env, Options{})
		var back []string
		for _, s := range r.Back {
			back = append(back, s.Step.Node+" exec postgres: "+s.Step.Op.(plan.SQL).SQL.Text)
		}
		if got := strings.Join(back, ", "); got != want {
			t.Errorf("%s fails: taken back %q, want %q\n%v", fails, got, want, r.Err())
		}
		if tail := w.log.lines[max(0, len(w.log.lines)-len(back)):]; want != "" && strings.Join(tail, ", ") != want {
			t.Errorf("%s fails: what reached the machines:\n%s", fails, strings.Join(w.log.lines, "\n"))
		}
		if r.TookBack("m") != (want != "") || r.OK() != (fails == "none") {
			t.Errorf("%s fails: TookBack %t, OK %t", fails, r.TookBack("m"), r.OK())
		}
	}
}

// TestTakeBackFails ends the way back at the first of its steps that fails.
func TestTakeBackFails(t *testing.T) {
	w := newWorld("pg1", "pg2")
	p := move(w)
	w.nodes["pg1"].run = func(context.Context, []string) error { return errors.New("no") }
	w.nodes["pg1"].exec = failing("START")
	r := Run(t.Context(), p, w.Env, Options{})
	if len(r.Back) != 2 || r.Back[0].State != Failed || r.Back[1].State != NotTried || r.TookBack("m") {
		t.Errorf("the way back: %+v", r.Back)
	}
}

// TestTakeBackStopped takes a change back that a signal stops halfway, and its waits with it.
func TestTakeBackStopped(t *testing.T) {
	w := newWorld("pg1", "pg2")
	p := move(w)
	p.Changes[0].Undo[0].Op = plan.Wait{Query: "SELECT up"}
	stop := make(chan struct{})
	w.nodes["pg1"].run = func(context.Context, []string) error { close(stop); return nil }
	w.nodes["pg1"].query = w.nodes["pg2"].query
	r := Run(t.Context(), p, w.Env, Options{Stop: stop})
	if !errors.Is(r.Stopped, ErrInterrupted) || !r.TookBack("m") || len(r.Back) != 2 {
		t.Errorf("stopped: %v, the way back: %+v", r.Stopped, r.Back)
	}
}

// TestPrints puts what a command printed into the query of a wait, and refuses what could be
// more than a word there.
func TestPrints(t *testing.T) {
	w := newWorld("pg1", "pg2")
	p := move(w)
	asked := ""
	w.nodes["pg2"].query = func(_ context.Context, sql string) ([][]string, error) { asked = sql; return [][]string{{"t"}}, nil }
	if r := Run(t.Context(), p, w.Env, Options{}); !r.OK() || asked != "SELECT replayed > '0/3000028'" {
		t.Errorf("asked %q: %v", asked, r.Err())
	}
	w.nodes["pg1"].prints = "0/3' OR true --"
	if r := Run(t.Context(), p, w.Env, Options{}); r.OK() || !strings.Contains(r.Err().Error(), "where one word was expected, the end") {
		t.Errorf("a text that is no word: %v", r.Err())
	}
}
