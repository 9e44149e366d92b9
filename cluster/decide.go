package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

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
	case s.Rejoins(n) != nil:
		return Reclone
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
