package ssh

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

const (
	keepAliveEvery = 5 * time.Second
	keepAliveLimit = 12 * time.Second
)

// keepAlive asks the server for an answer every few seconds, and ends the
// connection when none comes: TCP alone would wait for a quarter of an hour.
func (c *conn) keepAlive() {
	ticker := time.NewTicker(keepAliveEvery)
	defer ticker.Stop()
	for {
		select {
		case <-c.done:
			return
		case <-ticker.C:
		}
		late := time.AfterFunc(keepAliveLimit, func() {
			c.end(fmt.Errorf("no answer within %s", keepAliveLimit))
		})
		_, _, err := c.chain.client.SendRequest("keepalive@openssh.com", true, nil)
		late.Stop()
		if err != nil {
			c.end(err)
			return
		}
	}
}

// ended says why a connection ended of which the server closed the other end.
func ended(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

// failed makes an error of a session that did not end by itself: where the
// connection is gone, that is reported instead of an EOF.
func (c *conn) failed(op string, err error) error {
	select {
	case <-c.done:
		err = c.lost
	default:
	}
	if errors.Is(err, os.ErrClosed) {
		return &host.Error{Kind: facts.ReadFailed, Node: c.node, Op: op, Err: errors.New("the connection was closed")}
	}
	return &host.Error{
		Kind: facts.Unreachable, Node: c.node, Op: "ssh: " + c.target.login() + ": " + op,
		Err: fmt.Errorf("%w: %w", host.ErrLost, err),
	}
}
