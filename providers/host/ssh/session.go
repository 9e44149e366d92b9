package ssh

import (
	"context"
	"fmt"
	"io"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/repltool/repltool/providers/host"
)

// session is one program's channel. x/crypto has a Session, but that one waits for
// the answer to every request, and for the channel's end where only the program's
// has come.
type session struct {
	ssh.Channel
	release func()
	once    sync.Once

	exited chan struct{} // closed when the exit status is known, or never will be
	code   int           // -1: ended without one
}

// session opens a session, within the bound on their number. Where it cannot, nothing of
// what it was for was begun.
func (c *conn) session(ctx context.Context) (*session, error) {
	if err := c.slots.acquire(ctx, c.done); err != nil {
		return nil, host.MarkNotBegun(err)
	}
	ch, requests, err := c.open(ctx)
	if err != nil {
		c.slots.release()
		return nil, host.MarkNotBegun(err)
	}
	s := &session{Channel: ch, release: c.slots.release, exited: make(chan struct{}), code: -1}
	go s.listen(requests)
	return s, nil
}

// exec starts the program. The server is not asked for an answer: what is written
// to the program may follow at once, which saves a round trip. (Waiting for it on
// the side would not do, since the end of stdin could then overtake the request.)
func (s *session) exec(line string) error {
	_, err := s.SendRequest("exec", false, ssh.Marshal(struct{ Command string }{line}))
	return err
}

// listen hears how the program ends.
func (s *session) listen(requests <-chan *ssh.Request) {
	known := false
	for r := range requests {
		code, ok := exitCode(r)
		if ok && !known {
			known, s.code = true, code
			close(s.exited)
		}
		if r.WantReply { // a keepalive
			r.Reply(false, nil)
		}
	}
	if !known {
		close(s.exited)
	}
}

// exitCode reads an exit status; for a signal, what a shell would say of it.
func exitCode(r *ssh.Request) (int, bool) {
	switch r.Type {
	case "exit-status":
		var status struct{ Code uint32 }
		err := ssh.Unmarshal(r.Payload, &status)
		return int(status.Code), err == nil
	case "exit-signal":
		var by struct {
			Name  string
			Core  bool
			Error string
			Lang  string
		}
		err := ssh.Unmarshal(r.Payload, &by)
		return 128 + map[string]int{"HUP": 1, "INT": 2, "QUIT": 3, "ABRT": 6, "KILL": 9, "SEGV": 11, "PIPE": 13, "TERM": 15}[by.Name], err == nil
	}
	return 0, false
}

// wait waits for the program's end: its exit status, or why there is none.
func (s *session) wait() (int, error) {
	<-s.exited
	if s.code >= 0 {
		return s.code, nil
	}
	return 0, fmt.Errorf("it ended without an exit status: %w", io.ErrUnexpectedEOF)
}

// end closes the session and gives its slot back.
func (s *session) end() {
	s.once.Do(func() {
		s.Channel.Close()
		s.release()
	})
}
