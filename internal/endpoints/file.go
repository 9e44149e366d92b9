package endpoints

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// File is where endpoints are written, and the command that has a program read it again. The
// command runs after each change of the file, and again until it succeeds. A file beside it says
// that it is still to run, so that it does also where repltool was killed in between.
type File struct {
	Path    string
	Command string // "" for none; a shell runs it
	// Comment begins the lines that change nothing; "" where every line counts.
	Comment string
	// Write writes a file at once or not at all.
	Write func(path string, write func(io.Writer) error) error
	// Output gets what the command says.
	Output io.Writer

	key   string // of what was published last
	owed  bool   // the command has failed
	tried time.Time
}

const (
	commandLimit = time.Minute
	retryAfter   = 5 * time.Second
)

// Publish writes the text unless the file says the same already, and runs the command. key is what
// the text depends on: as long as it is the same, nothing is done.
func (f *File) Publish(ctx context.Context, key string, text []byte) error {
	if key == f.key && !f.owed {
		return nil
	}
	if key != f.key {
		if err := f.put(text); err != nil {
			return err
		}
		f.key = key
	}
	if !f.owed || time.Since(f.tried) < retryAfter {
		return nil
	}
	f.tried = time.Now()
	if err := f.run(ctx); err != nil {
		return fmt.Errorf("%s: %w; it is run again", f.Command, err)
	}
	f.owed = false
	return remove(f.mark())
}

// put writes the text, and before that the mark that the command is to run.
func (f *File) put(text []byte) error {
	_, err := os.Stat(f.mark())
	f.owed = err == nil
	before, err := os.ReadFile(f.Path)
	if err == nil && f.Comment != "" && bytes.Equal(f.body(before), f.body(text)) {
		return nil
	}
	if f.Command != "" {
		f.owed, f.tried = true, time.Time{}
		if err := f.Write(f.mark(), func(io.Writer) error { return nil }); err != nil {
			return err
		}
	}
	return f.Write(f.Path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}

// mark is the file that says that the command is to run.
func (f *File) mark() string {
	return filepath.Join(filepath.Dir(f.Path), "."+filepath.Base(f.Path)+".repltool-run")
}

func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// body is the text without comments.
func (f *File) body(text []byte) []byte {
	var b bytes.Buffer
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, f.Comment) {
			b.WriteString(line)
		}
	}
	return b.Bytes()
}

// run runs the command, in a process group that ends with it.
func (f *File) run(ctx context.Context) error {
	if f.Command == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, commandLimit)
	defer cancel()
	c := exec.CommandContext(ctx, "sh", "-c", f.Command)
	c.Stdout, c.Stderr = f.Output, f.Output
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Cancel = func() error { return syscall.Kill(-c.Process.Pid, syscall.SIGKILL) }
	c.WaitDelay = time.Second
	err := c.Run()
	if ctx.Err() != nil && err != nil {
		return fmt.Errorf("did not end within %s", commandLimit)
	}
	return err
}
