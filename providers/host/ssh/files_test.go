package ssh

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/repltool/repltool/providers/host"
)

func TestFiles(t *testing.T) {
	c := startSSHD(t, []string{"ed25519"}).mustDial().(*conn)
	t.Run("sftp", func(t *testing.T) { testFiles(t, writer(t, c), reader(t, c)) })
	t.Run("cat", func(t *testing.T) {
		testFiles(t,
			func(path, text string, mode uint32) error { return c.writeByCat(t.Context(), path, []byte(text), mode) },
			func(path string) (string, error) { b, err := c.readByCat(t.Context(), path); return string(b), err })
	})
}

func writer(t *testing.T, c host.Conn) func(string, string, uint32) error {
	return func(path, text string, mode uint32) error { return c.WriteFile(t.Context(), path, []byte(text), mode) }
}

func reader(t *testing.T, c host.Conn) func(string) (string, error) {
	return func(path string) (string, error) { b, err := c.ReadFile(t.Context(), path); return string(b), err }
}

func testFiles(t *testing.T, write func(string, string, uint32) error, read func(string) (string, error)) {
	dir := t.TempDir()
	path := filepath.Join(dir, "it's a file")
	if _, err := read(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	for _, text := range []string{"", "one\r\ntwo\x00ü", "longer than before\n"} {
		if err := write(path, text, 0o640); err != nil {
			t.Fatal(err)
		}
		if got, err := read(path); err != nil || got != text {
			t.Errorf("read %q, %v", got, err)
		}
	}
	wantMode(t, path, 0o640)
	os.Chmod(path, 0o604)
	if err := write(path, "kept", 0o640); err != nil {
		t.Error(err)
	}
	wantMode(t, path, 0o604)
	link := filepath.Join(dir, "link")
	os.Symlink("it's a file", link)
	if err := write(link, "through", 0o600); err != nil {
		t.Error(err)
	}
	if got, _ := read(path); got != "through" {
		t.Errorf("through a link: %q", got)
	}
	if info, _ := os.Lstat(link); info.Mode()&fs.ModeSymlink == 0 {
		t.Error("the link is none any more")
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
	if err := write(filepath.Join(dir, "no", "dir"), "x", 0o600); err == nil {
		t.Error("wrote into a directory that is not there")
	}
}

func wantMode(t *testing.T, path string, mode fs.FileMode) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != mode {
		t.Errorf("mode is %v, %v; want %v", info.Mode(), err, mode)
	}
}

// As postgres, a file of postgres stays his, and one of another user's is refused
// rather than taken over.
func TestFilesAsPostgres(t *testing.T) {
	asPostgres(t)
	if os.Geteuid() != 0 {
		t.Fatal("not root")
	}
	s := startSSHD(t, []string{"ed25519"})
	node := s.node()
	node.OSUser = "postgres"
	c, err := Dial(t.Context(), node, Options{ConfigFile: s.config})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	dir, err := os.MkdirTemp("/tmp", "rt")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	os.Chmod(dir, 0o777)
	mine := filepath.Join(dir, "roots")
	os.WriteFile(mine, []byte("old"), 0o644)
	if err := c.WriteFile(t.Context(), mine, []byte("new"), 0o600); err == nil {
		t.Error("a file of root's was written as postgres")
	}
	path := filepath.Join(dir, "f")
	if err := c.WriteFile(t.Context(), path, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := c.Run(t.Context(), host.Command{Argv: []string{"stat", "-c", "%U %a", path}}); string(out) != "postgres 600\n" {
		t.Errorf("%q, %v", out, err)
	}
	_, err = c.ReadFile(t.Context(), "/etc/shadow")
	if !errors.Is(err, fs.ErrPermission) {
		t.Errorf("got %v", err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left behind: %v", left)
	}
}
