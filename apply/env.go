package apply

import (
	"context"
	"time"

	"github.com/repltool/repltool/topology"
)

// Machine is one node as apply needs it. Its methods may be called side by side.
type Machine interface {
	Database
	Files
	Programs
}

// Database asks and changes the node's server. A server that restarts closes
// connections: an implementation connects anew at the next call.
type Database interface {
	// Exec runs statements as one string in one session: one transaction.
	Exec(ctx context.Context, database, sql string) error
	// ExecSecret is Exec for statements that hold secrets: the server is to log nothing
	// of them.
	ExecSecret(ctx context.Context, database, sql string) error
	// Query returns rows as text; NULL is "". An error that no waiting mends
	// (the query itself is wrong) has a method Permanent() bool.
	Query(ctx context.Context, database, sql string) ([][]string, error)
	// Started returns when the server that runs was started; "" where none does. It does
	// not wait for one that is not there yet.
	Started(ctx context.Context) (string, error)
}

// Files are the node's files, seen as its OS user.
type Files interface {
	// ReadFile returns fs.ErrNotExist for a file that is not there.
	ReadFile(ctx context.Context, path string) ([]byte, error)
	// WriteFile replaces a file at once or not at all. A file that is there
	// keeps its owner and mode; a new one gets mode.
	WriteFile(ctx context.Context, path string, content []byte, mode uint32) error
	// RemoveFile takes a file away that WriteFile made.
	RemoveFile(ctx context.Context, path string) error
}

// Programs run on the node as its OS user.
type Programs interface {
	// Run runs a program to its end, and returns what it printed; a status other than 0 is an
	// error.
	Run(ctx context.Context, argv []string, root bool) (string, error)
	// Job starts a detached program, or finds that it runs already under that id
	// with the same argv, and tells of progress until it ends; total is 0 when
	// unknown. Cancelling ctx leaves the program running.
	Job(ctx context.Context, id string, argv []string, progress func(done, total int64)) error
}

// Env is the world that a plan is run in.
type Env struct {
	Machines map[string]Machine // by node name
	Secrets  topology.Secrets   // by reference
	// SCRAM makes a SCRAM-SHA-256 verifier with a fresh salt.
	SCRAM    func(password string) (string, error)
	Observer Observer         // nil: nobody looks
	Now      func() time.Time // nil: time.Now
	// Locks are those that AcquireLocks answered; losing one to somebody else
	// stops the run as a signal does. Nil: none are held.
	Locks *Locks
}

// Options are how a plan is run.
type Options struct {
	Parallelism int // steps at a time; 0: 10
	// StepTimeout bounds statements, files and waits that have no limit of their
	// own; 0: 10 minutes.
	StepTimeout time.Duration
	// Stop, once closed, lets running steps end and starts no other: the first
	// signal. Cancelling the context is the second: Run leaves at once.
	Stop <-chan struct{}
}

const (
	defaultParallelism = 10
	defaultStepTimeout = 10 * time.Minute
	// leaveGrace is how long a cancelled step may take to notice.
	leaveGrace = 3 * time.Second
)
