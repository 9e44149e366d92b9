package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// signals turns Ctrl-C and SIGTERM into the end of a context or, while an apply
// runs, the first of them into a request to stop.
type signals struct {
	mu       sync.Mutex
	count    int
	graceful bool
	stop     chan struct{}
	say      func(string) // nil: a line on stderr
}

func newSignals() *signals { return &signals{stop: make(chan struct{})} }

// watch returns a context that a signal ends. done stops watching.
func (s *signals) watch(parent context.Context, w io.Writer) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(parent)
	came := make(chan os.Signal, 2)
	signal.Notify(came, os.Interrupt, syscall.SIGTERM)
	go func() {
		for {
			select {
			case <-came:
				s.take(cancel, w)
			case <-ctx.Done():
				return
			}
		}
	}()
	return ctx, func() {
		signal.Stop(came)
		cancel()
	}
}

func (s *signals) take(cancel context.CancelFunc, w io.Writer) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	if s.graceful && s.count == 1 {
		close(s.stop)
		s.tell(w, "Interrupted: running steps finish, base backups keep running on their nodes, and no new step starts. Press "+
			"Ctrl-C again to exit at once.")
		return
	}
	cancel()
}

func (s *signals) tell(w io.Writer, text string) {
	if s.say != nil {
		s.say(text)
		return
	}
	fmt.Fprintln(w, text)
}

// gentle makes the first signal a request to stop, told by say, and returns what
// it closes.
func (s *signals) gentle(say func(string)) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.graceful, s.say = true, say
	return s.stop
}

// caught reports whether a signal came.
func (s *signals) caught() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count > 0
}
