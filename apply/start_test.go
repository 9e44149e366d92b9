package apply

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/repltool/repltool/plan"
)

// startsAt returns each of the times once, and the last for good.
func startsAt(times ...string) func(context.Context) (string, error) {
	var asked atomic.Int64
	return func(context.Context) (string, error) {
		i := min(int(asked.Add(1)), len(times)) - 1
		if times[i] == "error" {
			return "", errors.New("too many clients already")
		}
		return times[i], nil
	}
}

// TestStarts runs a program that starts the server and waits for longer than needed.
func TestStarts(t *testing.T) {
	failed := errors.New("exit status 1: could not bind")
	for _, c := range []struct {
		name    string
		started []string
		ends    error // of the program once the server was asked three times; nil: it does not end
		want    string
		waits   bool // for the program's own end
	}{
		{name: "start", started: []string{"", "", "10:00"}, want: "a=done"},
		{name: "restart", started: []string{"9:00", "9:00", "", "10:00"}, want: "a=done"},
		{name: "a start that fails", started: []string{""}, ends: failed, want: "a=failed"},
		{name: "a restart that fails", started: []string{"9:00"}, ends: failed, want: "a=failed"},
		{name: "a server that cannot be asked before", started: []string{"error", "10:00"}, want: "a=done", waits: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld("n")
			var asked atomic.Int64
			third := make(chan struct{})
			answers := startsAt(c.started...)
			w.nodes["n"].started = func(ctx context.Context) (string, error) {
				if asked.Add(1) == 3 {
					close(third)
				}
				return answers(ctx)
			}
			cancelled, over := make(chan struct{}), make(chan struct{})
			defer close(over)
			w.nodes["n"].run = func(ctx context.Context, argv []string) error {
				if c.waits {
					return nil
				}
				if c.ends != nil {
					<-third
					return c.ends
				}
				select {
				case <-ctx.Done():
					close(cancelled)
				case <-over:
				}
				return ctx.Err()
			}
			r := Run(t.Context(), planOf(opStep("a", "n", plan.Command{Argv: []string{"start"}, Starts: true, Remedy: "see the log"})), w.Env, Options{})
			wantStates(t, r, c.want)
			if c.ends != nil && !strings.Contains(r.Err().Error(), c.ends.Error()+"\nsee the log") {
				t.Errorf("error: %v", r.Err())
			}
			if c.waits && asked.Load() != 1 {
				t.Errorf("asked %d times: its program's end is all that tells", asked.Load())
			}
			select {
			case <-cancelled:
				t.Error("the program was cancelled: it is to end by itself")
			default:
			}
		})
	}
}

// TestStartsTooLong cancels the program at the step's limit.
func TestStartsTooLong(t *testing.T) {
	w := newWorld("n")
	w.nodes["n"].run = func(ctx context.Context, _ []string) error {
		<-ctx.Done()
		return errors.New("it was cancelled")
	}
	r := Run(t.Context(), planOf(opStep("a", "n", plan.Command{Argv: []string{"start"}, Starts: true, Timeout: 30 * time.Millisecond})), w.Env, Options{})
	wantStates(t, r, "a=failed")
	if want := "not finished after 30ms (it was cancelled)"; !strings.Contains(r.Err().Error(), want) {
		t.Errorf("error %v, want %q", r.Err(), want)
	}
}
