// Package ssh reaches a machine as `ssh HOST` would: the user's configuration,
// agent, certificates, jump hosts and known hosts, on one connection that carries
// many sessions.
//
// Rules:
//   - a host key that is unknown, changed or revoked is refused, with fingerprints
//     and the way to fix it; nothing but accept-new writes a known_hosts file;
//   - nothing ever asks: no passwords, no passphrases;
//   - at most eight sessions are open at a time (sshd's MaxSessions is 10); where
//     the server allows fewer, the others wait;
//   - a dead peer is noticed within 20 seconds;
//   - every program runs as the node's OS user: directly where the login is that
//     user, else by sudo -n. What runs prints a mark first, so that what a login
//     shell or sudo said is told apart from what the program said.
package ssh

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// Options are what does not depend on the node.
type Options struct {
	// ConfigFile is given to ssh as -F; "" means the user's and the system's files.
	ConfigFile string
	// Program is the ssh client that resolves the configuration; "" means ssh of
	// PATH. Without one, the files are read by repltool itself.
	Program string
}

func (o Options) program() string {
	if o.Program == "" {
		return "ssh"
	}
	return o.Program
}

// become is how the OS user is become.
type become int

const (
	becomeDirect become = iota // the login is the OS user, or is used as it is
	becomeSudo
)

// conn is a host.Conn over one SSH connection.
type conn struct {
	node   string
	target *target
	chain  *chain
	osUser string
	become become
	slots  slots

	closing sync.Once
	done    chan struct{} // closed by Close or by a lost connection
	lost    error         // set before done is closed
}

// Dial logs in to the node's machine. No command is run: that its OS user can be
// become is seen by the first one.
func Dial(ctx context.Context, node *topology.Node, o Options) (host.Conn, error) {
	c, err := dial(ctx, node, o)
	if err == nil {
		return c, nil
	}
	var known *host.Error
	if errors.As(err, &known) {
		told := *known
		told.Node = node.Name
		return nil, &told
	}
	return nil, fmt.Errorf("%s: %w", node.Name, err)
}

func dial(ctx context.Context, node *topology.Node, o Options) (*conn, error) {
	t, err := resolve(ctx, destination{host: node.Host, user: node.SSH.User, port: node.SSH.Port}, o)
	if err != nil {
		return nil, err
	}
	t.override(node.SSH)
	ch, err := connector{options: o}.connect(ctx, t)
	if err != nil {
		return nil, err
	}
	c := &conn{node: node.Name, target: t, chain: ch, slots: newSlots(), done: make(chan struct{})}
	c.setUser(node)
	go c.keepAlive()
	go func() { c.end(ended(ch.client.Wait())) }()
	return c, nil
}

func (c *conn) setUser(node *topology.Node) {
	c.osUser = node.OSUser
	if c.osUser == "" {
		c.osUser = "postgres"
	}
	switch {
	case node.SSH.Become == "none":
		c.osUser = c.target.user
	case c.osUser != c.target.user:
		c.become = becomeSudo
	}
}

// OSUser is the user that commands run as.
func (c *conn) OSUser() string { return c.osUser }

// Lost is closed once the connection is gone.
func (c *conn) Lost() <-chan struct{} { return c.done }

// Close ends every session and the connection.
func (c *conn) Close() error {
	c.end(os.ErrClosed)
	return nil
}

// end closes everything once, for the reason given.
func (c *conn) end(why error) {
	c.closing.Do(func() {
		c.lost = why
		close(c.done)
		c.chain.Close()
	})
}
