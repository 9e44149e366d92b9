package lab

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// up makes a lab that the test's end takes down.
func up(t *testing.T, o Options) *Lab {
	t.Helper()
	l, err := Up(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Down(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return l
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sshAs runs a command on a host as a person would.
func (l *Lab) sshAs(t *testing.T, user, host, command string) (string, error) {
	t.Helper()
	return run(t.Context(), "", "ssh", "-F", l.SSHConfig, "-o", "BatchMode=yes", "-l", user, host, command)
}

func TestLab(t *testing.T) {
	l := up(t, Options{Hosts: 2, DiskMB: 256})
	for _, c := range []struct {
		name string
		test func(*testing.T, *Lab)
	}{
		{"ssh", testSSH},
		{"sudo", testSudo},
		{"exec", testExec},
		{"cut", testCut},
		{"delay", testDelay},
		{"freeze", testFreeze},
		{"power", testPower}, // makes the cluster that fill fills
		{"fill", testFill},
		{"down", testDown},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, l) })
	}
}

func testSSH(t *testing.T, l *Lab) {
	for _, user := range []string{"admin", "dba", "plain", "postgres"} {
		for _, h := range l.Hosts {
			out, err := l.sshAs(t, user, h.Name, "id -un; hostname; ls /etc/postgresql /var/lib/postgresql")
			must(t, err)
			if want := user + "\n" + h.Name + "\n/etc/postgresql:\n\n/var/lib/postgresql:\n"; out != want {
				t.Errorf("%s at %s: %q, want %q", user, h.Name, out, want)
			}
		}
	}
	if _, err := run(t.Context(), "", "ssh", "-F", l.SSHConfig, "-o", "UserKnownHostsFile=/dev/null", "host1", "true"); err == nil {
		t.Error("a host key that is not known was accepted")
	}
}

func testSudo(t *testing.T, l *Lab) {
	for _, c := range []struct {
		user, become string
		may          bool
	}{
		{"admin", "root", true},
		{"admin", "postgres", true},
		{"dba", "root", false},
		{"dba", "postgres", true},
		{"plain", "root", false},
		{"plain", "postgres", false},
		{"postgres", "root", false},
	} {
		out, err := l.sshAs(t, c.user, "host1", "sudo -n -u "+c.become+" id -un")
		if may := err == nil && out == c.become+"\n"; may != c.may {
			t.Errorf("%s becomes %s: %v, want %v (%q, %v)", c.user, c.become, may, c.may, out, err)
		}
	}
}

func testExec(t *testing.T, l *Lab) {
	h := l.Hosts[0]
	out, err := h.ExecAs(t.Context(), "dba", "sh", "-c", `echo "$(id -un) $HOME $LANG"`)
	if must(t, err); out != "dba /home/dba C.UTF-8\n" {
		t.Errorf("as dba: %q", out)
	}
	_, err = h.Exec(t.Context(), "sh", "-c", "echo a reason >&2; exit 3")
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 3 || !strings.Contains(err.Error(), "host1: sh: exit status 3: a reason") {
		t.Errorf("a failure: %v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err = h.Exec(ctx, "sleep", "4711"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("past the deadline: %v", err)
	}
	if out, err = h.Exec(t.Context(), "pgrep", "-f", "^sleep 4711"); err == nil {
		t.Errorf("the program outlived its context: %s", out)
	}
}

func testDown(t *testing.T, l *Lab) {
	must(t, l.Hosts[1].Freeze(t.Context()))
	var pids []int
	for _, h := range l.Hosts {
		pids = append(pids, h.pid1().PID)
	}
	must(t, l.Down(t.Context()))
	absent(t, l)
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
			t.Errorf("process %d: %v", pid, err)
		}
	}
	must(t, l.Down(t.Context())) // once more does no harm
}

// absent looks for what a lab may leave behind.
func absent(t *testing.T, l *Lab) {
	t.Helper()
	if exists(l.Dir) {
		t.Errorf("%s is left", l.Dir)
	}
	for _, glob := range []string{
		"/sys/class/net/" + bridge(l.number) + "*", "/run/netns/" + bridge(l.number) + "-*",
		"/sys/fs/cgroup/*/repltool-lab/" + bridge(l.number) + "-*",
	} {
		// rpl1 must not find rpl11's.
		found, err := filepath.Glob(glob)
		must(t, err)
		for _, f := range found {
			if rest := strings.TrimPrefix(filepath.Base(f), bridge(l.number)); rest == "" || rest[0] == 'h' || rest[0] == '-' {
				t.Errorf("%s is left", f)
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	if strings.Contains(string(mounts), l.Dir+"/") {
		t.Errorf("a mount of %s is left", l.Dir)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := poll(ctx, func() bool { // the last unmount frees it a moment later
		loops, err := run(ctx, "", "losetup", "--list", "--noheadings", "--output", "BACK-FILE")
		return err == nil && !strings.Contains(loops, l.Dir+"/")
	}); err != nil {
		t.Errorf("a loop device of %s is left", l.Dir)
	}
}

// TestSweep makes two labs at once, lets one lose its owner and looks what the
// sweep takes.
func TestSweep(t *testing.T) {
	l, other := up(t, Options{Hosts: 1}), up(t, Options{Hosts: 1})
	if l.number == other.number || l.Hosts[0].Addr == other.Hosts[0].Addr {
		t.Fatalf("two labs share %s", l.Hosts[0].Addr)
	}
	l.owner.Start = "1" // another process had our number
	must(t, l.save())
	pid1 := l.Hosts[0].pid1() // and was killed before it wrote this down
	must(t, os.Remove(l.Hosts[0].file("init.pid")))
	debris, removed := filepath.Join(labsDir(), labName(1000), "host1"), filepath.Join(goneDir(), "lab1000-removed", "host1")
	must(t, os.MkdirAll(debris, 0o755))
	must(t, os.MkdirAll(removed, 0o755))
	must(t, Sweep(t.Context()))
	absent(t, l)
	if pid1.alive() {
		t.Error("a host nobody knew outlived the sweep")
	}
	if exists(debris) || exists(removed) {
		t.Error("files without a lab are left")
	}
	earlier := newLab(other.number, other.Hosts[:0]) // it went down, and its number to another
	earlier.id = "earlier"
	must(t, earlier.Down(t.Context()))
	if !reaches(t, other.Hosts[0], other.Hosts[0]) {
		t.Error("the sweep, or an earlier lab of its number, took a lab in use")
	}
}

func TestOptions(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("needs root")
	}
	for want, o := range map[string]Options{
		"0 hosts":        {},
		`suite "potato"`: {Hosts: 1, Suites: []string{"potato"}},
	} {
		if _, err := Up(t.Context(), o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v, want %q", o, err, want)
		}
	}
}

// BenchmarkUp is how long three hosts take to boot and to go.
func BenchmarkUp(b *testing.B) {
	for b.Loop() {
		l, err := Up(b.Context(), Options{Hosts: 3})
		if err != nil {
			b.Fatal(err)
		}
		if err := l.Down(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}
