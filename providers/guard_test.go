package providers

import (
	"context"
	"strings"
	"testing"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// hostileConn is a machine over whose answers repltool falls.
type hostileConn struct{ host.Conn }

func (hostileConn) OSUser() string { return "postgres" }
func (hostileConn) Close() error   { return nil }
func (hostileConn) Run(context.Context, host.Command) ([]byte, error) {
	from, to := 4, 3
	return []byte("job.argv")[from:to], nil
}

// A reader that panics is one node not read; the other is read all the same, and so it is
// where the panic comes on a session of its own.
func TestPanicIsOneNode(t *testing.T) {
	one := &topology.Node{Name: "pg1", Host: "a", Port: 5432, Access: topology.AccessSSH}
	two := &topology.Node{Name: "pg2", Host: "b", Port: 5432, Access: topology.AccessSSH}
	c := &topology.Cluster{Name: "main", ID: "cluster.main", Primary: one, Standbys: []*topology.Standby{{Node: two, Upstream: one}}}
	top := &topology.Topology{Nodes: []*topology.Node{one, two}, Clusters: []*topology.Cluster{c}}
	f := Open(top, func(_ context.Context, n *topology.Node) (host.Conn, error) {
		if n == one {
			return hostileConn{}, nil
		}
		return nil, &host.Error{Kind: facts.Unreachable, Node: n.Name, Op: "ssh", Hint: "canary"}
	})
	all := f.Inspect(t.Context(), InspectOptions{})
	if e := all.Nodes["pg1"].Error; e == nil || e.Kind != facts.BadData || !strings.Contains(e.Text, "slice bounds out of range") ||
		!strings.Contains(e.Text, "hostileConn") || e.Hint == "" {
		t.Errorf("pg1: %+v", e)
	}
	if e := all.Nodes["pg2"].Error; e == nil || e.Hint != "canary" {
		t.Errorf("pg2: %+v", e)
	}
}
