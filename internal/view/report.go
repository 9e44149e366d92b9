package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/plan"
)

// Report writes what became of a plan: what failed and why, what was not tried,
// and the next command as the last line.
func Report(w io.Writer, s Style, p *plan.Plan, r apply.Report, next string) error {
	v := &printer{Style: s, w: w}
	if r.Refused != nil {
		v.flow("", v.red("Refused: ")+Clean(r.Refused.Error()))
		v.line("Nothing was changed.")
		return v.err
	}
	v.results(v.red("Failed"), r.With(apply.Failed))
	v.takenBack(p, r)
	v.leads(p, r)
	v.stillRunning(r.MayStillRun())
	v.notTried(r)
	v.flow("", v.bold(outcome(p, r)))
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
		p.flow("    ", Clean(text))
	}
}

// takenBack tells of the ways back that were taken, and where one ended early.
func (p *printer) takenBack(of *plan.Plan, r apply.Report) {
	for _, c := range of.Changes {
		switch failed := slices.IndexFunc(r.Back, func(s apply.Result) bool { return s.Step.Address == c.Address && s.State == apply.Failed }); {
		case r.TookBack(c.Address):
			p.flow("", p.yellow("Taken back: ")+Clean(c.Address+": everything is as it was before"))
		case failed >= 0:
			p.results(p.red("Not taken back"), r.Back[failed:failed+1])
		}
	}
}

// leads says who leads where a move of the primary failed behind its point of no return.
func (p *printer) leads(of *plan.Plan, r apply.Report) {
	for _, c := range of.Changes {
		at := slices.IndexFunc(r.Steps, func(s apply.Result) bool { return c.NoReturn != "" && s.Step.ID == c.NoReturn })
		if at < 0 || r.Steps[at].State == apply.NotTried || done(r, c) {
			continue
		}
		text := c.After["primary"] + " was asked to become the primary, which cannot be taken back. repltool status shows whether it leads."
		if at+1 < len(r.Steps) && r.Steps[at+1].State == apply.Done {
			text = c.After["primary"] + " leads and accepts writes. The next apply does the rest."
		}
		p.flow("", p.yellow("Moved: ")+Clean(text))
	}
}

// done reports whether all steps of a change are done.
func done(r apply.Report, c plan.Change) bool {
	return !slices.ContainsFunc(r.Steps, func(s apply.Result) bool { return s.Step.Address == c.Address && s.State != apply.Done })
}

// notTried lists, by change, what needs a step that failed, and in one line what was only
// not come to.
func (p *printer) notTried(r apply.Report) {
	var seen, open []string
	for _, s := range r.Steps {
		if s.State != apply.NotTried && s.State != apply.CutOff || slices.Contains(seen, s.Step.Address) {
			continue
		}
		seen = append(seen, s.Step.Address)
		if !failedFirst(r, s) {
			open = append(open, s.Step.Address)
			continue
		}
		what := s.Step.Address
		if i := slices.IndexFunc(r.Steps, func(first apply.Result) bool { return first.Step.Address == what }); r.Steps[i].Step.ID != s.Step.ID {
			what += ", from " + s.Step.ID + " on"
		}
		p.flow("", p.yellow("Skipped: ")+Clean(what+", which requires "+s.Because))
	}
	if len(open) > 0 {
		p.flow("", p.yellow("Not completed: ")+Clean(strings.Join(open, ", ")))
	}
}

// failedFirst reports whether what kept a step from being tried is a failure, not the end of
// the run.
func failedFirst(r apply.Report, s apply.Result) bool {
	return slices.ContainsFunc(r.With(apply.Failed), func(f apply.Result) bool { return f.Step.ID == s.Because })
}

// stillRunning tells what goes on where it was started.
func (p *printer) stillRunning(results []apply.Result) {
	for _, r := range results {
		if c, ok := r.Step.Op.(plan.Command); ok && c.Job != "" {
			p.flow("", p.yellow("Still running")+Clean(fmt.Sprintf(" on %s: %s (job %s); the next apply waits for it", r.Step.Node, r.Step.Why, c.Job)))
			continue
		}
		p.flow("", p.red("May still be running")+Clean(" on "+r.Step.Node+": "+r.Step.Why+"; the next plan shows what it did"))
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
	text := fmt.Sprintf("Partially applied: %d of %s done", doneChanges(p, r), count(len(p.Changes), "change"))
	if n := len(r.With(apply.Failed)); n > 0 {
		text += fmt.Sprintf(" · %s failed", count(n, "step"))
	}
	if n := len(r.With(apply.NotTried)); n > 0 && r.Stopped == nil {
		text += fmt.Sprintf(" · %s skipped", count(n, "step"))
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
