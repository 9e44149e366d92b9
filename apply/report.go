package apply

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/repltool/repltool/plan"
)

// State is what became of a step.
type State string

// The states of a step.
const (
	Done     State = "done"
	Failed   State = "failed"
	NotTried State = "not tried"
	// CutOff is a step that was running when the run was left.
	CutOff State = "cut off"
)

// Result is what became of one step.
type Result struct {
	Step  plan.Step
	State State
	Err   error // why it failed, without secrets
	// Because is the ID of the failed step that kept this one from being tried;
	// "" when the run was stopped before.
	Because string
	Took    time.Duration
}

// Report is what became of a plan, its steps in the plan's order.
type Report struct {
	Fingerprint string
	Started     time.Time
	Ended       time.Time
	// Refused says why nothing was begun.
	Refused error
	// Stopped reports whether a signal or a lost lock ended the run early, and why.
	Stopped error
	Steps   []Result
	// Back are the steps of the ways back that were taken.
	Back []Result
}

// TookBack reports whether what was begun of a change was taken back whole.
func (r Report) TookBack(address string) bool {
	taken := false
	for _, s := range r.Back {
		if s.Step.Address == address {
			if s.State != Done {
				return false
			}
			taken = true
		}
	}
	return taken
}

// With returns the steps in that state.
func (r Report) With(state State) []Result {
	var found []Result
	for _, s := range r.Steps {
		if s.State == state {
			found = append(found, s)
		}
	}
	return found
}

// MayStillRun returns what was left while it ran and may go on where it does: a
// statement or a program.
func (r Report) MayStillRun() []Result {
	return slices.DeleteFunc(r.With(CutOff), func(s Result) bool { return !goesOn(s.Step.Op) })
}

func goesOn(op plan.Op) bool {
	switch op.(type) {
	case plan.SQL, plan.Command:
		return true
	}
	return false
}

// OK reports whether every step is done.
func (r Report) OK() bool {
	return r.Refused == nil && len(r.With(Done)) == len(r.Steps)
}

// Err joins what went wrong, nil when nothing did.
func (r Report) Err() error {
	errs := []error{r.Refused, r.Stopped}
	for _, s := range append(slices.Clone(r.Steps), r.Back...) {
		errs = append(errs, s.Err)
	}
	return errors.Join(errs...)
}

// String is the result in one line, as the ledger keeps it.
func (r Report) String() string {
	if r.Refused != nil {
		return "refused: " + r.Refused.Error()
	}
	done, failed, cut := len(r.With(Done)), r.With(Failed), r.With(CutOff)
	if r.OK() {
		return fmt.Sprintf("done: %d steps", done)
	}
	text := fmt.Sprintf("%d of %d steps done", done, len(r.Steps))
	if n := len(failed); n > 0 {
		text += fmt.Sprintf(", %d failed: %v", n, failed[0].Err)
	}
	if n := len(cut); n > 0 {
		text += fmt.Sprintf(", %d interrupted", n)
	}
	if n := len(r.Back); n > 0 {
		text += fmt.Sprintf(", %d taken back", n)
	}
	if r.Stopped != nil {
		text += fmt.Sprintf(" (%v)", r.Stopped)
	}
	return text
}
