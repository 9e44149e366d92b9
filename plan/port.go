package plan

import (
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A server listens on the port that it says (SHOW port), whatever the topology says.
// Where the two differ, the port is changed by a restart, and everything that connects
// to it follows in the same plan: standbys and subscriptions.
//
// Order: commits stop waiting for the standbys that are about to lose their upstream;
// the server restarts on its new port; each standby and each subscription is repointed
// and streams again; the synchronous set comes back, behind its gates. An apply that
// dies in between leaves commits that wait for nobody and standbys that the next plan
// repoints.

// portInForce is the port on which n listens, or, while it is down, starts.
func (s *scope) portInForce(n *topology.Node) int {
	f := s.found(n)
	if f.Server != nil && !s.recloned(n) {
		if port, err := strconv.Atoi(f.Server.InForce("port")); err == nil {
			return port
		}
	}
	if f.Host != nil && f.Host.Port != 0 {
		return f.Host.Port
	}
	return n.Port
}

// portMoves tells whether this plan restarts the server of n on another port.
func (s *scope) portMoves(n *topology.Node) bool {
	return s.running(n) && !s.recloned(n) && s.portInForce(n) != n.Port
}

// ownsPort tells whether our block sets the port. On Debian the distribution's line does,
// which pg_createcluster writes, until the topology has another; from then on the block does.
func (s *scope) ownsPort(n *topology.Node) bool {
	h := s.found(n).Host
	if h == nil || h.Layout != facts.LayoutDebian {
		return true
	}
	if _, ours := s.confBlock(h).value("port"); ours {
		return true
	}
	return s.portInForce(n) != n.Port || s.outside(n, "port", strconv.Itoa(n.Port)) != strconv.Itoa(n.Port)
}

// repoints are the standbys of n that this plan gives its new port: they are not waited
// for with its restart.
func (s *scope) repoints(n *topology.Node) []*topology.Standby {
	return kept(s.cluster.Standbys, func(sb *topology.Standby) bool {
		return sb.Upstream == n && s.running(sb.Node) && !s.recloned(sb.Node)
	})
}

// followThePort are the changes that must come with a restart of n on another port, also
// where a target names that alone; the synchronous set has its own way back.
func (s *scope) followThePort(n *topology.Node) []topology.Address {
	var all []topology.Address
	for _, sb := range s.repoints(n) {
		all = append(all, s.standbyAddress(sb.Node))
	}
	if n == s.cluster.Primary {
		for _, sub := range s.subscribers() {
			all = append(all, sub.Address())
		}
	}
	return all
}

// portAddress is the change that restarts the cluster's primary on another port; "" for none.
func (s *scope) portAddress() topology.Address {
	if s.portMoves(s.cluster.Primary) {
		return s.parametersAddress(s.cluster.Primary)
	}
	return topology.Address{}
}
