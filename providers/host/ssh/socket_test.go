package ssh

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/repltool/repltool/providers/host"
)

// echo returns what it is sent on a Unix socket, to its end.
func echo(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "rt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	os.Chmod(dir, 0o755)
	path := filepath.Join(dir, ".s.PGSQL.5432")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	os.Chmod(path, 0o777)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(conn, conn)
				conn.Close()
			}()
		}
	}()
	return path
}

func TestDial(t *testing.T) {
	for name, extra := range map[string]string{
		"forwarded": "AllowStreamLocalForwarding yes", "pumped": "AllowStreamLocalForwarding no",
	} {
		t.Run(name, func(t *testing.T) {
			c := startSSHD(t, []string{"ed25519"}, extra).mustDial()
			testEcho(t, c, echo(t))
			testSilence(t, c, echo(t))
			_, err := readOne(t, c, "/no/such/socket")
			if !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// testEcho sends much more than any buffer holds, and reads it while it is sent.
func testEcho(t *testing.T, c host.Conn, path string) {
	t.Helper()
	conn, err := c.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if conn.RemoteAddr().String() != path {
		t.Errorf("remote address is %s", conn.RemoteAddr())
	}
	big := bytes.Repeat([]byte("0123456789abcdef"), 1<<17)
	go conn.Write(big)
	got := make([]byte, len(big))
	if _, err := io.ReadFull(conn, got); err != nil || !bytes.Equal(got, big) {
		t.Errorf("2 MB came back otherwise: %v", err)
	}
	conn.Close()
	if _, err := conn.Read(got); err == nil {
		t.Error("a closed connection reads")
	}
}

// testSilence: pgx ends a wait by setting a deadline in the past.
func testSilence(t *testing.T, c host.Conn, path string) {
	t.Helper()
	conn, err := c.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	time.AfterFunc(50*time.Millisecond, func() { conn.SetDeadline(time.Unix(1, 0)) })
	_, err = conn.Read(make([]byte, 1))
	var ne net.Error
	if !errors.As(err, &ne) || !ne.Timeout() {
		t.Errorf("got %v", err)
	}
}

func readOne(t *testing.T, c host.Conn, path string) (byte, error) {
	t.Helper()
	conn, err := c.Dial(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(10 * time.Second))
	b := make([]byte, 1)
	_, err = conn.Read(b)
	return b[0], err
}

// The socket's far side ends: so do its session and slot.
func TestDialMany(t *testing.T) {
	c := startSSHD(t, []string{"ed25519"}, "AllowStreamLocalForwarding no").mustDial()
	path := echo(t)
	for range 3 * maxSessions {
		conn, err := c.Dial(t.Context(), path)
		if err != nil {
			t.Fatal(err)
		}
		conn.Write([]byte("x"))
		io.ReadFull(conn, make([]byte, 1))
		conn.Close()
	}
	run(t, c, "true")
}

func TestDialAsPostgres(t *testing.T) {
	asPostgres(t)
	s := startSSHD(t, []string{"ed25519"})
	node := s.node()
	node.OSUser = "postgres"
	c, err := Dial(t.Context(), node, Options{ConfigFile: s.config})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	testEcho(t, c, echo(t))
	locked := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", locked)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	os.Chmod(filepath.Dir(locked), 0o700)
	if _, err := readOne(t, c, locked); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
}
