package local

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// become runs f as the OS user. What peer authentication sees (SO_PEERCRED) are
// the effective ids of the thread that connects; Go's own setters would change
// those of every thread, so that the system calls are made bare, on a thread of
// our own. That thread is not given back: it ends with its goroutine.
func (c *conn) become(f func() error) error {
	if !c.other {
		return f()
	}
	result := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := c.as.wear()
		if err == nil {
			err = f()
		}
		result <- err
	}()
	return <-result
}

const keep = ^uintptr(0) // -1: leave that id as it is

// wear changes the effective ids and the groups of this thread.
func (a account) wear() error {
	var groups unsafe.Pointer
	if len(a.groups) > 0 {
		groups = unsafe.Pointer(&a.groups[0])
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETGROUPS, uintptr(len(a.groups)), uintptr(groups), 0); e != 0 {
		return fmt.Errorf("setgroups: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESGID, keep, uintptr(a.gid), keep); e != 0 {
		return fmt.Errorf("setresgid: %w", e)
	}
	if _, _, e := unix.RawSyscall(unix.SYS_SETRESUID, keep, uintptr(a.uid), keep); e != 0 {
		return fmt.Errorf("setresuid: %w", e)
	}
	return nil
}
