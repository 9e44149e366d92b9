package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/repltool/repltool/plan"
)

// command runs a program to its end, attached or as a job.
func (r *run) command(ctx context.Context, m Machine, s plan.Step, op plan.Command) error {
	ctx, cancel := limit(ctx, op.Timeout)
	defer cancel()
	if op.Job != "" {
		err := explain(ctx, r.job(ctx, m, s, op))
		if err != nil && op.Remedy != "" && strings.Contains(err.Error(), "no pg_hba.conf entry") {
			return fmt.Errorf("%w\n%s", err, op.Remedy)
		}
		return err
	}
	output, err := runProgram(ctx, m, op)
	if err = explain(ctx, err); err == nil && op.Prints != "" {
		err = r.outputs.keep(s.Address, op.Prints, output)
	}
	if err != nil && op.Remedy != "" {
		return fmt.Errorf("%w\n%s", err, op.Remedy)
	}
	return err
}

// job starts a detached program, or finds the one that an earlier apply started, and
// follows it. Once the run is stopped it is left: it runs on by itself.
func (r *run) job(ctx context.Context, m Machine, s plan.Step, op plan.Command) error {
	ctx, leave := r.whileNotHalted(ctx)
	defer leave()
	meter := &meter{now: r.env.Now, total: op.Bytes}
	err := m.Job(ctx, op.Job, op.Argv, func(done, total int64) {
		p := meter.read(done, total)
		r.events.emit(s, func(at At) Event { p.At = at; return p })
	})
	if err != nil && ctx.Err() != nil {
		left := fmt.Errorf("job %s keeps running on %s, and the next apply waits for it", op.Job, s.Node)
		if errors.Is(context.Cause(ctx), errHalted) {
			return fmt.Errorf("%w: %w", left, errHalted)
		}
		return fmt.Errorf("%w: %w", left, err)
	}
	return err
}

// whileNotHalted bounds ctx by the run's being stopped, for what need not be waited for:
// a wait changes nothing, and a detached program needs nobody.
func (r *run) whileNotHalted(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, halt := context.WithCancelCause(ctx)
	go func() {
		select {
		case <-r.halted:
			halt(errHalted)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { halt(nil) }
}
