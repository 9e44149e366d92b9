package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/repltool/repltool/providers/host"
)

// cancelGrace is how long a canceled program has to end.
const cancelGrace = 2 * time.Second

// Run runs a command to its end.
func (c *conn) Run(ctx context.Context, cmd host.Command) ([]byte, error) {
	p, err := c.start(ctx, cmd.Argv, cmd.Root, cmd.Stdin == nil)
	if err != nil {
		return nil, c.named(err)
	}
	defer p.end()
	if cmd.Stdin != nil {
		go p.feed(cmd.Stdin)
	}
	began := time.Now()
	var out host.Output
	to := cmd.Stdout
	if to == nil {
		to = &out
	}
	kept := &gate{w: to}
	read := make(chan struct{})
	var writeErr error
	go func() {
		defer close(read)
		if _, writeErr = io.Copy(kept, p.stdout); errors.Is(writeErr, host.ErrTooMuch) {
			p.session.end() // it would wait for a reader for good
		}
	}()
	ended := make(chan error, 1)
	go func() { ended <- p.wait(read) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		defer kept.shut()
		return nil, p.cancel(ctx, time.Since(began), cmd.Stdin == nil, ended, read)
	}
	select {
	case <-read:
		if writeErr != nil && (err == nil || errors.Is(writeErr, host.ErrTooMuch)) {
			err = fmt.Errorf("%s: output of %s: %w", c.node, cmd.Argv[0], writeErr)
		}
		return out.Bytes(), err
	default: // a child that was left behind holds the output open
		p.end()
		<-read
		return out.Bytes(), err
	}
}

// feed hands the command its input. A program that ends before it has read
// everything is no error here: its exit status tells.
func (p *process) feed(r io.Reader) {
	io.Copy(p, r)
	p.CloseWrite()
}

// cancel tells the program to end, waits a moment, and ends the session.
func (p *process) cancel(ctx context.Context, after time.Duration, watched bool, ended <-chan error, read <-chan struct{}) error {
	if watched {
		io.WriteString(p, "end\n")
	}
	p.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{"TERM"}))
	select {
	case <-ended:
	case <-time.After(cancelGrace):
	}
	p.end()
	select {
	case <-read:
	case <-time.After(cancelGrace): // sshd closes a channel when its program has ended
	}
	cause := context.Cause(ctx)
	if cause == context.DeadlineExceeded {
		cause = host.NoAnswer{After: after, Shell: p.marks.Load() == 0}
	}
	return fmt.Errorf("%s: %s: %w", p.conn.node, p.argv[0], cause)
}

// gate hands on what is written until it is shut.
type gate struct {
	mu     sync.Mutex
	w      io.Writer
	closed bool
}

func (g *gate) Write(text []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.closed {
		return 0, io.ErrClosedPipe
	}
	return g.w.Write(text)
}

func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
}

// named puts the node before an error that does not tell it.
func (c *conn) named(err error) error {
	var known *host.Error
	if errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("%s: %w", c.node, err)
}
