// Command repltool describes PostgreSQL replication as code.
//
// Every verb is a file: flags into a struct, calls, exit code. wire.go and live.go
// join the providers to apply. The rules of the command line are those of
// docs/operations.md; in short:
//
//   - stdout is the result, stderr is progress, warnings and diagnostics;
//   - long flags take one dash or two, and there are no short ones;
//   - an exit code has one meaning in every verb: 0 done or in sync, 1 error,
//     2 changes or drift, 3 incomplete (fmt -check: not formatted), 4 stale plan or
//     lock held, 130 interrupted;
//   - the summary is the last line but one, the next command is the last;
//   - color only on a terminal, never with NO_COLOR, TERM=dumb or -no-color;
//   - everything that is written goes through the redactor of internal/view;
//   - a flag or a verb that is not built says so, or does not exist;
//   - nothing asks unless a terminal is there to answer.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run runs one command and returns its exit code.
func run(ctx context.Context, args []string, s streams) int { return newApp(s).run(ctx, args) }

func (a *app) run(ctx context.Context, args []string) (status int) {
	defer a.flush()
	defer func() { // Go's own exit code of a panic is 2, which says that there are changes
		if p := recover(); p != nil {
			a.fail(fmt.Errorf("internal error: %v\nThis is a bug in repltool: please report it with this message.\n%s", p, debug.Stack()))
			status = int(exitError)
		}
	}()
	ctx, done := a.signals.watch(ctx, a.err)
	defer done()
	root := a.root()
	root.SetArgs(normalise(root, args))
	err := root.ExecuteContext(ctx)
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	case ctx.Err() != nil && a.signals.caught():
		a.sayf("Interrupted.")
		return int(exitInterrupted)
	}
	a.fail(err)
	return int(exitError)
}
