package cluster_test

import (
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// TestDecision decides for a member that should lead and for a standby, of the same facts.
func TestDecision(t *testing.T) {
	down := func(state facts.DataState, jobs ...facts.Job) *facts.Node {
		return &facts.Node{Host: &facts.Host{DataDir: "/data", StateDir: "/.repltool", Data: facts.DataDir{State: state}, Jobs: jobs}}
	}
	init := func(n *facts.Node) *facts.Node {
		n.Host.Jobs = []facts.Job{{ID: cluster.JobID(n.Host, "init")}}
		return n
	}
	failed := &facts.ReadError{Kind: facts.Unreachable}
	for _, test := range []struct {
		name             string
		found            *facts.Node
		replace          bool
		leading, standby cluster.Decision
	}{
		{"not read", &facts.Node{Error: failed}, true, cluster.Unknown, cluster.Unknown},
		{"a server that cannot be asked", &facts.Node{Host: &facts.Host{}, ServerError: failed}, false, cluster.Unknown, cluster.Unknown},
		{"runs", &facts.Node{Host: &facts.Host{}, Server: &facts.Server{}}, false, cluster.Keep, cluster.Keep},
		{"runs, to be replaced", &facts.Node{Host: &facts.Host{}, Server: &facts.Server{}}, true, cluster.Keep, cluster.Reclone},
		{"down", down(facts.DataCluster), false, cluster.Start, cluster.Start},
		{"no directory", down(facts.DataAbsent), false, cluster.Create, cluster.Clone},
		{"an empty directory", down(facts.DataEmpty), false, cluster.Create, cluster.Clone},
		{"somebody's files", down(facts.DataForeign), false, cluster.Create, cluster.Unknown},
		{"half made", init(down(facts.DataCluster)), false, cluster.Create, cluster.Clone},
	} {
		pg1, pg2 := &topology.Node{Name: "pg1"}, &topology.Node{Name: "pg2"}
		c := &topology.Cluster{ID: "cluster.main", Name: "main", Primary: pg1, Standbys: []*topology.Standby{{Node: pg2, Upstream: pg1}}}
		top := &topology.Topology{Nodes: []*topology.Node{pg1, pg2}, Clusters: []*topology.Cluster{c}}
		o := cluster.Options{}
		if test.replace {
			o.Replace = []string{"cluster.main.standby.pg1", "cluster.main.standby.pg2"}
		}
		s := cluster.New(top, facts.Facts{Nodes: map[string]*facts.Node{"pg1": test.found, "pg2": test.found}}, o).Of(c)
		if s.Decision(pg1) != test.leading || s.Decision(pg2) != test.standby {
			t.Errorf("%s: %d for the one that should lead and %d for a standby, want %d and %d", test.name, s.Decision(pg1), s.Decision(pg2), test.leading, test.standby)
		}
	}
}
