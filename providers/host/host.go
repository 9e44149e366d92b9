// Package host is a machine: commands, files, detached jobs, a lock, and the
// texts of postgresql.conf and pg_hba.conf.
//
// Two transports fill Conn: ssh and local. Everything else here is written once,
// over Conn, and reads or does what it is told to; it decides nothing.
package host

import (
	"context"
	"fmt"
	"io"
	"net"
	"strings"
)

// Command is one program to run as the node's OS user.
type Command struct {
	Argv  []string
	Stdin io.Reader
	// Stdout receives the output as it comes; nil: Run returns it.
	Stdout io.Writer
	// Root asks for root instead of the OS user (sudo -n): systemd's units only.
	Root bool
}

// Conn is an open way to one machine. Its methods may be called side by side.
type Conn interface {
	// Run runs a command to its end. An exit status other than 0 is an
	// *ExitError. Cancelling ctx ends the session; the program is told to end.
	Run(ctx context.Context, c Command) (stdout []byte, err error)
	// Dial opens a Unix socket as the OS user, so that peer authentication
	// sees that user.
	Dial(ctx context.Context, socket string) (net.Conn, error)
	// ReadFile reads a file as the OS user; a file that is not there is
	// fs.ErrNotExist.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	// WriteFile writes beside, syncs and renames. A file that is there keeps
	// its owner and mode; a new one gets mode.
	WriteFile(ctx context.Context, path string, content []byte, mode uint32) error
	// OSUser is the user that commands run as.
	OSUser() string
	// Lost is closed once the connection is gone, or was closed: nothing comes over it
	// any more. Nil: it cannot be lost.
	Lost() <-chan struct{}
	Close() error
}

// ExitError is a command that ended with a status other than 0.
type ExitError struct {
	Argv   []string
	Code   int
	Stderr string // trimmed, its last lines
}

func (e *ExitError) Error() string {
	text := fmt.Sprintf("%s: exit status %d", e.Argv[0], e.Code)
	if s := strings.TrimSpace(e.Stderr); s != "" {
		text += ": " + s
	}
	return text
}
