package apply

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
)

// Holder is who holds a lock, as it says of itself.
type Holder struct {
	Who   string // user@machine
	Run   string // what runs it: a CI run and its commit; "" by hand
	Since time.Time
	From  string // where it runs: process and machine, or a client's address
}

func (h Holder) String() string {
	parts := []string{h.Who}
	if h.Who == "" {
		parts[0] = "somebody"
	}
	if !h.Since.IsZero() {
		parts = append(parts, "since "+h.Since.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	if h.From != "" {
		parts = append(parts, "from "+h.From)
	}
	return strings.Join(parts, ", ")
}

// LockedError is a lock that another one holds: exit code 4.
type LockedError struct {
	What   string // "host pg1", "cluster.orders on pg1"
	Holder Holder
	// Passed reports whether the other one has held it since we lost it, and may have given
	// it back.
	Passed bool
}

func (e *LockedError) Error() string {
	if e.Passed {
		return fmt.Sprintf("another apply has taken the lock on %s since the connection was lost", e.What)
	}
	return fmt.Sprintf("another apply holds the lock on %s: %s", e.What, e.Holder)
}

// Lock is a lock that is held until it is released, or until the connection that
// holds it is gone.
type Lock interface {
	Release() error
	// Lost is closed when it is no longer held.
	Lost() <-chan struct{}
	// Renewed returns when the machine was last told that its holder lives, as far as it
	// has answered.
	Renewed() time.Time
	// Again takes a lock again that was lost with its connection. A *LockedError tells
	// that another one has it, or has had it since.
	Again(ctx context.Context) (Lock, error)
}

// HostLocker takes the lock of one machine, without waiting. A *LockedError
// names who holds it.
type HostLocker interface {
	LockHost(ctx context.Context, me Holder) (Lock, error)
}

// Session is one session of a server, held open. Its error is final: after one,
// only Close may be called.
type Session interface {
	Query(ctx context.Context, sql string) ([][]string, error)
	Close() error
}

// SessionOpener opens a session in the maintenance database, under an
// application_name that says who it is.
type SessionOpener interface {
	OpenSession(ctx context.Context, application string) (Session, error)
}

// LockNode is a node that locks are taken on.
type LockNode interface {
	HostLocker
	SessionOpener
}

// LockOptions are how locks are taken.
type LockOptions struct {
	Me Holder
	// Timeout is how long to wait for another holder; 0 asks once.
	Timeout time.Duration
	Now     func() time.Time // nil: time.Now
}

// Locks are the locks of one apply.
type Locks struct {
	opts  LockOptions
	nodes map[string]LockNode
	hosts []*hostLock
	sql   []*sqlLock

	stop context.CancelFunc
	kept sync.WaitGroup
	lost chan struct{}
	once sync.Once
	err  error
}

// AcquireLocks locks every machine that the plan touches, that of each changed cluster's
// primary or, where none runs, those of all its members, and, by an advisory lock, every primary
// that runs. The order is the same for
// everyone, by name, so that two applies cannot each hold what the other waits for.
//
// Whoever changes a cluster has the lock of its primary's machine: while that one is held
// nobody else can have held the advisory lock, which a restart of the primary, our own
// step, takes away for a moment.
func AcquireLocks(ctx context.Context, p *plan.Plan, nodes map[string]LockNode, o LockOptions) (*Locks, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	l := &Locks{opts: o, nodes: nodes, lost: make(chan struct{})}
	deadline := o.Now().Add(o.Timeout)
	for _, take := range l.wanted(p) {
		if err := l.insist(ctx, deadline, take); err != nil {
			return nil, errors.Join(err, l.Release())
		}
	}
	l.keep(context.WithoutCancel(ctx))
	return l, nil
}

// wanted lists what is to be taken: the machines first, then the primaries.
func (l *Locks) wanted(p *plan.Plan) []func(context.Context) error {
	var all []func(context.Context) error
	for _, name := range locked(p) {
		h := &hostLock{node: name}
		l.hosts = append(l.hosts, h)
		all = append(all, func(ctx context.Context) error { return h.take(ctx, l) })
	}
	for _, c := range clusters(p) {
		l.sql = append(l.sql, c)
		if c.primary != "" {
			all = append(all, func(ctx context.Context) error { return c.take(ctx, l) })
		}
	}
	return all
}

// touched returns the nodes that a step runs on.
func touched(p *plan.Plan) []string {
	seen := map[string]bool{}
	for _, s := range p.Steps {
		seen[s.Node] = true
	}
	return slices.Sorted(maps.Keys(seen))
}

// locked returns the nodes whose machines are locked. Where no primary runs, there is no advisory
// lock: then those of all members that can be reached, so that two applies promote no two standbys.
func locked(p *plan.Plan) []string {
	names := touched(p)
	for _, c := range clusters(p) {
		if c.primary != "" {
			names = append(names, c.primary)
			continue
		}
		for _, n := range p.Nodes {
			if n.Cluster == c.cluster && n.Reachable {
				names = append(names, n.Name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// clusters returns the clusters that the plan changes, each with its nodes and
// the primary that runs, by name.
func clusters(p *plan.Plan) []*sqlLock {
	byName := map[string]*sqlLock{}
	changed := map[string]bool{}
	names := touched(p)
	for _, n := range p.Nodes {
		if n.Cluster == "" {
			continue
		}
		c := byName[n.Cluster]
		if c == nil {
			c = &sqlLock{cluster: n.Cluster, key: lockKey(n.Cluster)}
			byName[n.Cluster] = c
		}
		c.members = append(c.members, n.Name)
		if n.Role == string(facts.RolePrimary) {
			c.primary = n.Name
		}
		changed[n.Cluster] = changed[n.Cluster] || slices.Contains(names, n.Name)
	}
	var all []*sqlLock
	for _, name := range slices.Sorted(maps.Keys(byName)) {
		if changed[name] {
			all = append(all, byName[name])
		}
	}
	return all
}

// lockKey is the advisory lock's key: the same for everyone who changes the
// cluster.
func lockKey(cluster string) int64 {
	sum := sha256.Sum256([]byte("repltool apply\x00" + cluster))
	return int64(binary.BigEndian.Uint64(sum[:8]))
}

// insist takes a lock, and asks again until the deadline while another holds it.
func (l *Locks) insist(ctx context.Context, deadline time.Time, take func(context.Context) error) error {
	for every := pollFirst; ; every = min(every*2, pollMost) {
		err := take(ctx)
		var locked *LockedError
		if !errors.As(err, &locked) || !l.opts.Now().Before(deadline) {
			return err
		}
		if err := pause(ctx, every); err != nil {
			return errors.Join(err, locked)
		}
	}
}

// Hold returns once every lock is known to be held: before each step. Its error reports that
// one is lost, or that the caller's context is over. A nil *Locks holds nothing.
func (l *Locks) Hold(ctx context.Context) error {
	if l == nil {
		return nil
	}
	for {
		select {
		case <-l.lost:
			return l.err
		default:
		}
		if !slices.ContainsFunc(l.hosts, func(h *hostLock) bool { return !h.fresh(l.opts.Now()) }) {
			return nil
		}
		if err := pause(ctx, holdEvery); err != nil {
			return err
		}
	}
}

// Lost is closed when a lock is lost for good. A nil *Locks loses nothing.
func (l *Locks) Lost() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.lost
}

// Err says why Lost is closed.
func (l *Locks) Err() error { return l.err }

// keep looks after the locks, so that one which went with its connection is taken
// again where nobody else has held it: the SQL lock after a restart of its primary, for
// one.
func (l *Locks) keep(ctx context.Context) {
	ctx, l.stop = context.WithCancel(ctx)
	for _, h := range l.hosts {
		l.kept.Go(func() { l.tend(ctx, h.lost, h.renew) })
	}
	for _, c := range l.sql {
		if c.primary != "" { // where none ran, the machines are locked, which is enough
			l.kept.Go(func() { l.tend(ctx, func() <-chan struct{} { return nil }, c.renew) })
		}
	}
}

// tend renews one lock until the end, or until it is lost: every keepEvery, and as soon as
// its connection is gone.
func (l *Locks) tend(ctx context.Context, gone func() <-chan struct{}, renew func(context.Context, *Locks) error) {
	soon := gone()
	for tried := soon; ; {
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepEvery):
		case <-soon:
		}
		if err := renew(ctx, l); err != nil && ctx.Err() == nil {
			l.lose(fmt.Errorf("a lock was lost: %w", err))
			return
		}
		if now := gone(); now != tried {
			soon, tried = now, now
		} else {
			soon = nil // it could not be taken yet: it is tried again later
		}
	}
}

func (l *Locks) lose(err error) {
	l.once.Do(func() {
		l.err = err
		close(l.lost)
	})
}

// Release gives every lock back.
func (l *Locks) Release() error {
	if l == nil {
		return nil
	}
	if l.stop != nil {
		l.stop()
		l.kept.Wait()
	}
	var errs []error
	for _, c := range l.sql {
		errs = append(errs, c.close())
	}
	for _, h := range slices.Backward(l.hosts) {
		errs = append(errs, h.release())
	}
	return errors.Join(errs...)
}
