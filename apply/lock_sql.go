package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// sqlLock is the advisory lock of one cluster, held by a session on its primary.
//
// The server ends a session that is silent for silenceLimit, and with it the lock: a holder
// that was cut off would keep it for as long as sshd or TCP take to notice, which may be
// hours. PostgreSQL 14 has idle_session_timeout for that; before, the session stays in a
// transaction, for which there is idle_in_transaction_session_timeout. That transaction is
// between statements, read committed, and has written nothing: it holds back no vacuum.
type sqlLock struct {
	cluster string   // its address
	key     int64    // of the advisory lock
	members []string // node names
	primary string   // the one that ran when the plan was made, or ""

	mu      sync.Mutex
	session Session
	inside  bool // a transaction
}

const (
	// keepEvery is how often a lock's session is looked after.
	keepEvery = 2 * time.Second
	keepLimit = 5 * time.Second
	// silence is how long the session may be silent, several times keepEvery.
	silenceLimit = "30s"
	// applicationLimit is how much of an application_name PostgreSQL keeps.
	applicationLimit = 63
	applicationStart = "repltool apply "
)

// application is how the session calls itself, so that the one who comes second
// can be told whom to ask.
func application(me Holder) string {
	text := applicationStart + me.Who
	if len(text) > applicationLimit {
		text = text[:applicationLimit]
	}
	return text
}

// take opens a session on the primary and tries the lock.
func (c *sqlLock) take(ctx context.Context, l *Locks) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := l.open(ctx, c.primary)
	if err != nil {
		return err
	}
	err = c.limit(ctx, s)
	if err == nil {
		err = c.try(ctx, s)
	}
	if err != nil {
		return fmt.Errorf("%s: lock: %w", c.primary, errors.Join(err, s.Close()))
	}
	c.session = s
	return nil
}

// limit has the server end the session when we are silent.
func (c *sqlLock) limit(ctx context.Context, s Session) error {
	rows, err := s.Query(ctx, "SELECT current_setting('server_version_num')::int >= 140000")
	if err != nil {
		return err
	}
	c.inside = len(rows) == 1 && rows[0][0] == "f"
	if c.inside {
		_, err = s.Query(ctx, "SET idle_in_transaction_session_timeout = '"+silenceLimit+"'; BEGIN READ WRITE ISOLATION LEVEL READ COMMITTED")
	} else {
		_, err = s.Query(ctx, "SET idle_session_timeout = '"+silenceLimit+"'")
	}
	return err
}

// open opens a session that no missing standby can hold up.
func (l *Locks) open(ctx context.Context, name string) (Session, error) {
	node := l.nodes[name]
	if node == nil {
		return nil, fmt.Errorf("%s: open session: not connected", name)
	}
	s, err := node.OpenSession(ctx, application(l.opts.Me))
	if err != nil {
		return nil, fmt.Errorf("%s: open session: %w", name, err)
	}
	if _, err := s.Query(ctx, "SET synchronous_commit = local"); err != nil {
		return nil, fmt.Errorf("%s: open session: %w", name, errors.Join(err, s.Close()))
	}
	return s, nil
}

// try asks for the lock once, and for its holder when it is not to be had.
func (c *sqlLock) try(ctx context.Context, s Session) error {
	rows, err := s.Query(ctx, fmt.Sprintf("SELECT pg_try_advisory_lock(%d)", c.key))
	if err != nil {
		return err
	}
	if len(rows) == 1 && rows[0][0] == "t" {
		return nil
	}
	rows, err = s.Query(ctx, holderSQL(c.key))
	if err != nil {
		return err
	}
	locked := &LockedError{What: c.cluster + " on " + c.primary}
	if len(rows) > 0 && len(rows[0]) == 3 {
		locked.Holder = holderOf(rows[0])
	}
	return locked
}

// holderSQL asks who holds an advisory lock. A key of 64 bits stands in pg_locks
// in two halves.
func holderSQL(key int64) string {
	return fmt.Sprintf(`SELECT a.application_name, extract(epoch FROM a.backend_start)::bigint, coalesce(host(a.client_addr), '')
FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
AND l.classid::bigint = %d AND l.objid::bigint = %d`, uint64(key)>>32, uint32(key))
}

func holderOf(row []string) Holder {
	h := Holder{Who: strings.TrimPrefix(row[0], applicationStart), From: row[2]}
	var epoch int64
	if _, err := fmt.Sscan(row[1], &epoch); err == nil {
		h.Since = time.Unix(epoch, 0)
	}
	return h
}

// renew sees that the session lives, and takes the lock again when it does not: see
// AcquireLocks. That it cannot be taken yet, as during a restart, is no reason to stop: the
// machine's lock stands for it.
func (c *sqlLock) renew(ctx context.Context, l *Locks) error {
	ctx, cancel := context.WithTimeout(ctx, keepLimit)
	defer cancel()
	c.mu.Lock()
	s := c.session
	if s != nil {
		if _, err := s.Query(ctx, "SELECT 1"); err == nil {
			c.mu.Unlock()
			return nil
		}
		_ = s.Close() // it is dead already
		c.session = nil
	}
	c.mu.Unlock()
	var locked *LockedError
	if err := c.take(ctx, l); errors.As(err, &locked) {
		return err
	}
	return nil
}

func (c *sqlLock) close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil {
		return nil
	}
	err := c.session.Close()
	c.session = nil
	return err
}
