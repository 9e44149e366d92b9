package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/repltool/repltool/plan"
)

// do runs one step. Its error names the node and what was tried, and holds no
// secret.
func (r *run) do(ctx context.Context, s plan.Step) (err error) {
	// What a machine answers is input: a panic over it is a failed step.
	defer func() {
		if p := recover(); p != nil {
			err = r.secrets.clean(s, fmt.Errorf("repltool cannot process what the node answered: %v; this is a bug in repltool, please report it with this message", p))
		}
	}()
	m := r.env.Machines[s.Node]
	switch op := s.Op.(type) {
	case plan.SQL:
		err = r.sql(ctx, m, op)
	case plan.File:
		err = r.file(ctx, m, op)
	case plan.Command:
		err = r.command(ctx, m, s, op)
	case plan.Wait:
		err = r.wait(ctx, m, s, op)
	}
	if err == nil {
		return nil
	}
	return r.secrets.clean(s, hinted(err))
}

// hinted adds the hint of a server's or a host's error, which is often the way out. One of
// several lines holds commands, and stands on lines of its own.
func hinted(err error) error {
	var source interface{ HintText() string }
	if !errors.As(err, &source) || source.HintText() == "" {
		return err
	}
	if hint := source.HintText(); strings.Contains(hint, "\n") {
		return fmt.Errorf("%w\nHINT: %s", err, hint)
	}
	return fmt.Errorf("%w (HINT: %s)", err, source.HintText())
}

func kind(op plan.Op) string {
	switch op.(type) {
	case plan.SQL:
		return "sql"
	case plan.File:
		return "file"
	case plan.Command:
		return "command"
	case plan.Wait:
		return "wait"
	}
	return "unknown"
}

// timeoutError is a step's own limit, as opposed to the caller's.
type timeoutError struct {
	after   time.Duration
	stalled bool // counted from the last progress
}

func (e *timeoutError) Error() string {
	if e.stalled {
		return fmt.Sprintf("no progress for %s", short(e.after))
	}
	return fmt.Sprintf("not finished after %s", short(e.after))
}

// Is makes it a context.DeadlineExceeded.
func (e *timeoutError) Is(target error) bool { return target == context.DeadlineExceeded }

// limit bounds ctx. Zero is no limit.
func limit(ctx context.Context, after time.Duration) (context.Context, context.CancelFunc) {
	if after <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeoutCause(ctx, after, &timeoutError{after: after})
}

// explain puts the limit's own words in place of what a broken-off operation
// says of it.
func explain(ctx context.Context, err error) error {
	var late *timeoutError
	if err != nil && errors.As(context.Cause(ctx), &late) {
		return fmt.Errorf("%w (%v)", late, err)
	}
	return err
}

// short prints 10m for 10m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if n := len(text) - len(zero); n > 0 && text[n:] == zero {
			text = text[:n+1]
		}
	}
	return text
}
