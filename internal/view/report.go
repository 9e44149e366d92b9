package view

import (
	"fmt"
	"io"
	"slices"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/plan"
)

// Report writes what became of a plan: what failed and why, what was not tried,
// and the next command as the last line.
func Report(w io.Writer, s Style, p *plan.Plan, r apply.Report, next string) error {
	v := &printer{Style: s, w: w}
	if r.Refused != nil {
		v.line(v.red("Refused: "), Clean(r.Refused.Error()))
		v.line("Nothing was begun.")
		return v.err
	}
	v.results(v.red("Failed"), r.With(apply.Failed))
	v.results(v.red("Cut off"), r.With(apply.CutOff))
	v.notTried(r)
	v.stillRunning(r.MayStillRun())
	v.line(v.bold(outcome(p, r)))
	if next != "" {
		v.line(next)
	}
	return v.err
}

// results lists steps with their errors; what they say names the node.
func (p *printer) results(title string, results []apply.Result) {
	for _, r := range results {
		text := ""
		if r.Err != nil {
			text = r.Err.Error()
		}
		p.line(title, Clean(": "+r.Step.ID))
		p.block("    ", Clean(text))
	}
}

// notTried lists, by change, what was not begun and why.
func (p *printer) notTried(r apply.Report) {
	var seen []string
	for _, s := range r.With(apply.NotTried) {
		if slices.Contains(seen, s.Step.Address) {
			continue
		}
		seen = append(seen, s.Step.Address)
		what := s.Step.Address
		if i := slices.IndexFunc(r.Steps, func(first apply.Result) bool { return first.Step.Address == what }); r.Steps[i].Step.ID != s.Step.ID {
			what += ", from " + s.Step.ID + " on"
		}
		if s.Because != "" {
			what += ": it needs " + s.Because
		}
		p.line(p.yellow("Not tried: "), Clean(what))
	}
}

func (p *printer) stillRunning(results []apply.Result) {
	for _, r := range results {
		what := r.Step.Why
		if c, ok := r.Step.Op.(plan.Command); ok && c.Job != "" {
			what += ", job " + c.Job
		}
		p.line(p.red("May still run"), Clean(" on "+r.Step.Node+": "+what))
	}
}

// outcome is the summary: what is done is counted by change.
func outcome(p *plan.Plan, r apply.Report) string {
	took := Duration(r.Ended.Sub(r.Started))
	if r.OK() {
		s := p.Summary
		text := fmt.Sprintf("Applied: %d created, %d updated, %d deleted", s.Create, s.Update, s.Delete)
		if s.Replace > 0 {
			text += fmt.Sprintf(", %d replaced", s.Replace)
		}
		return fmt.Sprintf("%s · %s in %s", text, count(len(r.Steps), "step"), took)
	}
	text := fmt.Sprintf("Applied in part: %d of %s done", doneChanges(p, r), count(len(p.Changes), "change"))
	for _, state := range []apply.State{apply.Failed, apply.CutOff, apply.NotTried} {
		if n := len(r.With(state)); n > 0 {
			text += fmt.Sprintf(" · %s %s", count(n, "step"), state)
		}
	}
	if r.Stopped != nil {
		text += " · " + oneLine(r.Stopped.Error())
	}
	return text + " · " + took
}

// doneChanges counts the changes all steps of which are done.
func doneChanges(p *plan.Plan, r apply.Report) int {
	open := map[string]bool{}
	for _, s := range r.Steps {
		if s.State != apply.Done {
			open[s.Step.Address] = true
		}
	}
	n := 0
	for _, c := range p.Changes {
		if !open[c.Address] {
			n++
		}
	}
	return n
}
