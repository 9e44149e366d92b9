package host

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"time"
)

// What a machine's programs print and its files hold is input: each way to a machine takes
// no more of it than fits into memory, and waits no longer than its context.

// MostOutput is what a program may print, and a file hold, where it is kept in memory.
const MostOutput = 64 << 20

// ErrTooMuch is output, or a file, that is larger.
var ErrTooMuch = fmt.Errorf("more than %d MB, the maximum that repltool reads; it may print without end", MostOutput>>20)

// Output keeps what a program prints; a Write beyond MostOutput fails with ErrTooMuch.
type Output struct{ buf bytes.Buffer }

func (o *Output) Write(text []byte) (int, error) {
	if o.buf.Len()+len(text) > MostOutput {
		return 0, ErrTooMuch
	}
	return o.buf.Write(text)
}

// Bytes returns what was printed.
func (o *Output) Bytes() []byte { return o.buf.Bytes() }

// Tail keeps the last bytes that were written to it. It may be read meanwhile.
type Tail struct {
	mu  sync.Mutex
	buf []byte
}

const tailSize = 8 << 10

func (t *Tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > 2*tailSize {
		t.buf = append([]byte(nil), t.buf[len(t.buf)-tailSize:]...)
	}
	return len(b), nil
}

func (t *Tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.buf)
}

// NoAnswer is a program that did not end in time. It is a context.DeadlineExceeded.
type NoAnswer struct {
	After time.Duration
	Shell bool // the program did not begin: the login shell did not come to it
}

func (e NoAnswer) Error() string {
	text := "no answer in " + e.After.Round(time.Second).String()
	if e.Shell {
		text += "; the login shell may be waiting for input, or printing without end"
	}
	return text
}

// Is makes it a context.DeadlineExceeded.
func (NoAnswer) Is(target error) bool { return target == context.DeadlineExceeded }
