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
		clusters: map[*topology.Cluster]*Cluster{}, moves: map[topology.Address]bool{}, options: o,
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

// nowOf finds who leads. Where two do, the one that should counts, so that all else is
// compared with it.
func nowOf(c *topology.Cluster, f facts.Facts) Now {
	leaders := slices.DeleteFunc(c.Members(), func(n *topology.Node) bool {
		found := f.Nodes[n.Name]
		return found == nil || found.Server == nil || found.Server.InRecovery
	})
	switch {
	case slices.Contains(leaders, c.Primary):
		return Now{Leader: c.Primary}
	case len(leaders) == 1:
		return Now{Leader: leaders[0]}
	}
	return Now{}
}

func goalOf(c *topology.Cluster) Goal { return Goal{Primary: c.Primary} }

// decide returns what becomes of a member.
func (s *Cluster) decide(n *topology.Node) Decision {
	f, sb := s.Found(n), s.Cluster.Standby(n)
	switch {
	case f.Host == nil:
		return Unknown
	case sb != nil && s.Replace[s.StandbyAddress(n)]:
		return Reclone
	case f.ServerError != nil || f.Error != nil:
		return Unknown
	case f.Server != nil:
		return Keep
	case sb != nil && (slices.Contains([]facts.DataState{facts.DataAbsent, facts.DataEmpty}, f.Host.Data.State) || len(f.Host.Jobs) > 0):
		return Clone
	case sb == nil && (f.Host.Data.State != facts.DataCluster || f.Host.Job(JobID(f.Host, "init")) != nil):
		return Create
	case f.Host.Data.State == facts.DataCluster:
		return Start
	}
	return Unknown
}

// anyMoved reports whether the topology has moved blocks that lead to something.
func anyMoved(t *topology.Topology) bool {
	return slices.ContainsFunc(t.Nodes, func(n *topology.Node) bool { return len(n.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Clusters, func(c *topology.Cluster) bool { return len(c.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Publications, func(p *topology.Publication) bool { return len(p.Earlier) > 0 }) ||
		slices.ContainsFunc(t.Subscriptions, func(sub *topology.Subscription) bool { return len(sub.Earlier) > 0 })
}
