package apply

import (
	"context"
	"fmt"
)

// hostLock is the lock of one machine. Its taking, renewing and releasing come one
// after another: AcquireLocks, then keep, then Release.
type hostLock struct {
	node string
	lock Lock
}

func (h *hostLock) take(ctx context.Context, l *Locks) error {
	node := l.nodes[h.node]
	if node == nil {
		return fmt.Errorf("%s: lock: no way to it", h.node)
	}
	lock, err := node.LockHost(ctx, l.opts.Me)
	if err != nil {
		return fmt.Errorf("%s: lock: %w", h.node, err)
	}
	h.lock = lock
	return nil
}

// renew takes the lock anew when its connection is gone.
func (h *hostLock) renew(ctx context.Context, l *Locks) error {
	if h.lock != nil {
		select {
		case <-h.lock.Lost():
			h.lock = nil
		default:
			return nil
		}
	}
	ctx, cancel := context.WithTimeout(ctx, keepLimit)
	defer cancel()
	return h.take(ctx, l)
}

func (h *hostLock) release() error {
	if h.lock == nil {
		return nil
	}
	err := h.lock.Release()
	h.lock = nil
	return err
}
