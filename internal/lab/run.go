package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// tool finds a program of the machine. Those of /usr/sbin are found also when
// root's PATH came from a plain user's.
func tool(name string) string {
	if path, err := exec.LookPath(name); err == nil {
		return path
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			return filepath.Join(dir, name)
		}
	}
	return name
}

// run runs a program of the machine to its end and returns what it printed.
func run(ctx context.Context, stdin string, argv ...string) (string, error) {
	cmd := exec.CommandContext(ctx, tool(argv[0]), argv[1:]...)
	cmd.Env = environment()
	cmd.Stdin = strings.NewReader(stdin)
	cmd.SysProcAttr = mortal()
	runtime.LockOSThread() // the thread is its parent
	defer runtime.UnlockOSThread()
	return finish(ctx, cmd)
}

// environment is that of the machine's programs, which look for others of /usr/sbin.
func environment() []string {
	return append(os.Environ(), "LC_ALL=C", "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
}

// place writes a file with its directories, readable by all or as mode says,
// whatever the umask: hosts have users who are not root.
func place(path, text string, mode os.FileMode) error {
	if err := directory(filepath.Dir(path)); err != nil {
		return err
	}
	return errors.Join(os.WriteFile(path, []byte(text), mode), os.Chmod(path, mode))
}

// directory makes a directory and its parents, open to all whatever the umask.
func directory(path string) error {
	if exists(path) {
		return nil
	}
	if err := directory(filepath.Dir(path)); err != nil {
		return err
	}
	return errors.Join(os.MkdirAll(path, 0o755), os.Chmod(path, 0o755))
}

// finish runs a command that is set up but for its output. The error carries
// what the program said on stderr: its exit code alone explains nothing.
func finish(ctx context.Context, cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	cmd.WaitDelay = time.Second // a daemon that kept the pipe must not hold us
	err := cmd.Run()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil // the program itself ended well
	}
	if err == nil {
		return stdout.String(), nil
	}
	if ctx.Err() != nil {
		err = fmt.Errorf("%w (%w)", ctx.Err(), err)
	}
	if said := strings.TrimSpace(stderr.String()); said != "" {
		err = fmt.Errorf("%w: %s", err, said)
	}
	return stdout.String(), err
}

// process names a process for good: pids are used again, start times are not.
type process struct {
	PID   int    `json:"pid"`
	Start string `json:"start"`
}

// self is the process that runs this code.
func self() process {
	return process{PID: os.Getpid(), Start: startOf(os.Getpid())}
}

// alive reports whether the process runs. A zombie does not.
func (p process) alive() bool {
	return p.PID > 0 && p.Start != "" && startOf(p.PID) == p.Start
}

func (p process) kill(sig syscall.Signal) error {
	if !p.alive() {
		return nil
	}
	if err := syscall.Kill(p.PID, sig); err != nil && !errors.Is(err, syscall.ESRCH) {
		return fmt.Errorf("signal %v to process %d: %w", sig, p.PID, err)
	}
	return nil
}

// gone waits for the end of the process.
func (p process) gone(ctx context.Context) error {
	return poll(ctx, func() bool { return !p.alive() })
}

// startOf is the start time of a process that is no zombie, else "".
func startOf(pid int) string {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return ""
	}
	// The name, in brackets, can hold anything; the fields start after it.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 20 || fields[0] == "Z" || fields[0] == "X" {
		return ""
	}
	return fields[19]
}

// readProcess reads what writeProcess wrote; no file is a process that is gone.
func readProcess(path string) process {
	var p process
	text, err := os.ReadFile(path)
	if err != nil {
		return p
	}
	_, _ = fmt.Sscan(string(text), &p.PID, &p.Start)
	return p
}

func writeProcess(path string, p process) error {
	return os.WriteFile(path, fmt.Appendf(nil, "%d %s\n", p.PID, p.Start), 0o644)
}

// poll asks until the answer is yes or the context ends.
func poll(ctx context.Context, ask func() bool) error {
	for !ask() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// lock takes a lock file that ends with the process, whatever becomes of it.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	if err := directory(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("lock: %w", err)
	}
	err = poll(ctx, func() bool { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil })
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: another holds it: %w", path, err)
	}
	return func() { f.Close() }, nil
}
