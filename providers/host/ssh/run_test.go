package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

func run(t *testing.T, c host.Conn, argv ...string) string {
	t.Helper()
	out, err := c.Run(t.Context(), host.Command{Argv: argv})
	if err != nil {
		t.Fatalf("%q: %v", argv, err)
	}
	return string(out)
}

func TestRun(t *testing.T) {
	c := startSSHD(t, []string{"ed25519"}).mustDial()
	odd := "it's \"odd\" $HOME \\ `x`\n* ü !"
	if got := run(t, c, "printf", "%s|%s", odd, ""); got != odd+"|" {
		t.Errorf("arguments arrived as %q", got)
	}
	if got := run(t, c, "pwd"); got != "/\n" {
		t.Errorf("stands in %q", got)
	}
	if got := run(t, c, "sh", "-c", "echo $LC_ALL"); !strings.HasPrefix(got, "C") {
		t.Errorf("LC_ALL is %q", got)
	}
	if got := run(t, c, "cat"); got != "" {
		t.Errorf("without Stdin, stdin has %q", got)
	}
	big := bytes.Repeat([]byte("0123456789abcde\n"), 1<<17)
	out, err := c.Run(t.Context(), host.Command{Argv: []string{"cat"}, Stdin: bytes.NewReader(big)})
	if err != nil || !bytes.Equal(out, big) {
		t.Errorf("2 MB through cat: %d bytes, %v", len(out), err)
	}
}

func TestRunFails(t *testing.T) {
	c := startSSHD(t, []string{"ed25519"}).mustDial()
	_, err := c.Run(t.Context(), host.Command{Argv: []string{"sh", "-c", "echo out; echo why >&2; exit 7"}})
	var exit *host.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || exit.Stderr != "why" {
		t.Errorf("got %v", err)
	}
	_, err = c.Run(t.Context(), host.Command{Argv: []string{"/no/such/program"}})
	if !errors.As(err, &exit) || exit.Code != 127 {
		t.Errorf("got %v", err)
	}
}

// A shell that prints on start-up must not spoil any output.
func TestRunNoise(t *testing.T) {
	c := startSSHD(t, []string{"ed25519"}, `ForceCommand echo "Welcome to db"; eval "$SSH_ORIGINAL_COMMAND"`).mustDial()
	if got := run(t, c, "echo", "x"); got != "x\n" {
		t.Errorf("got %q", got)
	}
	if err := c.WriteFile(t.Context(), t.TempDir()+"/f", []byte("text"), 0o600); err != nil {
		t.Error(err)
	}
}

// A login shell or a program that prints without end, or waits, is left in time.
func TestRunEndless(t *testing.T) {
	for _, shell := range []string{"yes", "sleep 60"} {
		c := startSSHD(t, []string{"ed25519"}, "ForceCommand "+shell).mustDial()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		began := time.Now()
		_, err := c.Run(ctx, host.Command{Argv: []string{"true"}})
		cancel()
		if took := time.Since(began); took > 50*time.Second {
			t.Errorf("%s: took %s", shell, took)
		}
		told := host.ReadError(err)
		if told == nil || told.Kind != facts.TimedOut || !strings.HasSuffix(told.Text, "no answer in 1s; the login shell may be waiting for input, or printing without end") {
			t.Errorf("%s: %v", shell, told)
		}
	}
	c := startSSHD(t, []string{"ed25519"}).mustDial()
	if _, err := c.Run(t.Context(), host.Command{Argv: []string{"yes"}}); err == nil || !strings.Contains(err.Error(), "more than 64 MB") {
		t.Errorf("yes: %v", err)
	}
}

// A login whose start-up files end the shell is told from one that may not use sudo.
func TestRunShellEnds(t *testing.T) {
	c := startSSHD(t, []string{"ed25519"}, "ForceCommand exit 5").mustDial()
	_, err := c.Run(t.Context(), host.Command{Argv: []string{"true"}})
	told := host.ReadError(err)
	if told == nil || !strings.Contains(told.Text, "exited with status 5 before it ran the command") || !strings.Contains(told.Hint, "start-up files") {
		t.Errorf("%+v", told)
	}
}

// A write to a full disk, for which SFTP has no word, says why it failed.
func TestWriteFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Fatal(err)
	}
	defer syscall.Unmount(dir, 0)
	c := startSSHD(t, []string{"ed25519"}).mustDial()
	if err := c.WriteFile(t.Context(), dir+"/f", []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := c.WriteFile(t.Context(), dir+"/f", make([]byte, 1<<20), 0o600)
	if err == nil || !strings.Contains(err.Error(), "No space left on device") || strings.Contains(err.Error(), "SSH_FX") {
		t.Errorf("%v", err)
	}
	if text, err := c.ReadFile(t.Context(), dir+"/f"); string(text) != "old" {
		t.Errorf("the file holds %q, %v", text, err)
	}
}

