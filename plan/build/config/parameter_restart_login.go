package config

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Restarts come before a standby gets its new connection, and it logs in by the old one
// until then. The rule for that stands below the new one, which is the first that
// matches where both are for the same connections: no certificate of the old connection
// satisfies it, or no password.

// refuseLogins refuses to restart a standby, or its upstream, in the plan that changes how it
// proves who it is.
func refuseLogins(s *cluster.Cluster, changes []*paramChange, out *draft.Findings) {
	restarts := map[*topology.Node]bool{}
	for _, c := range changes {
		restarts[c.node] = c.restart
	}
	said := map[*topology.Node]bool{}
	for _, n := range s.Cluster.Members() {
		if !s.Running(n) || s.Recloned(n) {
			continue
		}
		for _, r := range s.PassingRules(n) {
			by, sb := firstLike(s, n, r.HBARule), r.Standby
			if sb == nil || by == nil || (by.Method == "cert") == (r.Method == "cert") || !restarts[n] && !restarts[sb] || said[sb] {
				continue
			}
			said[sb] = true
			out.Fail(s.RangeOf(sb), "Restart and other hba method in one apply",
				"This plan restarts %s or its upstream before the new connection is in use, and with the old one the standby could not log in to %s "+
					"again: its rule gets method %s instead of %s. Change the method first, without the parameters that require a "+
					"restart, and apply; then change those.", sb.Name, n.Name, by.Method, r.Method)
		}
	}
}

// firstLike returns the first wanted rule of n for the same connections as another; or nil.
func firstLike(s *cluster.Cluster, n *topology.Node, r topology.HBARule) *topology.HBARule {
	for _, ours := range s.OurRules(n) {
		same := cluster.HBALine(topology.HBARule{Type: r.Type, Database: ours.Database, User: ours.User, Address: ours.Address, Method: r.Method})
		if same == cluster.HBALine(r) && (ours.Type == r.Type || ours.Type == "host") {
			return &ours.HBARule
		}
	}
	return nil
}
