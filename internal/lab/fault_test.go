package lab

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// banner is what a connection to the host's sshd hears in a few seconds.
func banner(t *testing.T, h *Host) (string, time.Duration, error) {
	t.Helper()
	start := time.Now()
	conn, err := net.DialTimeout("tcp", h.Addr+":22", 5*time.Second)
	took := time.Since(start)
	if err != nil {
		return "", took, err
	}
	defer conn.Close()
	must(t, conn.SetDeadline(time.Now().Add(5*time.Second)))
	line, err := bufio.NewReader(conn).ReadString('\n')
	return line, took, err
}

// reaches reports whether one host gets a TCP connection to another's sshd.
func reaches(t *testing.T, from, to *Host) bool {
	t.Helper()
	_, err := from.Exec(t.Context(), "timeout", "1", "bash", "-c", "exec 3<>/dev/tcp/"+to.Addr+"/22")
	return err == nil
}

func testCut(t *testing.T, l *Lab) {
	a, b := l.Hosts[0], l.Hosts[1]
	for _, c := range []struct {
		name       string
		fault      func() error
		outsideToo bool // this machine is cut off as well
	}{
		{"Cut", func() error { return a.Cut(t.Context()) }, true},
		{"CutPeer", func() error { return a.CutPeer(t.Context(), b) }, false},
		{"DropAll", func() error { return a.DropAll(t.Context()) }, true},
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

// connected waits until two hosts reach each other: a neighbor asks for one it
// had lost only every second.
func connected(t *testing.T, a, b *Host) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := poll(ctx, func() bool { return reaches(t, b, a) && reaches(t, a, b) }); err != nil {
		t.Fatal("no connection")
	}
}

func testDelay(t *testing.T, l *Lab) {
	const d = 400 * time.Millisecond
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
	conn, err := net.DialTimeout("tcp", h.Addr+":22", 5*time.Second)
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
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
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
