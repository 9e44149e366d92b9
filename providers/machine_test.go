package providers_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// line is a connection that is lost at its first use, before or after that has begun.
type line struct {
	host.Conn
	lost  chan struct{}
	begun bool
	ran   *[]string
}

func (l *line) Lost() <-chan struct{} { return l.lost }
func (l *line) Close() error          { return nil }

// cut loses the connection.
func (l *line) cut() error {
	close(l.lost)
	err := error(&host.Error{Kind: facts.Unreachable, Op: "ssh", Err: fmt.Errorf("%w: EOF", host.ErrLost)})
	if !l.begun {
		err = host.MarkNotBegun(err)
	}
	return err
}

func (l *line) use(what string) error {
	*l.ran = append(*l.ran, what)
	if l.lost != nil {
		return l.cut()
	}
	return nil
}

func (l *line) Run(_ context.Context, c host.Command) ([]byte, error) {
	return nil, l.use(c.Argv[0])
}

func (l *line) ReadFile(context.Context, string) ([]byte, error) {
	return []byte("text"), l.use("read")
}

func (l *line) WriteFile(context.Context, string, []byte, uint32) error {
	return l.use("write")
}

// A connection that was lost is dialed again. What had not begun, a file's reading and its
// writing are done over the next one; a program that had begun is not repeated.
func TestLostConnection(t *testing.T) {
	for _, c := range []struct {
		name  string
		begun bool
		do    func(context.Context, *providers.Node) error
		tries int
		err   string
	}{
		{"program, not begun", false, runs, 2, ""},
		{"program, begun", true, runs, 1, "whether the command completed is unknown"},
		{"read", true, func(ctx context.Context, n *providers.Node) error {
			_, err := n.ReadFile(ctx, "/f")
			return err
		}, 2, ""},
		{"write", true, func(ctx context.Context, n *providers.Node) error { return n.WriteFile(ctx, "/f", nil, 0o600) }, 2, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			var ran []string
			dials := 0
			f := providers.Open(&topology.Topology{Nodes: []*topology.Node{{Name: "pg1"}}}, func(context.Context, *topology.Node) (host.Conn, error) {
				dials++
				switch dials {
				case 1:
					return &line{lost: make(chan struct{}), begun: c.begun, ran: &ran}, nil
				case 2: // the machine is away for a moment
					return nil, &host.Error{Kind: facts.Unreachable, Op: "ssh", Err: errors.New("no route to host")}
				}
				return &line{ran: &ran}, nil
			})
			err := c.do(t.Context(), f.Node("pg1"))
			if c.err == "" && err != nil || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
				t.Errorf("error %v, want %q", err, c.err)
			}
			if len(ran) != c.tries {
				t.Errorf("done %d times, want %d", len(ran), c.tries)
			}
			if err := runs(t.Context(), f.Node("pg1")); err != nil || dials != 3 {
				t.Errorf("the next one: %v, after %d dials", err, dials)
			}
		})
	}
}

func runs(ctx context.Context, n *providers.Node) error {
	_, err := n.Run(ctx, host.Command{Argv: []string{"pg_ctl"}})
	return err
}
