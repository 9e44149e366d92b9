package topology

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
)

// ReadFile reads a regular file of at most a number of bytes. A FIFO or a device would keep
// repltool waiting, or have no end.
func ReadFile(path string, most int64) ([]byte, error) {
	return readFile(path, most, fs.FileMode.IsRegular)
}

// readPipe is ReadFile for a file that the user names: a process substitution is a pipe.
func readPipe(path string, most int64) ([]byte, error) {
	return readFile(path, most, func(mode fs.FileMode) bool { return mode.IsRegular() || mode.Type() == fs.ModeNamedPipe })
}

func readFile(path string, most int64, accepted func(fs.FileMode) bool) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // to open a FIFO waits for its writer otherwise
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !accepted(info.Mode()):
		return nil, &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is %s, not a regular file", kindOf(info.Mode()))}
	}
	text, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(text)) > most {
		err = &fs.PathError{Op: "read", Path: path, Err: fmt.Errorf("it is larger than %d MB, the maximum that repltool reads", most>>20)}
	}
	return text, err
}

func kindOf(mode fs.FileMode) string {
	switch mode.Type() {
	case fs.ModeDir:
		return "a directory"
	case fs.ModeNamedPipe:
		return "a FIFO"
	case fs.ModeSocket:
		return "a socket"
	}
	return "a device"
}

// reason returns the cause of an error of the file system without the path,
// which the diagnostic names itself.
func reason(err error) string {
	var pathError *fs.PathError
	if errors.As(err, &pathError) {
		return strings.TrimSuffix(pathError.Err.Error(), ".")
	}
	return err.Error()
}
