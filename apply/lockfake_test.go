package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// lockServer is a host and a server that keep locks as PostgreSQL does: for as
// long as the session lives.
type lockServer struct {
	mu       sync.Mutex
	name     string
	host     *Holder
	cut      chan struct{}           // closed when the connection that locks the host is gone
	silent   time.Time               // since when the machine does not answer beats
	passed   bool                    // another one has held the lock since
	locks    map[string]*lockSession // by key
	sessions []*lockSession
	down     bool
	standby  bool
	ledger   bool
	rows     []string
	order    *recorder
}

type lockSession struct {
	server      *lockServer
	application string
	dead        bool
}

func (s *lockServer) LockHost(_ context.Context, me Holder) (Lock, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.host != nil {
		return nil, &LockedError{What: "host " + s.name, Holder: *s.host}
	}
	s.host = &me
	s.order.add("lock host %s", s.name)
	s.cut = make(chan struct{})
	return fakeLock{s, s.cut}, nil
}

type fakeLock struct {
	s    *lockServer
	lost chan struct{}
}

func (l fakeLock) Lost() <-chan struct{} { return l.lost }

func (l fakeLock) Renewed() time.Time {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	if l.s.silent.IsZero() {
		return time.Now()
	}
	return l.s.silent
}

// Again succeeds where nobody else has taken the lock since.
func (l fakeLock) Again(ctx context.Context) (Lock, error) {
	l.s.mu.Lock()
	passed := l.s.passed
	l.s.mu.Unlock()
	if passed {
		return nil, &LockedError{What: "host " + l.s.name, Passed: true}
	}
	return l.s.LockHost(ctx, Holder{Who: "me"})
}

// drop loses the machine's lock, as a cut connection does; another one may have it.
func (s *lockServer) drop(other *Holder) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.host = other
	close(s.cut)
}

func (l fakeLock) Release() error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.host = nil
	l.s.order.add("release host %s", l.s.name)
	return nil
}

func (s *lockServer) OpenSession(_ context.Context, application string) (Session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.down {
		return nil, errors.New("connection refused")
	}
	session := &lockSession{server: s, application: application}
	s.sessions = append(s.sessions, session)
	return session, nil
}

func (x *lockSession) Query(ctx context.Context, sql string) ([][]string, error) {
	s := x.server
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case x.dead:
		return nil, errors.New("terminating connection")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case strings.HasPrefix(sql, "SELECT pg_try_advisory_lock"):
		if s.locks[sql] != nil {
			return [][]string{{"f"}}, nil
		}
		s.locks[sql] = x
		s.order.add("lock sql %s", s.name)
		return [][]string{{"t"}}, nil
	case strings.HasPrefix(sql, "SELECT a.application_name"):
		for _, holder := range s.locks {
			return [][]string{{holder.application, "1700000000", "10.0.0.9"}}, nil
		}
	case strings.Contains(sql, "pg_is_in_recovery"):
		return [][]string{{flag(!s.standby), flag(s.ledger)}}, nil
	case strings.HasPrefix(sql, "INSERT"):
		s.rows = append(s.rows, sql)
	}
	return nil, nil
}

func flag(b bool) string { return fmt.Sprint(b)[:1] }

func (x *lockSession) Close() error {
	x.server.mu.Lock()
	defer x.server.mu.Unlock()
	x.server.end(x)
	return nil
}

func (s *lockServer) end(x *lockSession) {
	x.dead = true
	for key, holder := range s.locks {
		if holder == x {
			delete(s.locks, key)
		}
	}
}

func (s *lockServer) restart(then func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, x := range s.sessions {
		s.end(x)
	}
	then()
}

func (s *lockServer) held() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.locks)
}
