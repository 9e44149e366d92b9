package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// New returns what the clusters of a topology share, and computes what each of them is to be.
func New(t *topology.Topology, f facts.Facts, o Options) *World {
	w := &World{
		Topology: t, Facts: f, Replace: map[topology.Address]bool{}, Targets: topology.ParseAddresses(o.Targets), InApply: o.InApply, renames: anyMoved(t),
		clusters: map[*topology.Cluster]*Cluster{}, moves: map[topology.Address]bool{}, fails: map[topology.Address]bool{}, options: o,
	}
	for _, address := range topology.ParseAddresses(o.Failovers) {
		w.fails[address] = true
	}
	for _, address := range topology.ParseAddresses(o.Moves) {
		w.moves[address] = true
	}
	for _, address := range topology.ParseAddresses(o.Replace) {
		w.Replace[address] = true
	}
	for _, c := range t.Clusters {
		s := &Cluster{World: w, Cluster: c, ClusterAddress: c.Address(), Now: nowOf(c, f), Goal: goalOf(c), decisions: map[*topology.Node]Decision{}}
		for _, n := range c.Members() {
			s.decisions[n] = s.decide(n)
		}
		w.clusters[c] = s
	}
	return w
}

// anyMoved reports whether the topology has moved blocks that lead to something.
func anyMoved(t *topology.Topology) bool {
	return slices.ContainsFunc(t.Nodes, func(n *topology.Node) bool { return len(n.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Clusters, func(c *topology.Cluster) bool { return len(c.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Publications, func(p *topology.Publication) bool { return len(p.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Subscriptions, func(sub *topology.Subscription) bool { return len(sub.Earlier) > 0 })
}
