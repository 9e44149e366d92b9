package endpoints

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/words"
)

// What is written may not flap: each change has a program reload, and moves clients. So a standby
// goes out at once where it is not fit, and comes in again once it was within half the limit for
// some looks. Who leads changes at once. While nobody leads, which is the middle of a move, what
// was written stays for a while; and for as long as the one that led cannot be read, because it may
// lead still: nobody is taken away from clients because repltool does not see.

const (
	every     = 500 * time.Millisecond
	looksToIn = 3
	grace     = 10 * time.Second
)

// Watcher looks again and again, and hands on what has changed.
type Watcher struct {
	looker *Looker
	writer string         // who led last; "" for none
	out    map[string]int // standbys that were not fit: for how many looks they have been since
	alone  time.Time      // since when nobody leads; zero where somebody does
}

// Watch returns a watcher.
func Watch(l *Looker) *Watcher { return &Watcher{looker: l, out: map[string]int{}} }

// errKept is of a look after which what was written stays.
var errKept = errors.New("what was written stays")

// Run hands each answer to publish until the context ends. What is wrong is said once, until it
// changes.
func (w *Watcher) Run(ctx context.Context, publish func(Answer) error, say func(string)) error {
	said, first := "", true
	for {
		a, err := w.look(ctx, first)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err == nil {
			first = false
			err = publish(a)
		}
		text := ""
		if err != nil {
			text = err.Error()
		}
		if text != said && text != "" {
			say(text)
		}
		said = text
		select {
		case <-time.After(every):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// look looks once; the first time until each standby is judged.
func (w *Watcher) look(ctx context.Context, first bool) (a Answer, err error) {
	if first {
		a, err = w.looker.Look(ctx)
	} else {
		a, err = w.looker.quick(ctx)
	}
	if err != nil {
		return a, err
	}
	return w.settle(a)
}

// settle holds back what would flap.
func (w *Watcher) settle(a Answer) (Answer, error) {
	if a.Refused == "" && a.Writer == nil {
		if err := w.hold(a); err != nil {
			return a, err
		}
	} else {
		w.alone = time.Time{}
	}
	leads := ""
	if a.Writer != nil {
		leads = a.Writer.Name
	}
	if leads != w.writer {
		w.writer, w.out = leads, map[string]int{}
	}
	for i := range a.Members {
		w.steady(&a.Members[i])
	}
	return a, nil
}

// hold reports whether what was written stays while nobody leads.
func (w *Watcher) hold(a Answer) error {
	if w.alone.IsZero() {
		w.alone = a.At
	}
	switch {
	case len(a.Unread) == len(a.Members):
		return fmt.Errorf("no member could be read: %w", errKept)
	case w.writer == "" && a.Blind():
		return fmt.Errorf("%s could not be read, and may lead: %w", words.Few(a.Unread), errKept)
	case slices.Contains(a.Unread, w.writer):
		return fmt.Errorf("%s, which led last, could not be read: %w", w.writer, errKept)
	case w.writer != "" && a.At.Sub(w.alone) < grace:
		return fmt.Errorf("no member accepts writes: for %s %w", grace, errKept)
	}
	return nil
}

// steady keeps a standby out that is not well within the limit yet.
func (w *Watcher) steady(m *cluster.Fitness) {
	name := m.Node.Name
	if m.Writes {
		return
	}
	if !m.Reads {
		w.out[name] = 0
		return
	}
	looks, was := w.out[name]
	if !was || m.Lag == nil {
		return
	}
	if *m.Lag > w.looker.maxLag/2 {
		looks = -1
	}
	if w.out[name] = looks + 1; w.out[name] < looksToIn {
		m.Reads, m.Why = false, fmt.Sprintf("was not fit: must be within %s for %d looks", w.looker.maxLag/2, looksToIn)
		return
	}
	delete(w.out, name)
}
