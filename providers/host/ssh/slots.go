package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

const (
	maxSessions = 8
	// refusedLimit is how long a server may refuse a session. It counts one as open
	// a moment longer than we do, and its MaxSessions may be below our bound.
	refusedLimit = 30 * time.Second
)

// slots bounds the sessions that are open at a time.
type slots chan struct{}

func newSlots() slots { return make(slots, maxSessions) }

func (s slots) acquire(ctx context.Context, done <-chan struct{}) error {
	select {
	case s <- struct{}{}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		return fmt.Errorf("%w: no more sessions can be opened", host.ErrLost)
	}
}

func (s slots) release() { <-s }

// channel is what the server has opened.
type channel struct {
	ssh.Channel
	requests <-chan *ssh.Request
}

// within asks the server for a channel until it answers, the connection ends or the caller
// gives up. The library waits for an answer forever if the connection ends while it asks. A
// channel that comes later is closed.
func within[C io.Closer](ctx context.Context, c *conn, ask func() (C, error)) (opened C, err error) {
	type answer struct {
		opened C
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		opened, err := ask()
		answers <- answer{opened, err}
	}()
	select {
	case a := <-answers:
		return a.opened, a.err
	case <-c.done:
		err = c.lost
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	go func() {
		if a := <-answers; a.err == nil {
			_ = a.opened.Close() // nobody waits for it
		}
	}()
	return opened, err
}

// open opens a channel for a session, again while the server has too many.
func (c *conn) open(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	begin := time.Now()
	for wait := 20 * time.Millisecond; ; wait = min(2*wait, 500*time.Millisecond) {
		opened, err := within(ctx, c, func() (channel, error) {
			ch, requests, err := c.chain.client.OpenChannel("session", nil)
			return channel{ch, requests}, err
		})
		var refused *ssh.OpenChannelError
		switch {
		case err == nil:
			return opened.Channel, opened.requests, nil
		case ctx.Err() != nil:
			return nil, nil, context.Cause(ctx)
		case !errors.As(err, &refused):
			return nil, nil, c.failed("open a session", err)
		case time.Since(begin) > refusedLimit:
			return nil, nil, c.tooMany(refused)
		}
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%w (the server refuses more sessions: %s)", context.Cause(ctx), refused.Message)
		}
	}
}

func (c *conn) tooMany(err error) error {
	return &host.Error{
		Kind: facts.ReadFailed, Node: c.node, Op: "ssh: " + c.target.login() + ": open a session", Err: err,
		Hint: "MaxSessions in sshd_config of " + c.target.name + " is too low: the default, 10, is enough.",
	}
}
