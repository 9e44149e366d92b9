package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// The modes of files that are written: for their owner alone, or for programs of other users.
const (
	private os.FileMode = 0o600
	public  os.FileMode = 0o644
)

// writeFile writes a file at once or not at all: who reads it sees the old one or the new one. A
// device or a pipe is written to, not replaced.
func writeFile(path string, mode os.FileMode, write func(io.Writer) error) error {
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return writeInto(path, os.O_WRONLY, write)
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".repltool-")
	if err != nil {
		return cannotWrite(path, err)
	}
	defer os.Remove(file.Name()) // gone already when all is well
	if err := errors.Join(write(file), file.Chmod(mode), file.Sync(), file.Close()); err != nil {
		return cannotWrite(path, err)
	}
	return os.Rename(file.Name(), path)
}

// appendFile adds to a file that others add to as well.
func appendFile(path string, write func(io.Writer) error) error {
	return writeInto(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, write)
}

func writeInto(path string, flags int, write func(io.Writer) error) error {
	file, err := os.OpenFile(path, flags, public)
	if err != nil {
		return err
	}
	return errors.Join(write(file), file.Close())
}

// cannotWrite names the file that was asked for, not the temporary one beside it.
func cannotWrite(path string, err error) error {
	if dir := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot write %s: the directory %s does not exist", path, dir)
	}
	var of *fs.PathError
	if errors.As(err, &of) {
		err = of.Err
	}
	return fmt.Errorf("cannot write %s: %w", path, err)
}
