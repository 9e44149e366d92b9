package host_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/local"
	"github.com/repltool/repltool/topology"
)

// here is this machine as the caller, with a state directory.
func here(t *testing.T) (host.Conn, string) {
	t.Helper()
	out, err := exec.Command("id", "-un").Output()
	if err != nil {
		t.Fatal(err)
	}
	c, err := local.Open(&topology.Node{Name: "pg1", OSUser: strings.TrimSpace(string(out))})
	if err != nil {
		t.Fatal(err)
	}
	return c, filepath.Join(t.TempDir(), ".repltool")
}

func TestJob(t *testing.T) {
	c, dir := here(t)
	script := `printf '1024/4096 kB (25%%), 0/1 tablespace\r2048/4096 kB (50%%), 0/1 tablespace\r' >&2
echo "it's $X"; printf '4096/4096 kB (100%%), 1/1 tablespace\n'`
	if err := host.StartJob(t.Context(), c, dir, "clone-1", []string{"sh", "-c", script}, []string{"X=a b"}); err != nil {
		t.Fatal(err)
	}
	var seen []host.Progress
	if err := host.WatchJob(t.Context(), c, dir, "clone-1", func(p host.Progress) { seen = append(seen, p) }); err != nil {
		t.Fatal(err)
	}
	last := seen[len(seen)-1]
	if last.Done != 4096*1024 || last.Total != 4096*1024 {
		t.Errorf("the last progress is %+v of %+v", last, seen)
	}
	text, err := os.ReadFile(dir + "/jobs/clone-1/log")
	if err != nil || !strings.Contains(string(text), "it's a b") {
		t.Errorf("log: %q, %v", text, err)
	}
	if info, _ := os.Stat(dir + "/jobs/clone-1"); info.Mode().Perm() != 0o700 {
		t.Errorf("mode is %v", info.Mode())
	}
	argv, _ := os.ReadFile(dir + "/jobs/clone-1/argv")
	if want := "sh\x00-c\x00" + script + "\x00"; string(argv) != want {
		t.Errorf("argv is %q", argv)
	}
	if err := host.WatchJob(t.Context(), c, dir, "clone-1", nil); err != nil {
		t.Errorf("watched again: %v", err)
	}
	if err := os.RemoveAll(dir + "/jobs/clone-1"); err != nil {
		t.Error(err)
	}
	if err := host.WatchJob(t.Context(), c, dir, "clone-1", nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestJobFails(t *testing.T) {
	c, dir := here(t)
	argv := []string{"sh", "-c", "echo '1/2 kB (50%), 0/1 tablespace'; echo 'no space left' >&2; exit 9"}
	if err := host.StartJob(t.Context(), c, dir, "j", argv, nil); err != nil {
		t.Fatal(err)
	}
	err := host.WatchJob(t.Context(), c, dir, "j", nil)
	var exit *host.ExitError
	if !errors.As(err, &exit) || exit.Code != 9 || exit.Stderr != "no space left" {
		t.Errorf("got %v", err)
	}
	if err := host.StartJob(t.Context(), c, dir, "j", argv, nil); err == nil || !strings.Contains(err.Error(), "an earlier attempt failed") {
		t.Errorf("started over what it left: %v", err)
	}
}

// A job continues when its watcher leaves, is found again, and is one under its id. It runs
// until the test lets it end.
func TestJobSurvives(t *testing.T) {
	c, dir := here(t)
	gate := filepath.Join(t.TempDir(), "gate")
	argv := []string{"sh", "-c", `echo begun; while [ ! -e "$0" ]; do sleep 0.05; done; echo done`, gate}
	if err := host.StartJob(t.Context(), c, dir, "j", argv, nil); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if err := host.WatchJob(ctx, c, dir, "j", func(host.Progress) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := host.StartJob(t.Context(), c, dir, "j", argv, nil); err != nil {
		t.Errorf("the same again: %v", err)
	}
	err := host.StartJob(t.Context(), c, dir, "j", []string{"true"}, nil)
	if err == nil || !strings.Contains(err.Error(), "another command") || !strings.Contains(err.Error(), "echo done") {
		t.Errorf("another command: %v", err)
	}
	if err := os.WriteFile(gate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var line string
	if err := host.WatchJob(t.Context(), c, dir, "j", func(p host.Progress) { line = p.Line }); err != nil || line != "done" {
		t.Errorf("%q, %v", line, err)
	}
}

// Whoever watches a job that has ended is told every line, once: the end of the log is
// read after the follower of the log was killed, and the two overlap at will.
func TestJobEnded(t *testing.T) {
	c, dir := here(t)
	argv := []string{"sh", "-c", "i=0; while [ $i -lt 1500 ]; do echo line $i; i=$((i+1)); done; printf last"}
	if err := host.StartJob(t.Context(), c, dir, "j", argv, nil); err != nil {
		t.Fatal(err)
	}
	if err := host.WatchJob(t.Context(), c, dir, "j", nil); err != nil {
		t.Fatal(err)
	}
	for try := range 50 {
		var lines []string
		if err := host.WatchJob(t.Context(), c, dir, "j", func(p host.Progress) { lines = append(lines, p.Line) }); err != nil {
			t.Fatal(err)
		}
		// The log has 15,394 bytes, of which the last 8 kB are shown from the beginning.
		if n := len(lines); n < 700 || lines[n-1] != "last" || lines[n-2] != "line 1499" || lines[n-700] != "line 801" {
			t.Fatalf("try %d: %d lines, the last are %q", try, n, lines[max(n-3, 0):])
		}
	}
}

// A disk that is full when a command ends does not cost its exit status.
func TestJobOnFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("only root can mount a file system: run the tests as root or through sudo")
	}
	c, _ := here(t)
	disk := t.TempDir()
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "size=1m", "none", disk).CombinedOutput(); err != nil {
		t.Fatalf("mount: %v: %s", err, out)
	}
	t.Cleanup(func() { unmount(t, disk) })
	fill := []string{"sh", "-c", "cat /dev/zero >" + disk + "/file; exit 7"}
	if err := host.StartJob(t.Context(), c, disk, "j", fill, nil); err != nil {
		t.Fatal(err)
	}
	err := host.WatchJob(t.Context(), c, disk, "j", nil)
	var exit *host.ExitError
	if !errors.As(err, &exit) || exit.Code != 7 {
		t.Errorf("got %v", err)
	}
	if err := host.StartJob(t.Context(), c, disk, "k", []string{"true"}, nil); err == nil {
		t.Error("a command was started without its record")
	}
	if err := os.Remove(disk + "/file"); err != nil {
		t.Fatal(err)
	}
	if err := host.StartJob(t.Context(), c, disk, "k", []string{"true"}, nil); err != nil {
		t.Errorf("once there is room again: %v", err)
	}
	if err := host.WatchJob(t.Context(), c, disk, "k", nil); err != nil {
		t.Error(err)
	}
}

// unmount waits until nobody uses the file system any more: the shell of a job ends a while
// after its command.
func unmount(t *testing.T, dir string) {
	t.Helper()
	var err error
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if err = syscall.Unmount(dir, 0); !errors.Is(err, syscall.EBUSY) {
			break
		}
	}
	if err != nil {
		t.Errorf("unmount %s: %v", dir, err)
	}
}

