package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/repltool/repltool/plan"
)

const (
	pollFirst = 50 * time.Millisecond
	pollMost  = time.Second
	// pollLimit bounds one question: a connection that died in silence must not
	// eat the whole wait.
	pollLimit = 10 * time.Second
	// failingLimit is for how long a query says "failing" of what may yet recover: three
	// times what PostgreSQL pauses before it tries again.
	failingLimit = 15 * time.Second
)

// errHopeless is a wait whose query says "failed": it cannot come true any more.
var errHopeless = errors.New("the condition can no longer be met")

// errFailing is a wait whose query says "failing": it is so unless that passes.
var errFailing = errors.New("the condition cannot be met until an error is fixed")

// errHalted is a wait that a signal ended.
var errHalted = errors.New("the run was stopped")

// wait asks until the answer is true. A server that restarts refuses
// connections for a while: that is an answer like "not yet".
func (r *run) wait(ctx context.Context, m Machine, s plan.Step, op plan.Wait) error {
	if op.Timeout <= 0 {
		op.Timeout = r.opts.StepTimeout
	}
	op.Query = r.outputs.fill(s.Address, op.Query)
	ctx, leave := r.whileNotHalted(ctx)
	defer leave()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	left := newPatience(op, end)
	defer left.timer.Stop()
	began, every := r.env.Now(), pollFirst
	var stuck failingFor
	r.waiting(s, op, 0, "")
	for last := ""; ; every = min(every*3/2, pollMost) {
		met, detail, err := ask(ctx, m, op)
		if met {
			return nil
		}
		if permanent(err) {
			return fmt.Errorf("%s: %w", awaited(op), err)
		}
		over := stuck.seen(errors.Is(err, errFailing), r.env.Now())
		if errors.Is(err, errHopeless) || over {
			return fmt.Errorf("%s: %s", awaited(op), detail)
		}
		if op.Progress != nil && ctx.Err() == nil {
			detail = join(detail, left.look(ctx, r.env.Machines[op.Progress.Node], op))
		}
		if ctx.Err() == nil && detail != last {
			last = detail
			r.waiting(s, op, r.env.Now().Sub(began), r.secrets.strike(detail))
		}
		if err := pause(ctx, every); err != nil {
			if errors.Is(context.Cause(ctx), errHalted) {
				return errHalted
			}
			return unmet(op, err, last)
		}
	}
}

// failingFor is for how long a query has said "failing".
type failingFor struct {
	since time.Time
	other int // answers in a row that were others
}

// seen takes an answer, and reports whether that has lasted too long. One other answer
// between two is a moment in which it is tried again.
func (f *failingFor) seen(is bool, now time.Time) bool {
	switch {
	case !is:
		if f.other++; f.other > 1 {
			f.since = time.Time{}
		}
		return false
	case f.since.IsZero():
		f.since = now
	}
	f.other = 0
	return now.Sub(f.since) > failingLimit
}

// waiting reports what was seen.
func (r *run) waiting(s plan.Step, op plan.Wait, waited time.Duration, detail string) {
	r.events.emit(s, func(at At) Event {
		if op.Gate {
			return Gate{At: at, What: op.What, Else: op.Else, Timeout: op.Timeout, Waited: waited, Detail: detail}
		}
		return StepProgress{At: at, Detail: detail}
	})
}

// ask asks once. Columns after the first are for people.
func ask(ctx context.Context, m Machine, op plan.Wait) (met bool, detail string, err error) {
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	rows, err := m.Query(ctx, op.Database, op.Query)
	switch {
	case err != nil:
		return false, strings.Join(strings.Fields(err.Error()), " "), err // in one line
	case len(rows) == 0 || len(rows[0]) == 0:
		return false, "no row yet", nil
	case len(rows[0]) > 1:
		detail = strings.Join(rows[0][1:], ", ")
	}
	switch rows[0][0] {
	case "failed":
		return false, detail, errHopeless
	case "failing":
		return false, detail, errFailing
	}
	return len(rows) == 1 && rows[0][0] == "t", detail, nil
}

func join(a, b string) string {
	if a == "" || b == "" {
		return a + b
	}
	return a + ", " + b
}

// permanent reports whether asking again cannot help.
func permanent(err error) bool {
	var p interface{ Permanent() bool }
	return errors.As(err, &p) && p.Permanent()
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// awaited says what a step waits for: of a gate What names a state, of another wait it is a
// clause.
func awaited(op plan.Wait) string {
	if op.Gate {
		return "waiting for " + op.What
	}
	return "waiting until " + op.What
}

// unmet says what was waited for without success, what was seen last, and what a gate
// keeps from happening.
func unmet(op plan.Wait, cause error, last string) error {
	err := fmt.Errorf("%s: %w", awaited(op), cause)
	if last != "" {
		err = fmt.Errorf("%w; last seen: %s", err, last)
	}
	if op.Gate && op.Else != "" {
		err = fmt.Errorf("%w; stopped here because %s", err, op.Else)
	}
	return err
}
