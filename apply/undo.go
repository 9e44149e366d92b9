package apply

import (
	"context"
	"errors"
	"slices"

	"github.com/repltool/repltool/plan"
)

// A change that has a way back is taken back when one of its steps fails, and when the run
// is stopped in the middle of it by a signal: the plan has those steps too, and apply runs
// them in their order. The first that fails ends it: what is left the next plan sees. Once
// the step has begun that cannot be taken back there is only forward.

// wayBack is that of one change.
type wayBack struct {
	change  plan.Change
	taken   bool
	results []Result
}

// ways notes which changes have one.
func (r *run) ways(changes []plan.Change) {
	r.back = map[string]*wayBack{}
	for _, c := range changes {
		if len(c.Undo) > 0 {
			r.back[c.Address] = &wayBack{change: c}
		}
	}
}

// begun returns the steps of a change that were begun, and whether all of them are done.
func (r *run) begun(c plan.Change) (begun []string, complete bool) {
	complete = true
	for _, t := range r.tasks {
		if t.step.Address != c.Address {
			continue
		}
		if t.state == Done || t.state == Failed || t.state == CutOff {
			begun = append(begun, t.step.ID)
		}
		complete = complete && t.state == Done
	}
	return begun, complete
}

// takeBack begins the way back of the change at that address, if it has one to take.
func (r *run) takeBack(ctx context.Context, address string) bool {
	b := r.back[address]
	if b == nil || b.taken || ctx.Err() != nil {
		return false
	}
	begun, complete := r.begun(b.change)
	if complete || slices.Contains(begun, b.change.NoReturn) {
		return false
	}
	var steps []plan.Step
	for _, s := range b.change.Undo {
		if slices.Contains(begun, s.Undoes) {
			steps = append(steps, s)
		}
	}
	if len(steps) == 0 {
		return false
	}
	b.taken = true
	r.running++
	on := *r
	on.halted = nil // the way back is not stopped by what may have begun it
	go func() { r.finished <- outcome{back: b, results: on.takeSteps(ctx, steps)} }()
	return true
}

// takeBackStopped takes back what a signal has stopped halfway. Who has lost a lock touches
// nothing more: another apply may be at work.
func (r *run) takeBackStopped(ctx context.Context) bool {
	began := false
	if errors.Is(r.stopped, ErrInterrupted) && ctx.Err() == nil {
		for address := range r.back {
			began = r.takeBack(ctx, address) || began
		}
	}
	return began
}

// takeSteps runs steps one after another, up to the first that fails.
func (r *run) takeSteps(ctx context.Context, steps []plan.Step) []Result {
	var results []Result
	failed := ""
	for _, s := range steps {
		result := Result{Step: s, State: NotTried, Because: failed}
		if failed == "" {
			began := r.env.Now()
			result.State, result.Err = Done, r.takeStep(ctx, s)
			result.Took = r.env.Now().Sub(began)
			if result.Err != nil {
				failed, result.State = s.ID, Failed
			}
		}
		results = append(results, result)
	}
	return results
}

func (r *run) takeStep(ctx context.Context, s plan.Step) error {
	if err := r.env.Locks.Hold(ctx); err != nil {
		return err
	}
	return r.perform(ctx, s)
}
