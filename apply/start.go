package apply

import (
	"context"
	"time"

	"github.com/repltool/repltool/plan"
)

// A program that starts a server may wait for longer than is needed. The step is done
// once the server itself answers that it was started since the program began; what
// cannot be told that way is left to the program's own end. How a start fails only the
// program knows, so that its error counts whenever it ends first.

const (
	startedFirst = 20 * time.Millisecond
	startedMost  = 250 * time.Millisecond
)

// runProgram runs a program to its end, or until the server that it starts answers.
func runProgram(ctx context.Context, m Machine, op plan.Command) (string, error) {
	if !op.Starts {
		return m.Run(ctx, op.Argv, op.Root)
	}
	before, err := m.Started(ctx)
	if err != nil {
		return m.Run(ctx, op.Argv, op.Root)
	}
	program, stop := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() {
		defer stop()
		_, err := m.Run(program, op.Argv, op.Root)
		ended <- err
	}()
	err, left := awaitStarted(ctx, m, before, ended)
	if !left && ctx.Err() != nil {
		stop()
		return "", <-ended
	}
	return "", err
}

// awaitStarted asks until the server was started at another time than before, or the
// program has ended; left reports that the program runs on.
func awaitStarted(ctx context.Context, m Machine, before string, ended <-chan error) (err error, left bool) {
	for every := startedFirst; ; every = min(every*3/2, startedMost) {
		timer := time.NewTimer(every)
		select {
		case err := <-ended:
			timer.Stop()
			return err, false
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err(), false
		case <-timer.C:
		}
		if now := startedNow(ctx, m); now == "" || now == before {
			continue
		}
		select {
		case err := <-ended:
			return err, false
		default:
			return nil, true
		}
	}
}

// startedNow is Started for who asks again: what fails is no answer yet.
func startedNow(ctx context.Context, m Machine) string {
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	now, err := m.Started(ctx)
	if err != nil {
		return ""
	}
	return now
}
