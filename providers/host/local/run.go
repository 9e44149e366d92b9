package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

const cancelGrace = 2 * time.Second

// Run runs a command to its end.
func (c *conn) Run(ctx context.Context, cmd host.Command) ([]byte, error) {
	ctx, tooMuch := context.WithCancelCause(ctx)
	defer tooMuch(nil)
	var out host.Output
	var stderr host.Tail
	began := time.Now()
	x := c.command(ctx, cmd)
	x.Stdout, x.Stderr = &bounded{&out, tooMuch}, &stderr
	if cmd.Stdout != nil {
		x.Stdout = cmd.Stdout
	}
	stop, err := c.feed(x, cmd.Stdin)
	if err == nil {
		defer stop()
		err = x.Run()
	}
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // a child that was left behind holds the output open
	}
	if ctx.Err() != nil && err != nil {
		return nil, fmt.Errorf("%s: %s: %w", c.node, cmd.Argv[0], cause(ctx, began))
	}
	return out.Bytes(), c.verdict(cmd, err, stderr.String())
}

// bounded ends a program that prints more than is kept.
type bounded struct {
	out     *host.Output
	tooMuch context.CancelCauseFunc
}

func (b *bounded) Write(text []byte) (int, error) {
	n, err := b.out.Write(text)
	if err != nil {
		b.tooMuch(fmt.Errorf("its output: %w", err))
	}
	return n, err
}

// cause says why a program was ended.
func cause(ctx context.Context, began time.Time) error {
	why := context.Cause(ctx)
	if why == context.DeadlineExceeded {
		return host.NoAnswer{After: time.Since(began)}
	}
	return why
}

// feed hands the program its input over a pipe of our own: exec would wait for the
// reader even after the program has ended.
func (c *conn) feed(x *exec.Cmd, r io.Reader) (stop func(), err error) {
	if r == nil {
		return func() {}, nil
	}
	near, far, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	x.Stdin = near
	go func() {
		io.Copy(far, r)
		far.Close()
	}()
	return func() { near.Close() }, nil
}

func (c *conn) command(ctx context.Context, cmd host.Command) *exec.Cmd {
	argv := cmd.Argv
	if cmd.Root && os.Geteuid() != 0 {
		argv = append([]string{"sudo", "-n", "--"}, argv...)
	}
	as := !cmd.Root && c.other
	x := exec.CommandContext(ctx, argv[0], argv[1:]...)
	x.Dir = "/"
	x.Env = c.environ(as)
	x.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if as {
		x.SysProcAttr.Credential = &syscall.Credential{Uid: c.as.uid, Gid: c.as.gid, Groups: c.as.groups}
	}
	x.Cancel = func() error { return syscall.Kill(-x.Process.Pid, syscall.SIGTERM) }
	x.WaitDelay = cancelGrace
	return x
}

// environ is the caller's environment without what would steer PostgreSQL's
// programs, and with the OS user's name and home.
func (c *conn) environ(as bool) []string {
	var env []string
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case strings.HasPrefix(name, "PG"), strings.HasPrefix(name, "LC_"), name == "LANG", name == "LANGUAGE":
		case as && (name == "HOME" || name == "USER" || name == "LOGNAME" || name == "MAIL" || strings.HasPrefix(name, "XDG_") || strings.HasPrefix(name, "REPLTOOL_")):
		case name == "PATH":
			env = append(env, v+":/usr/local/sbin:/usr/sbin:/sbin")
		default:
			env = append(env, v)
		}
	}
	if as {
		env = append(env, "HOME="+c.as.homeDir(), "USER="+c.as.name, "LOGNAME="+c.as.name)
	}
	return append(env, "LC_ALL="+locale())
}

// locale is the one whose messages are English and whose text is UTF-8, where it
// is there.
func locale() string {
	for _, dir := range []string{"/usr/lib/locale/C.utf8", "/usr/lib/locale/C.UTF-8"} {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			return "C.UTF-8"
		}
	}
	return "C"
}

func (c *conn) verdict(cmd host.Command, err error, stderr string) error {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return nil
	case !errors.As(err, &exit):
		return fmt.Errorf("%s: run %s as %s: %w", c.node, cmd.Argv[0], c.as.name, err)
	}
	if cmd.Root && strings.HasPrefix(stderr, "sudo:") {
		return &host.Error{
			Kind: facts.NoPrivilege, Node: c.node, Op: "become root", Err: errors.New(host.LastLines(stderr, 3)),
			Hint: "Run repltool as root, or allow it in sudoers:\n  " + c.as.name + " ALL=(root) NOPASSWD: ALL",
		}
	}
	return &host.ExitError{Argv: cmd.Argv, Code: exitCode(exit), Stderr: host.LastLines(stderr, 20)}
}

// exitCode reports a signal as a shell would.
func exitCode(exit *exec.ExitError) int {
	if status, ok := exit.Sys().(syscall.WaitStatus); ok && status.Signaled() {
		return 128 + int(status.Signal())
	}
	return exit.ExitCode()
}
