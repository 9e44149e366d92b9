package host

import (
	"bytes"
	"context"
	"crypto/rand"
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

// The script's exit statuses for a lock that someone else holds, and for one that
// someone else held since we did.
const (
	lockHeld   = 75
	lockPassed = 76
)

// lockBeat is how often a holder says that it lives. A lock whose holder is silent for
// LockSilence is given up by its machine: a connection that was cut without a word keeps
// nothing.
const (
	lockBeat    = 5 * time.Second
	LockSilence = 30 * time.Second
)

// Lock is held on a machine for as long as its session lives.
type Lock struct {
	take  taking
	stdin *io.PipeWriter
	lost  chan struct{}
	err   error // why it was lost; set before lost is closed
	once  sync.Once

	mu      sync.Mutex
	sent    []time.Time // beats that the machine has not answered
	renewed time.Time   // when the last beat that it answered was sent
}

// taking is what a lock is taken with.
type taking struct {
	stateDir, key, who, token string
	timeout                   time.Duration
	again                     bool // it was held before
}

// LockedError is a lock that someone else holds, or has held since its holder lost it.
type LockedError struct {
	Key    string
	Holder string // what the holder wrote: who, since when; "" when not known
	Passed bool   // it was held by someone else since; it may be free by now
}

func (e *LockedError) Error() string {
	holder := e.Holder
	if holder == "" {
		holder = "an unknown holder"
	}
	return fmt.Sprintf("lock %s is held by %s", e.Key, holder)
}

// AcquireLock takes the lock of that key on the machine, waiting at most timeout.
// who is shown to others who want it: user, machine and process; when it was taken
// is added. ctx bounds the taking only; Release ends the holding.
func AcquireLock(ctx context.Context, c Conn, stateDir, key, who string, timeout time.Duration) (*Lock, error) {
	if err := checkJobID(key); err != nil {
		return nil, fmt.Errorf("lock %q: %w", key, err)
	}
	return acquire(ctx, c, taking{stateDir: stateDir, key: key, who: oneLine(who), token: rand.Text(), timeout: timeout})
}

// Again takes a lock again that was lost with its connection, over another one. A
// *LockedError reports that someone else has it or had it in between: then what was read
// under the lock may no longer be so.
func (l *Lock) Again(ctx context.Context, c Conn) (*Lock, error) {
	t := l.take
	t.again, t.timeout = true, 2*time.Second // someone may only look whether it is held
	return acquire(ctx, c, t)
}

func acquire(ctx context.Context, c Conn, t taking) (*Lock, error) {
	in, stdin := io.Pipe()
	l := &Lock{take: t, stdin: stdin, lost: make(chan struct{}), renewed: time.Now()}
	out := &lockOutput{taken: make(chan struct{}), kept: l.kept}
	hold, stop := context.WithCancel(context.WithoutCancel(ctx))
	again := ""
	if t.again {
		again = "again"
	}
	go func() {
		defer stop()
		_, err := c.Run(hold, Command{
			Argv: []string{
				"sh", "-c", lockText, "sh", path.Join(t.stateDir, "locks"), t.key, t.who,
				strconv.FormatFloat(t.timeout.Seconds(), 'f', 2, 64), fmt.Sprint(int(LockSilence.Seconds())), t.token, again,
			},
			Stdin: in, Stdout: out,
		})
		in.CloseWithError(io.ErrClosedPipe)
		l.err = lockError(t.key, out.String(), err)
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
		return nil, fmt.Errorf("lock %s: %w", t.key, context.Cause(ctx))
	}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

// lockError says why a lock was not got, or was lost.
func lockError(key, output string, err error) error {
	var exit *ExitError
	switch {
	case err == nil:
		return fmt.Errorf("lock %s: %w", key, errors.New("its session ended"))
	case errors.As(err, &exit) && (exit.Code == lockHeld || exit.Code == lockPassed):
		return &LockedError{Key: key, Holder: strings.TrimSpace(output), Passed: exit.Code == lockPassed}
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
			l.mu.Lock()
			l.sent = append(l.sent, time.Now())
			l.mu.Unlock()
			if _, err := l.stdin.Write([]byte("x")); err != nil {
				return
			}
		}
	}
}

// kept takes in the machine's answer to the oldest beat.
func (l *Lock) kept() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.sent) > 0 {
		l.renewed, l.sent = l.sent[0], l.sent[1:]
	}
}

// Renewed returns since when at the latest the machine counts the silence after which it
// gives the lock up.
func (l *Lock) Renewed() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.renewed
}

// Lost is closed when the lock is no longer held: released, or its connection died.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Err says why the lock was lost, once it was.
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
	l.once.Do(func() {
		go func() {
			l.stdin.Write([]byte(".")) // fails where the connection is gone
			l.stdin.Close()
		}()
	})
	select {
	case <-l.lost:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// lockOutput hears the script: its first word, and its answers to beats.
type lockOutput struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	taken chan struct{}
	kept  func()
	held  bool
}

func (o *lockOutput) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.buf.Len()+len(b) > mostLine {
		return 0, ErrTooMuch
	}
	o.buf.Write(b)
	for o.next() {
	}
	return len(b), nil
}

// next takes in one whole line of a lock that is held.
func (o *lockOutput) next() bool {
	line, _, whole := strings.Cut(o.buf.String(), "\n")
	switch {
	case !whole || !o.held && line != "taken":
		return false // the holder's name: the lock is not ours
	case o.held:
		o.kept()
	default:
		o.held = true
		close(o.taken)
	}
	o.buf.Next(len(line) + 1)
	return true
}

func (o *lockOutput) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}