func TestRunCancel(t *testing.T) {
	c := startSSHD(t, []string{"ed25519"}).mustDial()
	pid := t.TempDir() + "/pid"
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	begin := time.Now()
	_, err := c.Run(ctx, host.Command{Argv: []string{"sh", "-c", "echo $$ >" + pid + "; sleep 60; :"}})
	if !errors.Is(err, context.DeadlineExceeded) || host.ReadError(err).Kind != facts.TimedOut {
		t.Errorf("got %v", err)
	}
	if took := time.Since(begin); took > 50*time.Second {
		t.Errorf("took %s", took)
	}
	text, readErr := os.ReadFile(pid)
	if readErr != nil || len(text) == 0 {
		t.Fatalf("the program did not begin: %v", readErr)
	}
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(text)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the program still runs: %s", stat)
		}
	}
	run(t, c, "true")
}

// A program that leaves a child with its output open does not hang the caller.
func TestRunLeavesChild(t *testing.T) {
	t.Parallel()
	c := startSSHD(t, []string{"ed25519"}).mustDial()
	begin := time.Now()
	out, err := c.Run(t.Context(), host.Command{Argv: []string{"sh", "-c", "echo started; sleep 60 & exit 0"}})
	if err != nil || string(out) != "started\n" || time.Since(begin) > 50*time.Second {
		t.Errorf("%q, %v, after %s", out, err, time.Since(begin))
	}
}

// More sessions are asked for than the server allows at a time.
func TestMaxSessions(t *testing.T) {
	c := startSSHD(t, []string{"ed25519"}, "MaxSessions 2").mustDial()
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			out, err := c.Run(t.Context(), host.Command{Argv: []string{"sh", "-c", fmt.Sprintf("sleep 0.2; echo %d", i)}})
			if err != nil || string(out) != fmt.Sprintln(i) {
				t.Errorf("%q, %v", out, err)
			}
		})
	}
	all.Wait()
}

func TestConnectionLost(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	c := s.mustDial()
	_, err := c.Run(t.Context(), host.Command{Argv: []string{"sh", "-c", "kill -9 $(ps -o ppid= -p $PPID) $PPID; sleep 5"}})
	if e := host.ReadError(err); e == nil || e.Kind != facts.Unreachable {
		t.Errorf("got %v", err)
	}
}

// asPostgres skips where the caller cannot become postgres by sudo.
func asPostgres(t *testing.T) {
	t.Helper()
	if exec.Command("sudo", "-n", "-u", "postgres", "true").Run() != nil || localUser() == "postgres" {
		t.Fatal("sudo -n -u postgres is not allowed here")
	}
}

func TestBecome(t *testing.T) {
	asPostgres(t)
	s := startSSHD(t, []string{"ed25519"})
	node := s.node()
	node.OSUser = ""
	c, err := Dial(t.Context(), node, Options{ConfigFile: s.config})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := run(t, c, "id", "-un"); got != "postgres\n" || c.OSUser() != "postgres" {
		t.Errorf("commands run as %q", got)
	}
	if got := run(t, c, "sh", "-c", "echo $HOME"); got != "/var/lib/postgresql\n" && got != "/var/lib/pgsql\n" {
		t.Errorf("home is %q", got)
	}
	out, err := c.Run(t.Context(), host.Command{Argv: []string{"id", "-un"}, Root: true})
	if err != nil || string(out) != "root\n" {
		t.Errorf("root is %q, %v", out, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	c.Run(ctx, host.Command{Argv: []string{"sleep", "98.7654"}})
	if out, err := exec.Command("pgrep", "-af", "^sleep 98.7654").Output(); err == nil {
		t.Errorf("the cancelled program still runs: %s", out)
	}
}

func TestBecomeRefused(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	node := s.node()
	node.OSUser = "nosuchuser"
	c, err := Dial(t.Context(), node, Options{ConfigFile: s.config})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.Run(t.Context(), host.Command{Argv: []string{"true"}})
	e := host.ReadError(err)
	if e == nil || e.Kind != facts.NoPrivilege || e.Hint == "" {
		t.Errorf("got %v, %+v", err, e)
	}
	node.SSH.Become = "none"
	c, err = Dial(t.Context(), node, Options{ConfigFile: s.config})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if got := run(t, c, "id", "-un"); got != localUser()+"\n" || c.OSUser() != localUser() {
		t.Errorf("with become none, commands run as %q", got)
	}
}
