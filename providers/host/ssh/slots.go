package ssh

import (
	"context"
	"errors"
	"sync"
)

const maxSessions = 8

// slots bounds the sessions that are open at a time. A server that refuses a
// session while others are open has a lower MaxSessions: the bound shrinks to what
// it allows, and the caller waits for one of the others.
type slots struct {
	free chan struct{}
	mu   sync.Mutex
	size int
}

func newSlots() *slots {
	s := &slots{free: make(chan struct{}, maxSessions), size: maxSessions}
	for range maxSessions {
		s.free <- struct{}{}
	}
	return s
}

func (s *slots) acquire(ctx context.Context, done <-chan struct{}) error {
	select {
	case <-s.free:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-done:
		return errors.New("the connection is closed")
	}
}

func (s *slots) release() { s.free <- struct{}{} }

// shrink gives up the caller's slot for good; when it is the last, it is given back
// and the answer is false.
func (s *slots) shrink() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size == 1 {
		s.release()
		return false
	}
	s.size--
	return true
}
