package check

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A role's CONNECTION LIMIT counts the WAL senders of that role, too, on each server by
// itself; a superuser has none (PostgreSQL docs, CREATE ROLE).

// checkConnections refuses a limit of the replication role below what the standbys of a
// node and their base backups need.
func checkConnections(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	role := s.Cluster.Replication.Role
	if role == nil || role.Superuser || len(s.Cluster.Standbys) == 0 {
		return
	}
	limit := role.ConnectionLimit
	if found := s.Live().Role(role.Name); found != nil && s.Ignores(role.Lifecycle, "role", "connection_limit") {
		limit = found.ConnectionLimit
	}
	d := connectionDemand(s, n, role)
	if limit < 0 || d.sum() <= limit {
		return
	}
	out.Fail(role.Range, "Connection limit too low",
		"Role %s may have %d connections to %s, and standbys need %d (%s): one that loses its connection would be refused. Set in "+
			"role %q of %s\n  connection_limit = %d", pg.Ident(role.Name), limit, n.Name, d.sum(), d, role.Name, s.Cluster.ID, d.sum())
}

// connectionDemand counts the connections of the replication role to n: each standby has
// one, and another where it copies logical slots; a base backup takes one more.
func connectionDemand(s *cluster.Cluster, n *topology.Node, role *topology.Role) demand {
	var d demand
	each := 1
	if s.FailsOver() {
		each = 2
	}
	for _, sb := range s.Cluster.Standbys {
		switch {
		case sb.Upstream != n:
		case s.Recloned(sb.Node):
			d.come, d.reserve = d.come+each, 1
		default:
			d.there += each
		}
	}
	if d.sum() == 0 {
		return d
	}
	if n == s.Goal.Primary {
		d.there += len(list.Kept(s.Subscribers(), func(sub *topology.Subscription) bool { return sub.Role == role && sub.Options.Enabled }))
	}
	if f := s.Found(n); f.Server != nil && !s.Recloned(n) {
		d.there += len(list.Kept(f.Server.Senders, func(c facts.Sender) bool { return c.User == role.Name && s.ForeignSender(n, c) }))
	}
	return d
}
