package apply

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// A machine's lock is a lease: the machine gives it up when its holder is silent for half
// a minute, and a connection that is lost takes it along.
//
//   - A step begins only while every lease is known to run: the lock's session lives, and
//     the machine has answered within leaseFresh.
//   - A lock that went with its connection is taken again only where the machine's record
//     shows that nobody else has held it since. Then nothing that was read under it has
//     been changed by another apply, and it counts as never lost.
//   - Otherwise it is lost for good: no further step begins, and the run ends.

const (
	// leaseFresh is how long ago the machine may have answered. It is below the half
	// minute after which it gives the lock up (host.LockSilence).
	leaseFresh = 25 * time.Second
	// holdLimit is how long steps wait for a lease that is in doubt.
	holdLimit = time.Minute
	holdEvery = 50 * time.Millisecond
)

// hostLock is the lock of one machine.
type hostLock struct {
	node string

	mu    sync.Mutex
	lock  Lock
	doubt time.Time // since when it is not known to be held; zero: it is
}

func (h *hostLock) take(ctx context.Context, l *Locks) error {
	node := l.nodes[h.node]
	if node == nil {
		return fmt.Errorf("%s: lock: not connected", h.node)
	}
	lock, err := node.LockHost(ctx, l.opts.Me)
	if err != nil {
		return fmt.Errorf("%s: lock: %w", h.node, err)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lock = lock
	return nil
}

// lost is closed when the lock's connection is gone.
func (h *hostLock) lost() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lock.Lost()
}

// fresh reports whether the lease is known to run.
func (h *hostLock) fresh(now time.Time) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.lock.Lost():
	default:
		// By both clocks: one of them stands still while a machine sleeps.
		renewed := h.lock.Renewed()
		if now.Sub(renewed) < leaseFresh && now.Round(0).Sub(renewed.Round(0)) < leaseFresh {
			h.doubt = time.Time{}
			return true
		}
	}
	if h.doubt.IsZero() {
		h.doubt = now
	}
	return false
}

// renew takes the lock again when its connection is gone. Its error is final.
func (h *hostLock) renew(ctx context.Context, l *Locks) error {
	now := l.opts.Now()
	if h.fresh(now) {
		return nil
	}
	h.mu.Lock()
	lock, doubt := h.lock, h.doubt
	h.mu.Unlock()
	late := fmt.Errorf("%s: lock: the host has not answered for %s", h.node, holdLimit)
	select {
	case <-lock.Lost():
	default: // the machine has not answered yet
		return ifAfter(now, doubt.Add(holdLimit), late)
	}
	ctx, cancel := context.WithTimeout(ctx, keepLimit)
	defer cancel()
	again, err := lock.Again(ctx)
	var locked *LockedError
	switch {
	case errors.As(err, &locked):
		return fmt.Errorf("%s: lock: %w", h.node, err)
	case err != nil:
		return ifAfter(now, doubt.Add(holdLimit), errors.Join(late, err))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.lock, h.doubt = again, time.Time{}
	return nil
}

func ifAfter(now, limit time.Time, err error) error {
	if now.After(limit) {
		return err
	}
	return nil
}

func (h *hostLock) release() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lock == nil {
		return nil
	}
	err := h.lock.Release()
	h.lock = nil
	return err
}
