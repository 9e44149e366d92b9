package view

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/plan"
)

// smallPlan is a copy on pg2 and a gate and a statement on pg1.
func smallPlan() *plan.Plan {
	return &plan.Plan{
		Complete: true,
		Changes: []plan.Change{
			{Address: "cluster.main.standby.pg2", Action: plan.Create, Impact: plan.CopyData, Wave: 1, Nodes: []string{"pg2"}, Steps: []string{"a#1", "a#2"}},
			{Address: "cluster.main.synchronous", Action: plan.Update, Impact: plan.Reload, Wave: 2, Nodes: []string{"pg1"}, Steps: []string{"b#1", "b#2"}},
		},
		Steps: []plan.Step{
			{ID: "a#1", Address: "cluster.main.standby.pg2", Node: "pg2", Why: "copy", Op: plan.Command{Argv: []string{"pg_basebackup"}, Job: "pg2.clone"}},
			{ID: "a#2", Address: "cluster.main.standby.pg2", Node: "pg2", Why: "start", Op: plan.Command{Argv: []string{"start"}}},
			{ID: "b#1", Address: "cluster.main.synchronous", Node: "pg1", Why: "gate", Op: plan.Wait{What: "pg2 streaming", Gate: true}},
			{ID: "b#2", Address: "cluster.main.synchronous", Node: "pg1", Why: "reload", Op: plan.SQL{}},
		},
		Summary: plan.Summary{Create: 1, Update: 1},
	}
}

func at(p *plan.Plan, i int) apply.At {
	s := p.Steps[i]
	return apply.At{Time: time.Now(), Node: s.Node, Address: s.Address, Step: s.ID}
}

// play tells the observer of a run in which the last step fails.
func play(p *plan.Plan, o apply.Observer) {
	o.Observe(apply.StepStart{At: at(p, 0), Why: "copy", Kind: "command"})
	time.Sleep(40 * time.Second)
	o.Observe(apply.StepProgress{At: at(p, 0), Done: 3 << 30, Total: 4 << 30, Rate: 100 << 20, ETA: 10 * time.Second})
	time.Sleep(25 * time.Second)
	o.Observe(apply.StepDone{At: at(p, 0), Took: 65 * time.Second})
	o.Observe(apply.StepStart{At: at(p, 1), Why: "start", Kind: "command"})
	o.Observe(apply.StepDone{At: at(p, 1), Took: 300 * time.Millisecond})
	o.Observe(apply.StepStart{At: at(p, 2), Why: "gate", Kind: "wait"})
	o.Observe(apply.Gate{At: at(p, 2), What: "pg2 streaming"})
	time.Sleep(2 * time.Second)
	o.Observe(apply.Gate{At: at(p, 2), What: "pg2 streaming", Waited: 2 * time.Second, Detail: "lag 20 MB"})
	o.Observe(apply.StepDone{At: at(p, 2), Took: 2 * time.Second})
	o.Observe(apply.StepStart{At: at(p, 3), Why: "reload", Kind: "sql"})
	o.Observe(apply.StepFailed{At: at(p, 3), Took: time.Second, Err: errors.New("pg1: reload: connection \x1b[2Jlost")})
}

func TestProgressOffTerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := smallPlan()
		v := NewProgress(&out, Style{}, p, ProgressOptions{Now: time.Now})
		play(p, v)
		v.Close()
		want := `00:00:01 pg2: cluster.main.standby.pg2: copy
00:00:31 pg2: cluster.main.standby.pg2: copy: 31s
00:01:01 pg2: cluster.main.standby.pg2: copy: 1m1s · 3.0 GB of 4.0 GB (75%) · 100 MB/s · 10s left
00:01:05 pg2: cluster.main.standby.pg2: copy: done in 1m5s
00:01:05 pg2: cluster.main.standby.pg2: start: done in 300ms
00:01:06 pg1: cluster.main.synchronous: gate: pg2 streaming
00:01:07 pg1: cluster.main.synchronous: gate: pg2 streaming: 2s · lag 20 MB
00:01:07 pg1: cluster.main.synchronous: gate: pg2 streaming: done in 2s
00:01:07 failed cluster.main.synchronous: pg1: reload: connection \x1b[2Jlost
`
		if d := cmp.Diff(want, out.String()); d != "" {
			t.Error(d)
		}
	})
}

// TestProgressLive looks at what is left on the screen, and that no line is wider
// than it.
func TestProgressLive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := smallPlan()
		v := NewProgress(&out, Style{Width: 40}, p, ProgressOptions{Live: true, Now: time.Now})
		play(p, v)
		v.Close()
		want := "done   cluster.main.standby.pg2 in 1m5s\nfailed cluster.main.synchronous: pg1: reload: connection\n  \\x1b[2Jlost\n"
		if got := screen(t, out.String(), 40); got != want {
			t.Errorf("the screen has\n%swant\n%s", got, want)
		}
	})
}

