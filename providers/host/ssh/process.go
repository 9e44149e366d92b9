package ssh

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

// process is a program that runs on the machine.
type process struct {
	*session
	conn   *conn
	stdout io.Reader // what the program writes, without what came before the mark
	root   bool
	argv   []string

	stderr     host.Tail
	stderrDone chan struct{}
	moved      atomic.Int64 // bytes that came in
	marks      atomic.Int32 // marks seen
}

// start runs argv; the caller must call end.
func (c *conn) start(ctx context.Context, argv []string, root, watch bool) (*process, error) {
	s, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	p := &process{session: s, conn: c, root: root, argv: argv, stderrDone: make(chan struct{})}
	p.stdout = p.marked(&counter{s.Channel, &p.moved})
	go func() {
		defer close(p.stderrDone)
		io.Copy(&p.stderr, &counter{s.Channel.Stderr(), &p.moved})
	}()
	if err := s.exec(c.line(argv, root, watch)); err != nil {
		s.end()
		return nil, c.failed("run "+argv[0], err)
	}
	return p, nil
}

// marked leaves out what comes before the next mark.
func (p *process) marked(r io.Reader) io.Reader {
	return &markReader{r: r, seen: func() { p.marks.Add(1) }}
}

// drainLimit is how long no byte may come after a program's end, from one look to
// the next.
const drainLimit = 6 * time.Second

// wait waits for the program's exit status and then for what it wrote. A child that
// it left behind may hold its output open: waits only while bytes come.
func (p *process) wait(stdoutDone <-chan struct{}) error {
	code, err := p.session.wait()
	ticker := time.NewTicker(drainLimit)
	defer ticker.Stop()
	before, still := int64(-1), false
	for _, done := range []<-chan struct{}{stdoutDone, p.stderrDone} {
		for open := true; open && !still; {
			select {
			case <-done:
				open = false
			case <-ticker.C:
				now := p.moved.Load()
				still, before = now == before, now
			}
		}
	}
	return p.verdict(code, err)
}

// verdict says how the program ended.
func (p *process) verdict(code int, err error) error {
	switch {
	case err != nil:
		return p.conn.failed("run "+p.argv[0], err)
	case code == 0:
		return nil
	}
	stderr := p.stderr.String()
	sudoSaid := strings.HasPrefix(strings.TrimSpace(stderr), "sudo:")
	if p.marks.Load() == 0 || p.root && sudoSaid && code == 1 {
		return p.conn.noPrivilege(p.root, stderr, code)
	}
	return &host.ExitError{Argv: p.argv, Code: code, Stderr: host.LastLines(stderr, 20)}
}

func (c *conn) noPrivilege(root bool, stderr string, code int) error {
	user := c.osUser
	if root {
		user = "root"
	}
	text := host.LastLines(stderr, 3)
	silent := text == ""
	if silent {
		text = fmt.Sprintf("the login shell exited with status %d before it ran the command, without output", code)
	}
	e := &host.Error{Kind: facts.NoPrivilege, Node: c.node, Op: "ssh: " + c.target.login() + ": become " + user, Err: errors.New(text)}
	switch {
	case silent && code != 127:
		e.Hint = "Check what the login's start-up files (.bashrc, .profile) do in a session without a terminal:\n  ssh " + c.target.login() + " true"
	case c.become == becomeDirect && !root:
		e.Op = "ssh: " + c.target.login() + ": run a command"
		e.Hint = "The user must have a login shell. To check: ssh " + c.target.login() + " true"
	case strings.Contains(text, "unknown user"):
		e.Hint = "There is no OS user " + user + ": install PostgreSQL, or name the user in os_user."
	case code == 127:
		e.Hint = "Install sudo there, or log in as " + user + "."
	default:
		e.Hint = c.sudoHint(root)
	}
	return e
}

// counter counts what is read.
type counter struct {
	r io.Reader
	n *atomic.Int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n.Add(int64(n))
	return n, err
}
