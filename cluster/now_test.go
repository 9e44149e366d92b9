package cluster_test

import (
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// TestLeader says who leads from who should.
func TestLeader(t *testing.T) {
	pg1, pg2, pg3 := &topology.Node{Name: "pg1"}, &topology.Node{Name: "pg2"}, &topology.Node{Name: "pg3"}
	c := &topology.Cluster{Name: "main", Primary: pg1, Standbys: []*topology.Standby{{Node: pg2, Upstream: pg1}, {Node: pg3, Upstream: pg1}}}
	top := &topology.Topology{Nodes: []*topology.Node{pg1, pg2, pg3}, Clusters: []*topology.Cluster{c}}
	for _, test := range []struct {
		name    string
		leading []*topology.Node
		leader  *topology.Node
	}{
		{"the one that should", []*topology.Node{pg1}, pg1},
		{"another", []*topology.Node{pg2}, pg2},
		{"two, of which one should", []*topology.Node{pg1, pg2}, pg1},
		{"two others", []*topology.Node{pg2, pg3}, nil},
		{"nobody", nil, nil},
	} {
		f := facts.Facts{Nodes: map[string]*facts.Node{}}
		for _, n := range top.Nodes {
			f.Nodes[n.Name] = &facts.Node{Name: n.Name, Server: &facts.Server{InRecovery: true}}
		}
		for _, n := range test.leading {
			f.Nodes[n.Name].Server.InRecovery = false
		}
		s := cluster.New(top, f, cluster.Options{}).Of(c)
		if s.Now.Leader != test.leader || s.Goal.Primary != pg1 {
			t.Errorf("%s: %v leads and %s should, want %v and pg1", test.name, s.Now.Leader, s.Goal.Primary.Name, test.leader)
		}
		if live := s.Live(); (live == nil) != (test.leader == nil) || live != nil && live != f.Nodes[test.leader.Name].Server {
			t.Errorf("%s: Live is not the server of the leader", test.name)
		}
	}
}