func TestJobKilled(t *testing.T) {
	c, dir := here(t)
	if err := host.StartJob(t.Context(), c, dir, "j", []string{"sh", "-c", "sleep 60; true"}, nil); err != nil {
		t.Fatal(err)
	}
	pid, err := os.ReadFile(dir + "/jobs/j/pid")
	if err != nil {
		t.Fatal(err)
	}
	group, err := strconv.Atoi(strings.TrimSpace(string(pid)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(-group, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if err := host.WatchJob(t.Context(), c, dir, "j", nil); !errors.Is(err, host.ErrJobKilled) {
		t.Errorf("got %v", err)
	}
	if err := host.StartJob(t.Context(), c, dir, "../x", []string{"true"}, nil); err == nil {
		t.Error("a path is taken for an id")
	}
}

func TestLock(t *testing.T) {
	c, dir := here(t)
	first, err := host.AcquireLock(t.Context(), c, dir, "apply", "alice@laptop, pid 7", 0)
	if err != nil {
		t.Fatal(err)
	}
	_, err = host.AcquireLock(t.Context(), c, dir, "apply", "bob", 200*time.Millisecond)
	var locked *host.LockedError
	if !errors.As(err, &locked) || !strings.HasPrefix(locked.Holder, "alice@laptop, pid 7, since 2") {
		t.Fatalf("got %v", err)
	}
	other, err := host.AcquireLock(t.Context(), c, dir, "other", "bob", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Release(t.Context())
	time.AfterFunc(300*time.Millisecond, func() { first.Release(context.Background()) })
	second, err := host.AcquireLock(t.Context(), c, dir, "apply", "bob", 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	<-first.Lost()
	if second.Err() != nil {
		t.Error(second.Err())
	}
	if err := second.Release(t.Context()); err != nil {
		t.Error(err)
	}
}

// A lock that was lost with its connection is taken again where nobody has held it since:
// whether the other one still has it or has given it back.
func TestLockAgain(t *testing.T) {
	c, dir := here(t)
	cut := func() *host.Lock {
		ctx, cancel := context.WithCancel(t.Context())
		l, err := host.AcquireLock(ctx, dying{c, ctx}, dir, "k", "alice", 0)
		if err != nil {
			t.Fatal(err)
		}
		cancel()
		<-l.Lost()
		return l
	}
	first := cut()
	again, err := first.Again(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	lost := cut()
	other, err := host.AcquireLock(t.Context(), c, dir, "k", "bob", 0)
	if err != nil {
		t.Fatal(err)
	}
	var locked *host.LockedError
	if _, err := lost.Again(t.Context(), c); !errors.As(err, &locked) || locked.Passed || !strings.HasPrefix(locked.Holder, "bob, since") {
		t.Errorf("while another one holds it: %v", err)
	}
	if err := other.Release(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := lost.Again(t.Context(), c); !errors.As(err, &locked) || !locked.Passed {
		t.Errorf("after another one held it: %v", err)
	}
}

// dying is a connection whose commands end with a context.
type dying struct {
	host.Conn
	ctx context.Context
}

func (d dying) Run(_ context.Context, c host.Command) ([]byte, error) { return d.Conn.Run(d.ctx, c) }

// Of many who want it at once, one at a time has it.
func TestLockRace(t *testing.T) {
	c, dir := here(t)
	var all sync.WaitGroup
	var mu sync.Mutex
	holders, most := 0, 0
	for range 5 {
		all.Go(func() {
			l, err := host.AcquireLock(t.Context(), c, dir, "k", "x", 20*time.Second)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			holders++
			most = max(most, holders)
			mu.Unlock()
			time.Sleep(20 * time.Millisecond)
			mu.Lock()
			holders--
			mu.Unlock()
			l.Release(t.Context())
		})
	}
	all.Wait()
	if most != 1 {
		t.Errorf("%d held it at once", most)
	}
}
