package ssh

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"

	"github.com/pkg/sftp"
)

// writeBySFTP writes content beside the file and renames it over it.
func writeBySFTP(s *sftp.Client, name string, content []byte, mode os.FileMode) error {
	name, old, err := followLink(s, name)
	if err != nil {
		return err
	}
	beside := path.Join(path.Dir(name), "."+path.Base(name)+".repltool-"+rand.Text()[:8])
	if err := writeBeside(s, beside, old, content, mode); err != nil {
		s.Remove(beside)
		return err
	}
	if err := s.PosixRename(beside, name); err != nil {
		s.Remove(beside)
		return fmt.Errorf("rename: %w", err)
	}
	return nil
}

// followLink returns the file that name stands for, and what is there; nil for a
// file that is not.
func followLink(s *sftp.Client, name string) (string, *sftp.FileStat, error) {
	info, err := s.Lstat(name)
	for hops := 0; err == nil && info.Mode()&fs.ModeSymlink != 0; hops++ {
		if hops > 20 {
			return "", nil, errors.New("too many symbolic links")
		}
		to, err := s.ReadLink(name)
		if err != nil {
			return "", nil, err
		}
		if !path.IsAbs(to) {
			to = path.Join(path.Dir(name), to)
		}
		name = to
		if info, err = s.Lstat(name); errors.Is(err, fs.ErrNotExist) {
			return name, nil, nil
		}
		if err != nil {
			return "", nil, err
		}
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return name, nil, nil
	case err != nil:
		return "", nil, err
	case !info.Mode().IsRegular():
		return "", nil, errors.New("not a regular file")
	}
	stat, _ := info.Sys().(*sftp.FileStat)
	return name, stat, nil
}

// writeBeside makes the new file: closed to others while it is written, and then
// with the owner and mode of the old one.
func writeBeside(s *sftp.Client, name string, old *sftp.FileStat, content []byte, mode os.FileMode) error {
	f, err := s.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := f.Chmod(0o600); err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return err
	}
	if old != nil {
		mode = old.FileMode().Perm()
		if err := keepOwner(f, old); err != nil {
			return err
		}
	}
	if err := f.Chmod(mode); err != nil {
		return err
	}
	if _, ok := s.HasExtension("fsync@openssh.com"); ok {
		if err := f.Sync(); err != nil {
			return fmt.Errorf("sync: %w", err)
		}
	}
	return f.Close()
}

func keepOwner(f *sftp.File, old *sftp.FileStat) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	now, ok := info.Sys().(*sftp.FileStat)
	if ok && now.UID == old.UID && now.GID == old.GID {
		return nil
	}
	if err := f.Chown(int(old.UID), int(old.GID)); err != nil {
		return fmt.Errorf("keep its owner (uid %d, gid %d): %w", old.UID, old.GID, err)
	}
	return nil
}
