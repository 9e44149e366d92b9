package local

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/repltool/repltool/providers/host"
)

// ReadFile reads a file. The caller who is root reads what the OS user may not;
// nothing that repltool reads depends on the difference.
func (c *conn) ReadFile(ctx context.Context, path string) ([]byte, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	text, err := readRegular(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.node, err)
	}
	return text, nil
}

// readRegular reads a regular file that fits into memory: nothing ends a wait for a FIFO.
func readRegular(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: not a regular file", path)
	}
	text, err := io.ReadAll(io.LimitReader(f, host.MostOutput+1))
	if len(text) > host.MostOutput {
		return nil, fmt.Errorf("read %s: %w", path, host.ErrTooMuch)
	}
	return text, err
}

// WriteFile writes beside, syncs and renames.
func (c *conn) WriteFile(ctx context.Context, path string, content []byte, mode uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := c.write(path, content, os.FileMode(mode).Perm()); err != nil {
		return fmt.Errorf("%s: write %s: %w", c.node, path, err)
	}
	return nil
}

func (c *conn) write(path string, content []byte, mode os.FileMode) error {
	path, info, err := followLink(path)
	if err != nil {
		return err
	}
	uid, gid := int(c.as.uid), int(c.as.gid)
	if info != nil {
		mode = info.Mode().Perm()
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(stat.Uid), int(stat.Gid)
		}
	}
	beside := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".repltool-"+rand.Text()[:8])
	if err := writeBeside(beside, content, uid, gid, mode); err != nil {
		os.Remove(beside)
		return err
	}
	if err := os.Rename(beside, path); err != nil {
		os.Remove(beside)
		return err
	}
	return syncDir(filepath.Dir(path))
}

// followLink returns the file that path stands for and what is there; nil for a
// file that is not.
func followLink(path string) (string, fs.FileInfo, error) {
	for range 20 {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil, nil
		case err != nil:
			return "", nil, err
		case info.Mode().IsRegular():
			return path, info, nil
		case info.Mode()&fs.ModeSymlink == 0:
			return "", nil, errors.New("not a regular file")
		}
		to, err := os.Readlink(path)
		if err != nil {
			return "", nil, err
		}
		if !filepath.IsAbs(to) {
			to = filepath.Join(filepath.Dir(path), to)
		}
		path = to
	}
	return "", nil, errors.New("too many symbolic links")
}

// writeBeside makes the new file: closed to others while it is written.
func writeBeside(path string, content []byte, uid, gid int, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer f.Close()
	if _, err := f.Write(content); err != nil {
		return err
	}
	if err := own(f, uid, gid); err != nil {
		return err
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

func own(f *os.File, uid, gid int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); ok && int(stat.Uid) == uid && int(stat.Gid) == gid {
		return nil
	}
	return f.Chown(uid, gid)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}
