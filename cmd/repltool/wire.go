package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/user"
	"time"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/providers"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/local"
	"github.com/repltool/repltool/providers/host/ssh"
	"github.com/repltool/repltool/topology"
)

// This file is the one place that joins providers to apply: each adapter turns
// a call into one call, and decides nothing.

// dialer opens the way to a node's machine, as its access says.
func dialer(o ssh.Options) providers.Dialer {
	return func(ctx context.Context, n *topology.Node) (host.Conn, error) {
		switch n.Access {
		case topology.AccessSSH:
			return ssh.Dial(ctx, n, o)
		case topology.AccessLocal:
			return local.Open(n)
		}
		return nil, fmt.Errorf("%s: access = %q is not supported yet", n.Name, n.Access)
	}
}

// whoami is how this process calls itself to those who find its locks.
func whoami(now time.Time) apply.Holder {
	name := "somebody"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	machine, err := os.Hostname()
	if err != nil {
		machine = "localhost"
	}
	return apply.Holder{Who: name + "@" + machine, Since: now, From: fmt.Sprintf("process %d", os.Getpid())}
}

// maintenance is the database of locks and ledger.
const maintenance = "postgres"

// machine is a node as apply needs it: apply.Machine and apply.LockNode.
type machine struct{ *providers.Node }

// machines returns the nodes of the fleet that were read.
func machines(f *providers.Fleet, t *topology.Topology) map[string]machine {
	all := map[string]machine{}
	for _, n := range t.Nodes {
		if node := f.Node(n.Name); node != nil && node.Host() != nil {
			all[n.Name] = machine{node}
		}
	}
	return all
}

// Query returns rows as text.
func (m machine) Query(ctx context.Context, database, sql string) ([][]string, error) {
	rows, err := m.Rows(ctx, database, sql)
	return text(rows), err
}

// text writes NULL as "".
func text(rows [][]*string) [][]string {
	out := make([][]string, len(rows))
	for i, row := range rows {
		out[i] = make([]string, len(row))
		for j, field := range row {
			if field != nil {
				out[i][j] = *field
			}
		}
	}
	return out
}

func (m machine) RemoveFile(ctx context.Context, path string) error {
	_, err := m.Run(ctx, []string{"rm", "-f", "--", path}, false)
	return err
}

func (m machine) Run(ctx context.Context, argv []string, root bool) (string, error) {
	out, err := m.Node.Run(ctx, host.Command{Argv: argv, Root: root})
	return string(out), err
}

// Job runs a detached program in the C locale: its progress is read from what it
// prints.
func (m machine) Job(ctx context.Context, id string, argv []string, progress func(done, total int64)) error {
	return m.Node.Job(ctx, id, argv, []string{"LC_ALL=C"}, func(p host.Progress) { progress(p.Done, p.Total) })
}

// LockHost locks the instance, not the whole machine: nodes of one topology may
// share one.
func (m machine) LockHost(ctx context.Context, me apply.Holder) (apply.Lock, error) {
	conn, err := m.Conn(ctx)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(m.Host().DataDir)) // and not its port, which may change
	key := fmt.Sprintf("apply-%x", sum[:8])
	lock, err := host.AcquireLock(ctx, conn, m.Host().StateDir, key, me.Who+", "+me.From, 0)
	return m.locked(lock, err)
}

// locked makes apply's lock, or its error, of the machine's.
func (m machine) locked(lock *host.Lock, err error) (apply.Lock, error) {
	var locked *host.LockedError
	if errors.As(err, &locked) {
		return nil, &apply.LockedError{What: "node " + m.Topology().Name, Holder: apply.Holder{Who: locked.Holder}, Passed: locked.Passed}
	}
	if err != nil {
		return nil, err
	}
	return hostLock{lock, m}, nil
}

// OpenSession opens the session that holds the SQL lock.
func (m machine) OpenSession(ctx context.Context, application string) (apply.Session, error) {
	return m.Session(ctx, maintenance, application)
}

// environment is the world of an apply.
func environment(machines map[string]machine, secrets topology.Secrets, observer apply.Observer, locks *apply.Locks) apply.Env {
	env := apply.Env{
		Machines: map[string]apply.Machine{}, Secrets: secrets, Observer: observer, Locks: locks, Now: time.Now,
		SCRAM: func(password string) (string, error) { return scram.Verifier(password, rand.Reader) },
	}
	for name, m := range machines {
		env.Machines[name] = m
	}
	return env
}

// lockable returns the machines as what locks are taken on.
func lockable(machines map[string]machine) map[string]apply.LockNode {
	nodes := map[string]apply.LockNode{}
	for name, m := range machines {
		nodes[name] = m
	}
	return nodes
}

// hostLock is a host.Lock that gives up waiting for a machine that is gone, and finds the
// way to it again.
type hostLock struct {
	*host.Lock
	on machine
}

func (l hostLock) Again(ctx context.Context) (apply.Lock, error) {
	conn, err := l.on.Conn(ctx)
	if err != nil {
		return nil, err
	}
	lock, err := l.Lock.Again(ctx, conn)
	return l.on.locked(lock, err)
}

const releaseLimit = 5 * time.Second

func (l hostLock) Release() error {
	ctx, cancel := context.WithTimeout(context.Background(), releaseLimit)
	defer cancel()
	return l.Lock.Release(ctx)
}
