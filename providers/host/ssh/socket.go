package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/repltool/repltool/providers/host"
)

// Dial opens a Unix socket of the machine as the OS user. Why the socket could not
// be opened is the error of the first Read: waiting for it here would cost a round
// trip.
func (c *conn) Dial(ctx context.Context, socket string) (net.Conn, error) {
	if c.become == becomeDirect {
		direct, err := within(ctx, c, func() (net.Conn, error) { return c.chain.client.DialContext(ctx, "unix", socket) })
		var refused *ssh.OpenChannelError
		switch {
		case err == nil:
			half, _ := direct.(halfCloser)
			return newSocket(socket, direct, half, func() { direct.Close() }, nil), nil
		case !errors.As(err, &refused):
			return nil, c.named(c.failed("open "+socket, err))
		}
		// Forwarding is forbidden, or the socket cannot be opened: the pump
		// works without the one and tells about the other.
	}
	p, err := c.start(ctx, []string{"sh", "-c", pumpText, "sh", socket}, false, false)
	if err != nil {
		return nil, c.named(err)
	}
	return newSocket(socket, p.marked(p.stdout), p, p.end, func() error { return p.pumpError(socket) }), nil
}

// pumpError says why the pump ended; nil when the server closed the connection.
func (p *process) pumpError(socket string) error {
	closed := make(chan struct{})
	close(closed)
	err := p.wait(closed)
	var exit *host.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return err
	}
	cause := errors.New(exit.Stderr)
	if exit.Stderr == "" {
		cause = fmt.Errorf("exit status %d", exit.Code)
	}
	for text, is := range map[string]error{"No such file or directory": fs.ErrNotExist, "Permission denied": fs.ErrPermission} {
		if strings.Contains(exit.Stderr, text) {
			cause = fmt.Errorf("%s (%w)", exit.Stderr, is)
		}
	}
	return fmt.Errorf("%s: open %s as %s: %w", p.conn.node, socket, p.conn.osUser, cause)
}

// socket is a net.Conn over two streams. A pipe lends it the deadlines that SSH
// channels do not have.
type socket struct {
	net.Conn
	name string
	err  atomic.Pointer[error]
}

const closeGrace = time.Second

// newSocket joins the far side's streams. end closes them; why, if set, tells
// after the end of r why it ended.
func newSocket(name string, r io.Reader, w halfCloser, end func(), why func() error) *socket {
	near, far := net.Pipe()
	s := &socket{Conn: near, name: name}
	done := make(chan struct{})
	go func() { // to the server; ends when near is closed
		io.Copy(w, far)
		w.CloseWrite()
		select {
		case <-done:
		case <-time.After(closeGrace):
		}
		end()
	}()
	go func() {
		io.Copy(far, r)
		if why != nil {
			if err := why(); err != nil {
				s.err.Store(&err)
			}
		}
		far.Close()
		close(done)
	}()
	return s
}

type halfCloser interface {
	io.Writer
	CloseWrite() error
}

// Read returns the server's bytes; where none can come, why.
func (s *socket) Read(b []byte) (int, error) {
	n, err := s.Conn.Read(b)
	if err == io.EOF {
		if why := s.err.Load(); why != nil {
			return n, *why
		}
	}
	return n, err
}

// Write returns why the connection ended, too: a client writes before it reads.
func (s *socket) Write(b []byte) (int, error) {
	n, err := s.Conn.Write(b)
	if errors.Is(err, io.ErrClosedPipe) {
		if why := s.err.Load(); why != nil {
			return n, *why
		}
	}
	return n, err
}

func (s *socket) LocalAddr() net.Addr  { return &net.UnixAddr{Net: "unix"} }
func (s *socket) RemoteAddr() net.Addr { return &net.UnixAddr{Name: s.name, Net: "unix"} }
