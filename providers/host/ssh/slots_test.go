package ssh

import (
	"context"
	"errors"
	"testing"
)

// closer is a channel that tells of its end.
type closer chan struct{}

func (c closer) Close() error { close(c); return nil }

// A channel that the server never answers for is not waited for longer than the connection
// lives, or the caller wants it; one that comes late is closed.
func TestChannelWithoutAnswer(t *testing.T) {
	lost, gone := errors.New("lost"), errors.New("gone")
	for name, end := range map[error]func(*conn, context.CancelCauseFunc){
		lost: func(c *conn, _ context.CancelCauseFunc) { c.lost = lost; close(c.done) },
		gone: func(_ *conn, cancel context.CancelCauseFunc) { cancel(gone) },
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		c := &conn{done: make(chan struct{})}
		asked, answer, opened := make(chan struct{}), make(chan struct{}), make(closer)
		go func() { <-asked; end(c, cancel) }()
		_, err := within(ctx, c, func() (closer, error) {
			close(asked)
			<-answer
			return opened, nil
		})
		if !errors.Is(err, name) {
			t.Errorf("%v: got %v", name, err)
		}
		close(answer)
		<-opened
		cancel(nil)
	}
}
