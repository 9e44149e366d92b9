package lab

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

// reaches tells whether one host gets a TCP connection to another's sshd.
func reaches(t *testing.T, from, to *Host) bool {
	t.Helper()
	_, err := from.Exec(t.Context(), "timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/"+to.Addr+"/22")
	return err == nil
}

// banner is what a connection to the host's sshd hears in a second.
func banner(t *testing.T, h *Host) (string, time.Duration, error) {
	t.Helper()
	start := time.Now()
	conn, err := net.DialTimeout("tcp", h.Addr+":22", time.Second)
	took := time.Since(start)
	if err != nil {
		return "", took, err
	}
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(time.Second)))
	line, err := bufio.NewReader(conn).ReadString('\n')
	return line, took, err
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

func testCut(t *testing.T, l *Lab) {
	a, b := l.Hosts[0], l.Hosts[1]
	for _, c := range []struct {
		name        string
		fault       func() error
		outsideToo  bool // this machine is cut off as well
		otherWayToo bool
	}{
		{"Cut", func() error { return a.Cut(t.Context()) }, true, true},
		{"CutPeer", func() error { return a.CutPeer(t.Context(), b) }, false, true},
		{"DropAll", func() error { return a.DropAll(t.Context()) }, true, true},
	} {
		connected(t, a, b)
		must(t, c.fault())
		if reaches(t, b, a) || reaches(t, a, b) {
			t.Errorf("%s: still connected", c.name)
		}
		if _, _, err := banner(t, a); (err != nil) != c.outsideToo {
			t.Errorf("%s: from the machine: %v", c.name, err)
		}
		must(t, a.Heal(t.Context()))
	}
	connected(t, a, b)
}

// connected waits until two hosts reach each other: a neighbour asks for one it
// had lost only every second.
func connected(t *testing.T, a, b *Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if err := poll(ctx, func() bool { return reaches(t, b, a) && reaches(t, a, b) }); err != nil {
		t.Fatal("no connection")
	}
}

func testDelay(t *testing.T, l *Lab) {
	const d = 60 * time.Millisecond
	a, b := l.Hosts[0], l.Hosts[1]
	must(t, a.Delay(t.Context(), d))
	if _, took, err := banner(t, a); err != nil || took < d || took > 3*d {
		t.Errorf("delayed by %v: connect took %v, %v", d, took, err)
	}
	if _, took, err := banner(t, b); err != nil || took > d/2 {
		t.Errorf("the other host: connect took %v, %v", took, err)
	}
	must(t, a.Delay(t.Context(), d/2)) // another takes its place
	if _, took, err := banner(t, a); err != nil || took < d/2 || took > d {
		t.Errorf("delayed by %v: connect took %v, %v", d/2, took, err)
	}
	must(t, a.Delay(t.Context(), 0))
	if _, took, err := banner(t, a); err != nil || took > d/3 {
		t.Errorf("no delay: connect took %v, %v", took, err)
	}
}

func testFreeze(t *testing.T, l *Lab) {
	h := l.Hosts[0]
	must(t, h.Freeze(t.Context()))
	if line, _, err := banner(t, h); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a frozen host: %q, %v", line, err)
	}
	if !h.Frozen() || !h.Up() {
		t.Error("not frozen and up")
	}
	must(t, h.Thaw(t.Context()))
	if line, _, err := banner(t, h); err != nil {
		t.Errorf("a thawed host: %q, %v", line, err)
	}
	must(t, h.Freeze(t.Context())) // a frozen host can lose its power
	must(t, h.Crash(t.Context()))
	must(t, h.Boot(t.Context()))
	if h.Frozen() {
		t.Error("booted frozen")
	}
}

func testPower(t *testing.T, l *Lab) {
	h := l.Hosts[0]
	_, err := h.Exec(t.Context(), "pg_createcluster", "--start", strconv.Itoa(h.Version), "main", "--", "--no-sync")
	must(t, err)
	_, err = h.SQL(t.Context(), "create table t as select 'kept' as c")
	must(t, err)
	conn, err := net.DialTimeout("tcp", h.Addr+":22", time.Second)
	must(t, err)
	defer conn.Close()
	heard := bufio.NewReader(conn)
	_, err = heard.ReadString('\n')
	must(t, err)

	must(t, h.Crash(t.Context()))
	if h.Up() {
		t.Error("up after a crash")
	}
	must(t, conn.SetReadDeadline(time.Now().Add(300*time.Millisecond)))
	if _, err := heard.ReadByte(); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("the dying host told its peer: %v", err)
	}
	if _, err := h.Exec(t.Context(), "true"); err == nil {
		t.Error("a program ran on a host that is down")
	}
	must(t, h.Boot(t.Context()))
	awaitKept(t, h)
	if log := serverLog(t, h); !strings.Contains(log, "was not properly shut down") {
		t.Errorf("after a crash: %s", log)
	}
	must(t, h.Stop(t.Context()))
	must(t, h.Boot(t.Context()))
	awaitKept(t, h)
	if log := serverLog(t, h); !strings.Contains(log[strings.LastIndex(log, "not properly"):], "database system was shut down") {
		t.Errorf("after a stop: %s", log)
	}
}

func serverLog(t *testing.T, h *Host) string {
	t.Helper()
	log, err := h.Exec(t.Context(), "cat", "/var/log/postgresql/postgresql-"+strconv.Itoa(h.Version)+"-main.log")
	must(t, err)
	return log
}

// awaitKept waits for the booted host's server and asks for the row.
func awaitKept(t *testing.T, h *Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	var out string
	var err error
	_ = poll(ctx, func() bool {
		out, err = h.SQLOn(ctx, 5432, "postgres", "select c from t")
		return err == nil
	})
	if must(t, err); out != "kept" {
		t.Errorf("the table has %q", out)
	}
}

func testFill(t *testing.T, l *Lab) {
	h := l.Hosts[0]
	const grow = "create table big as select repeat('x', 1000) from generate_series(1, 4000)"
	must(t, h.Fill(t.Context(), 1<<20))
	if _, err := h.SQL(t.Context(), grow); err == nil || !strings.Contains(err.Error(), "No space left on device") {
		t.Errorf("on a full disk: %v", err)
	}
	must(t, h.Unfill(t.Context()))
	_, err := h.SQL(t.Context(), grow)
	must(t, err)
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
	for _, glob := range []string{"/sys/class/net/" + bridge(l.number) + "*", "/run/netns/" + bridge(l.number) + "-*",
		"/sys/fs/cgroup/*/repltool-lab/" + bridge(l.number) + "-*"} {
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
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
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
	must(t, Sweep(t.Context()))
	absent(t, l)
	if !reaches(t, other.Hosts[0], other.Hosts[0]) {
		t.Error("the sweep took a lab in use")
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
