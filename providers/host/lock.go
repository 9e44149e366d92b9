package host

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

//go:embed lock.sh
var lockText string

// lockHeld is the script's exit status for a lock that somebody else holds.
const lockHeld = 75

// lockBeat is how often a holder tells that it lives. A lock whose holder is silent
// for lockSilence is given up by its machine: a connection that was cut without a
// word keeps nothing.
const (
	lockBeat    = 5 * time.Second
	lockSilence = 30 * time.Second
)

// Lock is held on a machine for as long as its session lives.
type Lock struct {
	stdin *io.PipeWriter
	lost  chan struct{}
	err   error // why it was lost; set before lost is closed
	once  sync.Once
}

// LockedError is a lock that somebody else holds.
type LockedError struct {
	Key    string
	Holder string // what the holder wrote: who, since when; "" when not known
}

func (e *LockedError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "somebody who left no name"
	}
	return fmt.Sprintf("the lock %s is held by %s", e.Key, holder)
}

// AcquireLock takes the lock of that key on the machine, waiting at most timeout.
// who is shown to others who want it: user, machine and process; when it was taken
// is added. ctx bounds the taking only; Release ends the holding.
func AcquireLock(ctx context.Context, c Conn, stateDir, key, who string, timeout time.Duration) (*Lock, error) {
	if err := checkJobID(key); err != nil {
		return nil, fmt.Errorf("lock %q: %w", key, err)
	}
	in, stdin := io.Pipe()
	out := &lockOutput{taken: make(chan struct{})}
	l := &Lock{stdin: stdin, lost: make(chan struct{})}
	hold, stop := context.WithCancel(context.WithoutCancel(ctx))
	go func() {
		defer stop()
		_, err := c.Run(hold, Command{
			Argv: []string{
				"sh", "-c", lockText, "sh", path.Join(stateDir, "locks"), key, oneLine(who),
				strconv.FormatFloat(timeout.Seconds(), 'f', 2, 64), fmt.Sprint(int(lockSilence.Seconds())),
			},
			Stdin: in, Stdout: out,
		})
		in.CloseWithError(io.ErrClosedPipe)
		l.err = lockError(key, out.String(), err)
		close(l.lost)
	}()
	select {
	case <-out.taken:
		go l.beat()
		return l, nil
	case <-l.lost:
		return nil, l.err
	case <-ctx.Done():
		stdin.Close()
		stop()
		return nil, fmt.Errorf("lock %s: %w", key, context.Cause(ctx))
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// lockError tells why a lock was not got, or was lost.
func lockError(key, output string, err error) error {
	var exit *ExitError
	switch {
	case err == nil:
		return fmt.Errorf("lock %s: %w", key, errors.New("its session ended"))
	case errors.As(err, &exit) && exit.Code == lockHeld:
		return &LockedError{Key: key, Holder: strings.TrimSpace(output)}
	}
	if exit != nil {
		exit.Argv = []string{"lock " + key}
	}
	return fmt.Errorf("lock %s: %w", key, err)
}

// beat tells the machine that we live.
func (l *Lock) beat() {
	ticker := time.NewTicker(lockBeat)
	defer ticker.Stop()
	for {
		select {
		case <-l.lost:
			return
		case <-ticker.C:
			if _, err := l.stdin.Write([]byte("x")); err != nil {
				return
			}
		}
	}
}

// Lost is closed when the lock is no longer held: released, or its connection died.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Err tells why the lock was lost, once it was.
func (l *Lock) Err() error {
	select {
	case <-l.lost:
		return l.err
	default:
		return nil
	}
}

// Release gives the lock up and waits until the machine has.
func (l *Lock) Release(ctx context.Context) error {
	l.once.Do(func() { l.stdin.Close() })
	select {
	case <-l.lost:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lockOutput waits for the script's first word.
type lockOutput struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	taken chan struct{}
	once  sync.Once
}

func (o *lockOutput) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.buf.Write(b)
	if strings.HasPrefix(o.buf.String(), "taken\n") {
		o.once.Do(func() { close(o.taken) })
	}
	return len(b), nil
}

func (o *lockOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
