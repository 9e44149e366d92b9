package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cenkalti/backoff/v5"
	"golang.org/x/crypto/ssh"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

// maxHops bounds a chain of jump hosts: configurations may send one to the other.
const maxHops = 8

func joinHostPort(h string, port int) string { return net.JoinHostPort(h, strconv.Itoa(port)) }

// chain is a connection and the ones that it goes through.
type chain struct {
	client *ssh.Client
	hops   []*ssh.Client // nearest first
}

func (c *chain) Close() error {
	var err error
	if c.client != nil {
		err = c.client.Close()
	}
	for i := len(c.hops) - 1; i >= 0; i-- {
		c.hops[i].Close()
	}
	return err
}

// connector opens one chain.
type connector struct {
	options Options
	depth   int
}

// connect logs in to t, through its jump hosts.
func (k connector) connect(ctx context.Context, t *target) (*chain, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, t.timeout, errTooLong{t.timeout})
	defer cancel()
	through, err := k.jump(ctx, t.jumps)
	if err != nil {
		return nil, err
	}
	client, err := k.login(ctx, t, through.client)
	if err != nil {
		through.Close()
		return nil, err
	}
	if through.client != nil {
		through.hops = append(through.hops, through.client)
	}
	return &chain{client: client, hops: through.hops}, nil
}

// jump logs in to each of the hops, each through the one before. The first hop may
// have a ProxyJump of its own; the others are reached as the list says, like ssh -J.
func (k connector) jump(ctx context.Context, jumps []string) (*chain, error) {
	c := &chain{}
	for i, spec := range jumps {
		if k.depth++; k.depth > maxHops {
			c.Close()
			return nil, &host.Error{Kind: facts.Unreachable, Op: "ssh: ProxyJump " + spec, Err: fmt.Errorf("more than %d jumps: they may form a loop", maxHops)}
		}
		next, err := k.hop(ctx, strings.TrimSpace(spec), c.client, i == 0)
		if err != nil {
			c.Close()
			return nil, fmt.Errorf("jump host %s: %w", spec, err)
		}
		if c.client != nil {
			c.hops = append(c.hops, c.client)
		}
		c.hops = append(c.hops, next.hops...)
		c.client = next.client
	}
	return c, nil
}

func (k connector) hop(ctx context.Context, spec string, through *ssh.Client, first bool) (*chain, error) {
	d, err := parseDestination(spec)
	if err != nil {
		return nil, &host.Error{Kind: facts.Unreachable, Op: "ssh: ProxyJump", Err: err}
	}
	t, err := resolve(ctx, d, k.options)
	if err != nil {
		return nil, err
	}
	if first && len(t.jumps) > 0 {
		return k.connect(ctx, t)
	}
	client, err := k.login(ctx, t, through)
	return &chain{client: client}, err
}

// login dials and authenticates, again where the server was only too busy: sshd
// drops connections at random above MaxStartups.
func (k connector) login(ctx context.Context, t *target, through *ssh.Client) (*ssh.Client, error) {
	keys, err := loadHostKeys(t, k.options.ConfigFile)
	if err != nil {
		return nil, err
	}
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 150*time.Millisecond, 2*time.Second
	refused := 0
	attempt := func() (*ssh.Client, error) {
		client, err := k.once(ctx, t, through, keys)
		if errors.Is(err, syscall.ECONNREFUSED) {
			refused++
		}
		if err != nil && (refused > 1 || !transient(err)) {
			return nil, backoff.Permanent(err)
		}
		return client, err
	}
	client, err := backoff.Retry(ctx, attempt, backoff.WithBackOff(wait))
	var permanent *backoff.PermanentError
	if errors.As(err, &permanent) {
		err = permanent.Unwrap()
	}
	return client, classify(ctx, t, err)
}

// transient reports whether a try a moment later may go better: the server closed
// the connection before it said anything of keys, or refused it once.
func transient(err error) bool {
	var known *host.Error
	if errors.As(err, &known) {
		return false
	}
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.ECONNREFUSED) ||
		errors.Is(err, syscall.EPIPE) || strings.Contains(err.Error(), "Exceeded MaxStartups")
}

// once is one attempt.
func (k connector) once(ctx context.Context, t *target, through *ssh.Client, hk *hostKeys) (*ssh.Client, error) {
	conn, err := dialTCP(ctx, t.addr(), through)
	if err != nil {
		return nil, fmt.Errorf("dial: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	keys := loadKeys(t)
	defer keys.Close()
	c, channels, requests, err := ssh.NewClientConn(conn, hk.name(), &ssh.ClientConfig{
		User:              t.user,
		Auth:              []ssh.AuthMethod{ssh.PublicKeys(keys.signers...)},
		HostKeyCallback:   hk.check,
		HostKeyAlgorithms: hk.algorithms(),
	})
	if err != nil {
		conn.Close()
		return nil, authError(ctx, t, keys, err)
	}
	return ssh.NewClient(c, channels, requests), nil
}

func dialTCP(ctx context.Context, addr string, through *ssh.Client) (net.Conn, error) {
	if through != nil {
		return through.DialContext(ctx, "tcp", addr)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return promptly(conn), nil
}

// authError makes a refused login say which keys were tried.
func authError(ctx context.Context, t *target, keys *keyring, err error) error {
	text := err.Error()
	refused := strings.Contains(text, "unable to authenticate") || strings.Contains(text, "Too many authentication failures")
	if !refused || ctx.Err() != nil {
		return err
	}
	return &host.Error{
		Kind: facts.AuthFailed, Op: "ssh: log in as " + t.login(),
		Err: errors.New("the server accepted none of the keys"), Hint: keys.hint(t),
	}
}

// classify says what kept us from t.
func classify(ctx context.Context, t *target, err error) error {
	var known *host.Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &known):
		return err
	}
	e := &host.Error{Kind: facts.Unreachable, Op: "ssh: " + t.login(), Err: err}
	var late errTooLong
	if errors.As(context.Cause(ctx), &late) {
		e.Kind, e.Err = facts.TimedOut, late
	} else if ctx.Err() != nil {
		e.Err = context.Cause(ctx)
	}
	e.Hint = "To check: ssh " + host.Quote(t.name)
	return e
}

// errTooLong is the end of ConnectTimeout.
type errTooLong struct{ limit time.Duration }

func (e errTooLong) Error() string {
	return fmt.Sprintf("no login within %s (connect_timeout)", e.limit)
}
func (errTooLong) Timeout() bool     { return true }
func (errTooLong) Is(err error) bool { return err == context.DeadlineExceeded }
