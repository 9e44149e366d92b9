package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/repltool/repltool/providers/host"
)

// cancelGrace is how long a cancelled program has to end.
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
	var out bytes.Buffer
	to := cmd.Stdout
	if to == nil {
		to = &out
	}
	read := make(chan struct{})
	var writeErr error
	go func() {
		defer close(read)
		_, writeErr = io.Copy(to, p.stdout)
	}()
	ended := make(chan error, 1)
	go func() { ended <- p.wait(read) }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		return nil, p.cancel(ctx, cmd.Stdin == nil, ended, read)
	}
	select {
	case <-read:
		if err == nil && writeErr != nil {
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
func (p *process) cancel(ctx context.Context, watched bool, ended <-chan error, read <-chan struct{}) error {
	if watched {
		io.WriteString(p, "end\n")
	}
	p.SendRequest("signal", false, ssh.Marshal(struct{ Name string }{"TERM"}))
	select {
	case <-ended:
	case <-time.After(cancelGrace):
	}
	p.end()
	<-read
	return fmt.Errorf("%s: %s: %w", p.conn.node, p.argv[0], context.Cause(ctx))
}

// named puts the node before an error that does not tell it.
func (c *conn) named(err error) error {
	var known *host.Error
	if errors.As(err, &known) {
		return err
	}
	return fmt.Errorf("%s: %w", c.node, err)
}
