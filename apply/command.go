package apply

import (
	"context"
	"fmt"

	"github.com/repltool/repltool/plan"
)

// command runs a program to its end, attached or as a job.
func (r *run) command(ctx context.Context, m Machine, s plan.Step, op plan.Command) error {
	ctx, cancel := limit(ctx, op.Timeout)
	defer cancel()
	if op.Job != "" {
		return explain(ctx, r.job(ctx, m, s, op))
	}
	err := explain(ctx, m.Run(ctx, op.Argv, op.Root))
	if err != nil && op.Remedy != "" {
		return fmt.Errorf("%w\n%s", err, op.Remedy)
	}
	return err
}

// job starts a detached program, or takes up the one that an earlier apply
// started, and watches it.
func (r *run) job(ctx context.Context, m Machine, s plan.Step, op plan.Command) error {
	meter := &meter{now: r.env.Now, total: op.Bytes}
	err := m.Job(ctx, op.Job, op.Argv, func(done, total int64) {
		p := meter.read(done, total)
		r.events.emit(s, func(at At) Event { p.At = at; return p })
	})
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("job %s goes on without us, and the next apply finds it again: %w", op.Job, err)
	}
	return err
}
