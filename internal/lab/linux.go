//go:build linux

package lab

import (
	"fmt"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// isolated makes a child the first process of new namespaces, all but the
// network's, which has a name and is entered. A session of its own keeps it from
// signals typed at the terminal.
func isolated() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS | syscall.CLONE_NEWIPC,
		Setsid:     true,
	}
}

// mortal makes a child end when the thread that started it does: what a killed
// process was making is not made on behind the back of who sweeps it.
func mortal() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// inNetns calls do on a thread of a network namespace. The thread is thrown away
// after it: no other goroutine may ever run there.
func inNetns(name string, do func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked
		result <- func() error {
			fd, err := unix.Open("/run/netns/"+name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
			if err != nil {
				return fmt.Errorf("open network namespace %s: %w", name, err)
			}
			defer unix.Close(fd)
			if err := unix.Setns(fd, unix.CLONE_NEWNET); err != nil {
				return fmt.Errorf("enter network namespace %s: %w", name, err)
			}
			return do()
		}()
	}()
	return <-result
}
