package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// The kernel's own delay, sch_netem, is a module that many kernels lack. Here the
// kernel hands each packet the host receives to a queue, and a goroutine gives it
// back later (nfqueue.go). On receipt, because a packet that waits in its sender's
// stack still counts against the socket, and throughput falls to nothing.

// queue is the number of the netfilter queue: a host has one of its own.
const queue = 77

// delayRule sends what arrives to the queue; when nobody listens it passes. It
// lives in a table that Heal does not touch.
const delayRule = " INPUT -i eth0 -j NFQUEUE --queue-num 77 --queue-bypass"

// Delay holds every packet the host receives for d: round trips get longer by d.
// It replaces an earlier delay; 0 ends it. It ends with this process, and with
// the host's power.
func (h *Host) Delay(ctx context.Context, d time.Duration) error {
	if err := h.endDelay(ctx); err != nil || d <= 0 {
		return err
	}
	if !h.Up() {
		return fmt.Errorf("%s: delay: the host is down", h.Name)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	started, err := startDelayer(h.netns(), d)
	if err != nil {
		return fmt.Errorf("%s: delay: %w", h.Name, err)
	}
	if err := h.iptables(ctx, "-t mangle -A"+delayRule); err != nil {
		return fmt.Errorf("%s: delay: %w", h.Name, errors.Join(err, started.stop(ctx)))
	}
	h.delay = started
	return nil
}

// HoldDelay is Delay for a process that lives for it: it calls ready, keeps the
// delay until the context ends, and can be ended by Delay in another process.
func (h *Host) HoldDelay(ctx context.Context, d time.Duration, ready func()) error {
	if err := h.Delay(ctx, d); err != nil {
		return err
	}
	if err := writeProcess(h.file("delay.pid"), self()); err != nil {
		return fmt.Errorf("%s: delay: %w", h.Name, err)
	}
	ready()
	<-ctx.Done()
	_ = os.Remove(h.file("delay.pid")) // it is this process that ends
	return h.endDelay(context.WithoutCancel(ctx))
}

// endDelay ends the delay, whoever holds it.
func (h *Host) endDelay(ctx context.Context) error {
	if holder := readProcess(h.file("delay.pid")); holder.alive() && holder != self() {
		if err := errors.Join(holder.kill(syscall.SIGTERM), holder.gone(ctx)); err != nil {
			return fmt.Errorf("%s: end delay: %w", h.Name, err)
		}
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.delay == nil {
		return nil
	}
	var err error
	if exists("/run/netns/" + h.netns()) { // the rule first, so that no packet comes for nobody
		err = h.iptables(ctx, "-t mangle -D"+delayRule)
	}
	if err = errors.Join(err, h.delay.stop(ctx)); err != nil {
		return fmt.Errorf("%s: end delay: %w", h.Name, err)
	}
	h.delay = nil
	return nil
}
