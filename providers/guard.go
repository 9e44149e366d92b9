package providers

import (
	"fmt"
	"runtime"
	"strings"

	"github.com/repltool/repltool/facts"
)

// What a machine answers is input. A reader that panics over it is a bug in repltool, and
// costs the reading of that one node, never the run: every goroutine that reads goes
// through guarded, since a panic in any of them would end the process.

// guarded runs a reading and returns a panic as why there is none.
func guarded(read func()) (failed *facts.ReadError) {
	defer func() {
		if p := recover(); p != nil {
			failed = &facts.ReadError{
				Kind: facts.BadData,
				Text: fmt.Sprintf("repltool cannot process the data that this node returned: %v (%s)", p, panicked()),
				Hint: "This is a bug in repltool: please report it with this message.",
			}
		}
	}()
	read()
	return nil
}

// panicked names the line of ours that panicked.
func panicked() string {
	pc := make([]uintptr, 32)
	frames := runtime.CallersFrames(pc[:runtime.Callers(3, pc)])
	for {
		frame, more := frames.Next()
		if !strings.HasPrefix(frame.Function, "runtime.") {
			return fmt.Sprintf("%s:%d", frame.Function[strings.LastIndexByte(frame.Function, '/')+1:], frame.Line)
		}
		if !more {
			return "unknown place"
		}
	}
}

// asError makes an error of it; nil stays nil.
func asError(e *facts.ReadError) error {
	if e == nil {
		return nil
	}
	return &panicError{e}
}

// panicError is a reading that panicked.
type panicError struct{ is *facts.ReadError }

func (e *panicError) Error() string { return e.is.Text }