// screen plays the few sequences that live lines use.
func screen(t *testing.T, text string, width int) string {
	t.Helper()
	var lines []string
	row := 0
	for text != "" {
		if rest, ok := strings.CutPrefix(text, "\x1b["); ok {
			var n int
			end := strings.IndexAny(rest, "AJK")
			for _, c := range rest[:end] {
				n = n*10 + int(c-'0')
			}
			switch rest[end] {
			case 'A':
				row -= n
			case 'J':
				lines = lines[:row]
			}
			text = strings.TrimPrefix(rest[end+1:], "\r")
			continue
		}
		end := strings.IndexAny(text, "\n\x1b")
		line := text[:end]
		live := strings.HasPrefix(text[end:], "\x1b[K")
		if live && len([]rune(line)) >= width {
			t.Errorf("a live line is too wide: %q", line)
		}
		text = strings.TrimPrefix(strings.TrimPrefix(text[end:], "\x1b[K"), "\n")
		lines = append(lines[:min(row, len(lines))], append([]string{line}, lines[min(row+1, len(lines)):]...)...)
		row++
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := smallPlan()
		e := NewEvents(&out, time.Now)
		e.Version("1.2.3")
		play(p, e)
		e.Observe(apply.Summary{Report: apply.Report{Steps: []apply.Result{{Step: p.Steps[0], State: apply.Done}}}})
		var types []string
		for d := json.NewDecoder(&out); d.More(); {
			var line map[string]any
			if err := d.Decode(&line); err != nil {
				t.Fatal(err)
			}
			if line["@timestamp"] == "" || line["type"] == "step_start" && (line["address"] == nil || line["node"] == nil || line["step"] == nil) {
				t.Errorf("line %v", line)
			}
			types = append(types, line["type"].(string))
		}
		want := "version step_start step_progress step_done step_start step_done step_start gate gate step_done step_start step_failed summary"
		if got := strings.Join(types, " "); got != want || e.Err() != nil {
			t.Errorf("got %s, %v", got, e.Err())
		}
	})
}

func TestReport(t *testing.T) {
	p := smallPlan()
	began := time.Unix(1000, 0)
	r := apply.Report{Started: began, Ended: began.Add(65 * time.Second), Stopped: apply.ErrInterrupted, Steps: []apply.Result{
		{Step: p.Steps[0], State: apply.CutOff, Err: errors.New("pg2: copy: interrupted while it was running")},
		{Step: p.Steps[1], State: apply.NotTried, Because: "a#1"},
		{Step: p.Steps[2], State: apply.NotTried, Because: "a#1"},
		{Step: p.Steps[3], State: apply.NotTried, Because: "a#1"},
	}}
	var out bytes.Buffer
	if err := Report(&out, Style{}, p, r, "Resume with: repltool apply"); err != nil {
		t.Fatal(err)
	}
	want := `Still running on pg2: copy (job pg2.clone); the next apply waits for it
Not completed: cluster.main.standby.pg2, cluster.main.synchronous
Partially applied: 0 of 2 changes done · interrupted · 1m5s
Resume with: repltool apply
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
	for i := range r.Steps {
		r.Steps[i] = apply.Result{Step: p.Steps[i], State: apply.Done}
	}
	r.Stopped = nil
	out.Reset()
	if err := Report(&out, Style{}, p, r, "Check: repltool status"); err != nil {
		t.Fatal(err)
	}
	if want := "Applied: 1 created, 1 updated, 0 deleted · 4 steps in 1m5s\nCheck: repltool status\n"; out.String() != want {
		t.Errorf("got %q", out.String())
	}
}

// TestReportMoved: behind the point of no return the report says who leads.
func TestReportMoved(t *testing.T) {
	p := &plan.Plan{Changes: []plan.Change{{Address: "cluster.main.primary", NoReturn: "m#2", After: map[string]string{"primary": "pg2"}}}}
	for i := range 4 {
		id := fmt.Sprintf("m#%d", i+1)
		p.Changes[0].Steps = append(p.Changes[0].Steps, id)
		p.Steps = append(p.Steps, plan.Step{ID: id, Address: "cluster.main.primary", Node: "pg2", Op: plan.Wait{}})
	}
	for fails, want := range []string{
		0: "",
		1: "Moved: pg2 was asked to become the primary, which cannot be taken back. repltool status shows whether it leads.\n",
		2: "Moved: pg2 was asked to become the primary, which cannot be taken back. repltool status shows whether it leads.\n",
		3: "Moved: pg2 leads and accepts writes. The next apply does the rest.\n",
		4: "",
	} {
		var r apply.Report
		for i, s := range p.Steps {
			state := apply.Done
			if i == fails {
				state = apply.Failed
			} else if i > fails {
				state = apply.NotTried
			}
			r.Steps = append(r.Steps, apply.Result{Step: s, State: state})
		}
		var out bytes.Buffer
		if err := Report(&out, Style{}, p, r, ""); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "Moved: ") != (want != "") || !strings.Contains(out.String(), want) {
			t.Errorf("step %d fails: %s", fails+1, &out)
		}
	}
}
