package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"github.com/repltool/repltool/facts"
)

// Error is a failure to reach a machine or to do something there, classified
// once, where it is first seen.
type Error struct {
	Kind facts.ErrorKind
	Node string // of the topology; "" where it is not known
	Op   string // what was tried: "ssh: dial 10.0.0.1:22"
	Err  error  // the cause
	Hint string // what the user can do; several lines are commands
}

// Error tells node, operation and cause.
func (e *Error) Error() string {
	if e.Node == "" {
		return e.Text()
	}
	return e.Node + ": " + e.Text()
}

// Text tells operation and cause without the node.
func (e *Error) Text() string {
	switch {
	case e.Err == nil:
		return e.Op
	case e.Op == "":
		return e.Err.Error()
	}
	return fmt.Sprintf("%s: %v", e.Op, e.Err)
}

// HintText returns what the user can do, or "".
func (e *Error) HintText() string { return e.Hint }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ErrLost is a connection that was lost under an operation. What became of the operation
// is not known, unless NotBegun says so.
var ErrLost = errors.New("connection lost")

// notBegun is the error of an operation of which nothing was begun.
type notBegun struct{ error }

func (e notBegun) Unwrap() error { return e.error }

// MarkNotBegun marks the error of an operation of which nothing was begun: it may be tried
// again over another connection.
func MarkNotBegun(err error) error { return notBegun{err} }

// NotBegun reports whether err is marked so.
func NotBegun(err error) bool {
	var mark notBegun
	return errors.As(err, &mark)
}

// ReadError says what err is in the words of facts; nil for nil. An error that
// nobody classified is told by what it wraps.
func ReadError(err error) *facts.ReadError {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return &facts.ReadError{Kind: e.Kind, Text: e.Text(), Hint: e.Hint}
	}
	return &facts.ReadError{Kind: kindOf(err), Text: err.Error()}
}

func kindOf(err error) facts.ErrorKind {
	var ne net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return facts.TimedOut
	case errors.As(err, &ne) && ne.Timeout():
		return facts.TimedOut
	case errors.Is(err, fs.ErrPermission):
		return facts.NoPrivilege
	}
	return facts.ReadFailed
}
