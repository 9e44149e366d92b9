package providers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/postgres"
)

const (
	// maxInUse is how many sessions a node lends out at a time. With the idle one,
	// the two that hold locks and a job's they stay below the eight sessions that an
	// SSH connection has.
	maxInUse = 3
	// patience is how long a server that restarts is waited for.
	patience   = 5 * time.Second
	firstPause = 50 * time.Millisecond
	mostPause  = time.Second
	pingLimit  = 5 * time.Second
)

// session is a session and the database it is in.
type session struct {
	*postgres.DB
	database string
}

// end closes a session; nil is none. A server that is gone is no error.
func (s *session) end() {
	if s != nil {
		_ = s.Close()
	}
}

// Exec runs statements as one string in one session.
func (n *Node) Exec(ctx context.Context, database, sql string) error {
	return n.exec(ctx, database, sql, (*postgres.DB).Exec)
}

// ExecSecret is Exec for statements that hold secrets: the server logs nothing of them.
func (n *Node) ExecSecret(ctx context.Context, database, sql string) error {
	return n.exec(ctx, database, sql, (*postgres.DB).ExecSecret)
}

func (n *Node) exec(ctx context.Context, database, sql string, do func(*postgres.DB, context.Context, string) error) error {
	return n.with(ctx, database, func(db *postgres.DB) error {
		err := do(db, ctx, sql)
		if transient(err) && !db.Usable() && ctx.Err() == nil {
			err = fmt.Errorf("%w; whether the statement was executed is unknown, and repltool does not repeat it: the next plan shows the "+
				"result", err)
		}
		return err
	})
}

// Rows runs statements as one string and returns the last one's rows; NULL is nil.
func (n *Node) Rows(ctx context.Context, database, sql string) (rows [][]*string, err error) {
	err = repeated(ctx, func() error {
		return n.with(ctx, database, func(db *postgres.DB) error {
			rows, err = db.Rows(ctx, sql)
			return err
		})
	})
	return rows, err
}

// Started returns when the server that runs was started; "" where none does. It does not
// wait for one that is not there yet.
func (n *Node) Started(ctx context.Context) (string, error) {
	var rows [][]string
	err := n.lend(ctx, maintenance, n.connectOnce, func(db *postgres.DB) (err error) {
		rows, err = db.Query(ctx, "SELECT pg_postmaster_start_time()")
		return err
	})
	switch {
	case err != nil && !postgres.Answered(err) && !errors.Is(err, host.ErrLost) && ctx.Err() == nil:
		return "", nil
	case err != nil:
		return "", err
	}
	return rows[0][0], nil
}

// connectOnce is one attempt to connect.
func (n *Node) connectOnce(ctx context.Context, database string) (*postgres.DB, error) {
	return n.connectVerified(ctx, database, "")
}

// Session opens a session of its own, for who holds it open.
func (n *Node) Session(ctx context.Context, database, application string) (*postgres.DB, error) {
	db, err := n.connectVerified(ctx, database, application)
	if err != nil {
		return nil, n.named(err)
	}
	return db, nil
}

func (n *Node) named(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", n.topology.Name, err)
}

// connector opens a session in a database.
type connector func(ctx context.Context, database string) (*postgres.DB, error)

// with lends a session, and waits for a while for a server that is not there yet.
func (n *Node) with(ctx context.Context, database string, use func(*postgres.DB) error) error {
	return n.lend(ctx, database, n.insist, use)
}

// repeated reads again, for a while, what a server has not answered for what soon is over. One
// that stops may be away for a moment after that. A statement that changes something is a step,
// and is not repeated.
func repeated(ctx context.Context, do func() error) error {
	var end time.Time // from the first answer of that kind on
	for {
		err := do()
		passing := postgres.Passing(err)
		switch {
		case end.IsZero() && passing:
			end = time.Now().Add(patience)
		case !passing && (end.IsZero() || !transient(err)) || time.Now().After(end):
			return err
		}
		select {
		case <-time.After(firstPause):
		case <-ctx.Done():
			return err
		}
	}
}

// lend lends the idle session, or one that connect opens.
func (n *Node) lend(ctx context.Context, database string, connect connector, use func(*postgres.DB) error) error {
	select {
	case n.inUse <- struct{}{}:
	case <-ctx.Done():
		return n.named(fmt.Errorf("wait for a free session: %w", context.Cause(ctx)))
	}
	defer func() { <-n.inUse }()
	s, err := n.take(ctx, database, connect)
	if err != nil {
		return n.named(err)
	}
	err = use(s.DB)
	n.give(s)
	return n.named(err)
}

// take returns the idle session if it is in that database and lives, else a new
// one. The server may have been restarted since it was used: it is asked before
// the statement is sent, since one that fails midway cannot be sent again.
func (n *Node) take(ctx context.Context, database string, connect connector) (*session, error) {
	n.mu.Lock()
	s := n.idle
	n.idle = nil
	n.mu.Unlock()
	if s != nil && s.database == database && s.Usable() {
		ping, cancel := context.WithTimeout(ctx, pingLimit)
		defer cancel()
		if s.Ping(ping) == nil {
			return s, nil
		}
	}
	s.end()
	db, err := connect(ctx, database)
	if err != nil {
		return nil, err
	}
	return &session{db, database}, nil
}

// give takes a session back. One is kept, the youngest.
func (n *Node) give(s *session) {
	if !s.Usable() { // broken, or a transaction was left open
		s.end()
		return
	}
	n.mu.Lock()
	before := n.idle
	n.idle = s
	n.mu.Unlock()
	before.end()
}

// insist connects, and tries again for a while when the server is not there yet.
func (n *Node) insist(ctx context.Context, database string) (*postgres.DB, error) {
	begin := time.Now()
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		db, err := n.connectVerified(ctx, database, "")
		limit := patience
		if away(err) && n.reachedBefore() {
			limit = redialLimit
		}
		if err == nil || !transient(err) || time.Since(begin)+pause > limit {
			return db, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		}
	}
}

// transient reports whether connecting again may help soon.
func transient(err error) bool {
	var e *postgres.Error
	return errors.As(err, &e) && e.Kind == facts.Unreachable || away(err)
}
