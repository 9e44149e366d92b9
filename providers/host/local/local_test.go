package local

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

func mustOpen(t *testing.T, node *topology.Node) host.Conn {
	t.Helper()
	node.Name = "pg1"
	c, err := Open(node)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// others returns the users to test with: the caller, who is root, and postgres.
func others(t *testing.T) []string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Fatal("only root becomes another user: run the tests as root or through sudo")
	}
	if _, err := user.Lookup("postgres"); err != nil {
		t.Fatalf("%v: make test installs PostgreSQL", err)
	}
	return []string{"root", "postgres"}
}

// openDir makes a directory that every user may write to.
func openDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRun(t *testing.T) {
	t.Setenv("PGDATA", "/steers")
	for _, name := range others(t) {
		c := mustOpen(t, &topology.Node{OSUser: name})
		u, _ := user.Lookup(name)
		out, err := c.Run(t.Context(), host.Command{Argv: []string{"sh", "-c", `echo "$(id -un) $HOME $PWD $PGDATA"`}})
		if want := name + " " + u.HomeDir + " / \n"; err != nil || string(out) != want {
			t.Errorf("%q, %v; want %q", out, err, want)
		}
		big := bytes.Repeat([]byte("0123456789abcde\n"), 1<<16)
		out, err = c.Run(t.Context(), host.Command{Argv: []string{"cat"}, Stdin: bytes.NewReader(big)})
		if err != nil || !bytes.Equal(out, big) {
			t.Errorf("1 MB through cat: %d, %v", len(out), err)
		}
		_, err = c.Run(t.Context(), host.Command{Argv: []string{"sh", "-c", "echo why >&2; exit 3"}})
		var exit *host.ExitError
		if !errors.As(err, &exit) || exit.Code != 3 || exit.Stderr != "why" {
			t.Errorf("got %v", err)
		}
	}
}

func TestCancelEndsChildren(t *testing.T) {
	c := mustOpen(t, &topology.Node{OSUser: others(t)[0]})
	file := filepath.Join(t.TempDir(), "pid")
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	_, err := c.Run(ctx, host.Command{Argv: []string{"sh", "-c", "sleep 60 & echo $! >" + file + "; wait"}})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	pid, _ := os.ReadFile(file)
	for end := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // a signal takes its time
		stat, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("still runs: %s", stat)
		}
	}
}

func TestOtherUser(t *testing.T) {
	_, err := open(&topology.Node{Name: "pg1", OSUser: "root"}, 12345)
	if e := host.ReadError(err); e == nil || e.Kind != facts.NoPrivilege || e.Hint == "" {
		t.Errorf("got %v", err)
	}
	_, err = open(&topology.Node{Name: "pg1", OSUser: "nosuchuser"}, 0)
	if e := host.ReadError(err); e == nil || e.Kind != facts.NoPrivilege {
		t.Errorf("got %v", err)
	}
}

func TestOwnerOfData(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("not root")
	}
	dir := openDir(t)
	nobody, err := lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	os.Chown(dir, int(nobody.uid), int(nobody.gid))
	if c := mustOpen(t, &topology.Node{DataDir: dir}); c.OSUser() != "nobody" {
		t.Errorf("os user is %s", c.OSUser())
	}
}

// The server sees the OS user, and the caller is who he was.
func TestDial(t *testing.T) {
	path := filepath.Join(openDir(t), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	os.Chmod(path, 0o777)
	for _, name := range others(t) {
		c := mustOpen(t, &topology.Node{OSUser: name})
		conn, err := c.Dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		peer, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := peer.(*net.UnixConn).SyscallConn()
		raw.Control(func(fd uintptr) {
			cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
			if want, _ := lookup(name); err != nil || cred.Uid != want.uid || cred.Gid != want.gid {
				t.Errorf("as %s the server sees %+v, %v", name, cred, err)
			}
		})
		conn.Close()
		peer.Close()
	}
	if f, err := os.Open("/etc/shadow"); err != nil {
		t.Errorf("the caller is root no more: %v", err)
	} else {
		f.Close()
	}
	_, err = mustOpen(t, &topology.Node{OSUser: others(t)[0]}).Dial(t.Context(), path+"no")
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

func TestFiles(t *testing.T) {
	for _, name := range others(t) {
		c := mustOpen(t, &topology.Node{OSUser: name})
		dir := openDir(t)
		path := filepath.Join(dir, "f")
		if _, err := c.ReadFile(t.Context(), path); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("got %v", err)
		}
		for _, text := range []string{"", "one\r\n\x00"} {
			if err := c.WriteFile(t.Context(), path, []byte(text), 0o640); err != nil {
				t.Fatal(err)
			}
			if got, err := c.ReadFile(t.Context(), path); err != nil || string(got) != text {
				t.Errorf("%q, %v", got, err)
			}
		}
		os.Chmod(path, 0o604)
		os.Symlink("f", filepath.Join(dir, "link"))
		if err := c.WriteFile(t.Context(), filepath.Join(dir, "link"), []byte("through"), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := c.Run(t.Context(), host.Command{Argv: []string{"stat", "-c", "%U %a %s %F", path}})
		if want := name + " 604 7 regular file\n"; err != nil || string(out) != want {
			t.Errorf("%q, %v", out, err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 2 {
			t.Errorf("left behind: %v", left)
		}
	}
}
