package plan

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/repltool/repltool/topology"
)

// BenchmarkBuild plans 1,000 nodes (250 clusters of a primary and three standbys)
// of which every tenth has something to change. Aim: under 100 ms and 100 MB.
func BenchmarkBuild(b *testing.B) {
	t := &testing.T{}
	top := manyClusters(250)
	f := converged(t, top)
	for i := 0; i < 250; i += 10 {
		alter(t, f, top, fmt.Sprintf("n%d-1 alter-system work_mem 1", i))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	b.ResetTimer()
	for range b.N {
		if p, diags := Build(top, f, Options{}); diags.HasErrors() || len(p.Changes) == 0 {
			b.Fatalf("%v, %d changes", diags, len(p.Changes))
		}
	}
	b.StopTimer()
	runtime.ReadMemStats(&after)
	b.ReportMetric(float64(after.TotalAlloc-before.TotalAlloc)/float64(b.N)/1e6, "MB/op")
	b.ReportMetric(float64(b.Elapsed().Milliseconds())/float64(b.N)/100, "of-100ms")
}

// manyClusters makes clusters of four nodes without the language.
func manyClusters(n int) *topology.Topology {
	top := &topology.Topology{}
	for i := range n {
		role := &topology.Role{
			Name: "replicator", Login: true, Replication: true, Inherit: true, ConnectionLimit: -1,
			Password: topology.NewSecret(fmt.Sprintf("cluster.c%d.role.replicator.password", i), "secret"),
		}
		c := &topology.Cluster{
			Name: fmt.Sprintf("c%d", i), ID: fmt.Sprintf("cluster.c%d", i), Slots: true,
			Parameters:  topology.Parameters{"work_mem": {Value: "64MB"}, "max_connections": {Value: "200"}},
			Replication: topology.Replication{Role: role, SSLMode: "prefer", Method: "scram-sha-256"},
			Roles:       []*topology.Role{role}, BaseBackup: topology.BaseBackup{Checkpoint: "fast", Verify: true},
		}
		for j := range 4 {
			node := &topology.Node{Name: fmt.Sprintf("n%d-%d", i, j), Address: fmt.Sprintf("10.%d.%d.%d", i/200, i%200, j+1), Port: 5432}
			node.ID, node.Host = "node."+node.Name, node.Address
			top.Nodes = append(top.Nodes, node)
			if j == 0 {
				c.Primary = node
				continue
			}
			c.Standbys = append(c.Standbys, &topology.Standby{Node: node, Upstream: c.Primary, Slot: strings.ReplaceAll(node.Name, "-", "_")})
		}
		c.Synchronous = &topology.Synchronous{Method: "any", Number: 1, Standbys: []*topology.Node{c.Standbys[0].Node, c.Standbys[1].Node}}
		top.Clusters = append(top.Clusters, c)
	}
	return top
}
