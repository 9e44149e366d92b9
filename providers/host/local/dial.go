package local

import (
	"context"
	"fmt"
	"net"
)

// Dial opens a Unix socket as the OS user.
func (c *conn) Dial(ctx context.Context, socket string) (net.Conn, error) {
	var conn net.Conn
	err := c.become(func() error {
		var err error
		conn, err = (&net.Dialer{}).DialContext(ctx, "unix", socket)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: open %s as %s: %w", c.node, socket, c.as.name, err)
	}
	return conn, nil
}
