package cluster

import (
	"strconv"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// A server listens on the port that it says (SHOW port), whatever the topology says.
// Where the two differ, the port is changed by a restart, and everything that connects
// to it follows in the same plan: standbys and subscriptions.
//
// Order: commits stop waiting for the standbys that are about to lose their upstream;
// the server restarts on its new port; each standby and each subscription is repointed
// and streams again; the synchronous set comes back, behind its gates. An apply that
// dies in between leaves commits that wait for no standby and standbys that the next plan
// repoints.

// PortInForce is the port on which n listens, or, while it is down, starts.
func (s *Cluster) PortInForce(n *topology.Node) int {
	f := s.Found(n)
	if f.Server != nil && !s.Recloned(n) {
		if port, err := strconv.Atoi(f.Server.InForce("port")); err == nil {
			return port
		}
	}
	if f.Host != nil && f.Host.Port != 0 {
		return f.Host.Port
	}
	return n.Port
}

// PortMoves reports whether this plan restarts the server of n on another port.
func (s *Cluster) PortMoves(n *topology.Node) bool {
	return s.Running(n) && !s.Recloned(n) && s.PortInForce(n) != n.Port
}

// Repoints are the standbys of n that this plan gives its new port: they are not waited
// for with its restart.
func (s *Cluster) Repoints(n *topology.Node) []*topology.Standby {
	return list.Kept(s.Cluster.Standbys, func(sb *topology.Standby) bool {
		return sb.Upstream == n && s.Running(sb.Node) && !s.Recloned(sb.Node)
	})
}

// FollowThePort are the changes that must come with a restart of n on another port, also
// where a target names that alone; the synchronous set has its own way back.
func (s *Cluster) FollowThePort(n *topology.Node) []topology.Address {
	var all []topology.Address
	for _, sb := range s.Repoints(n) {
		all = append(all, s.StandbyAddress(sb.Node))
	}
	if n == s.Goal.Primary {
		for _, sub := range s.Subscribers() {
			all = append(all, sub.Address())
		}
	}
	return all
}

// PortAddress is the change that restarts the member that should lead on another port; "" for none.
func (s *Cluster) PortAddress() topology.Address {
	if s.PortMoves(s.Goal.Primary) {
		return s.ParametersAddress(s.Goal.Primary)
	}
	return topology.Address{}
}
