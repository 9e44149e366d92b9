package providers

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

// What is done on a node's machine, over a connection that may be lost on the way.
//
//   - A connection that is gone is dialed again by whoever needs the machine next: a step,
//     a wait, a lock, a reading of `status -watch`.
//   - What had not begun when the connection was lost is tried again over the next one: a
//     program whose session could not be opened, a statement that waits for a session
//     (session.go).
//   - What had begun and may be done twice is tried again: a file is read, or written with
//     the same bytes and renamed into place; a job is found by its id, whether it runs or
//     has ended.
//   - A program or a statement that had begun is never repeated: pg_ctl restart, mv and
//     CREATE are not the same twice, and whether they reached their end is not known. Its
//     loss is the step's error, and the next plan reads what it left.

// redialLimit is how long a machine that was reached before is dialed again.
const redialLimit = 30 * time.Second

// Run runs a program to its end.
func (n *Node) Run(ctx context.Context, c host.Command) (out []byte, err error) {
	err = n.over(ctx, host.NotBegun, func(conn host.Conn) error {
		out, err = conn.Run(ctx, c)
		return err
	})
	if errors.Is(err, host.ErrLost) && !host.NotBegun(err) {
		err = fmt.Errorf("%w; whether the command completed is unknown, and repltool does not repeat it: the next plan shows the "+
			"result", err)
	}
	return out, err
}

// ReadFile reads a file as the node's OS user.
func (n *Node) ReadFile(ctx context.Context, path string) (text []byte, err error) {
	err = n.over(ctx, isLost, func(conn host.Conn) error {
		text, err = conn.ReadFile(ctx, path)
		return err
	})
	return text, err
}

// WriteFile replaces a file at once or not at all.
func (n *Node) WriteFile(ctx context.Context, path string, content []byte, mode uint32) error {
	return n.over(ctx, isLost, func(conn host.Conn) error { return conn.WriteFile(ctx, path, content, mode) })
}

// Job starts a detached command, or finds the one that runs under that id, and follows it
// to its end, over as many connections as that takes.
func (n *Node) Job(ctx context.Context, id string, argv, env []string, progress func(host.Progress)) error {
	dir := n.Host().StateDir
	tries := 0
	err := n.over(ctx, isLost, func(conn host.Conn) error {
		tries++
		err := host.StartJob(ctx, conn, dir, id, argv, env)
		if tries > 1 && errors.Is(err, host.ErrJobFailed) {
			return nil // the try that was cut off started it, and it has ended: how, its record says
		}
		return err
	})
	if err != nil {
		return err
	}
	return n.over(ctx, isLost, func(conn host.Conn) error { return host.WatchJob(ctx, conn, dir, id, progress) })
}

func isLost(err error) bool { return errors.Is(err, host.ErrLost) }

// over does something over the connection, and again over the next one while what failed
// may be repeated.
func (n *Node) over(ctx context.Context, repeat func(error) bool, do func(host.Conn) error) error {
	var end time.Time
	for pause := firstPause; ; pause = min(2*pause, mostPause) {
		conn, err := n.Conn(ctx)
		again := err != nil && n.reachedBefore() && away(err)
		if err == nil {
			end = time.Time{} // the limit is for a machine that is away in one piece
			err = do(conn)
			again = err != nil && repeat(err)
		}
		if !again || ctx.Err() != nil {
			return err
		}
		if end.IsZero() {
			end = time.Now().Add(redialLimit)
		}
		if time.Now().Add(pause).After(end) {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return fmt.Errorf("%w; last: %w", context.Cause(ctx), err)
		}
	}
}

// away reports whether a machine may answer again soon.
func away(err error) bool {
	var e *host.Error
	return errors.As(err, &e) && (e.Kind == facts.Unreachable || e.Kind == facts.TimedOut)
}
