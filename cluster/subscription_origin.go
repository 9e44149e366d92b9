package cluster

import (
	"slices"

	"github.com/repltool/repltool/topology"
)

// Where a subscription continues is a position in the WAL of one server, in one of its
// databases. On another server the number means nothing: PostgreSQL sends nothing below the
// position that the subscriber asks for, and copies no table that the subscription has.

// ComesFrom returns the node, and its database, that a subscription receives from now, where
// that is not the publisher of the topology; nil where it is, or where nobody can tell.
func (v *Subscription) ComesFrom() (*topology.Node, string) {
	if v.Is == nil || v.Source == nil || v.Remade() || v.Lifecycle.Ignores("connection") {
		return nil, ""
	}
	now := v.ConnNow()
	database := now["dbname"]
	var from *topology.Node
	for _, one := range hostsOf(now) {
		switch n := v.Scope.nodeAt(one); {
		case n == nil:
		case !v.Source.sameServer(n):
			from = n
		case database != v.SourceDatabase() && v.Source.Live().Database(database) != nil: // it was not renamed
			return n, database
		default:
			return nil, ""
		}
	}
	return from, database
}

// nodeAt returns the node of the topology that a connection of this cluster leads to, or nil.
func (s *Cluster) nodeAt(conn map[string]string) *topology.Node {
	i := slices.IndexFunc(s.Topology.Nodes, func(n *topology.Node) bool {
		return s.leads(s.Now.Leader, n, conn, s.PortInForce(n)) || s.leads(s.Now.Leader, n, conn, n.Port)
	})
	if i < 0 {
		return nil
	}
	return s.Topology.Nodes[i]
}

// sameServer reports whether n has the WAL of this cluster: it is a member, or what was read of
// it says so.
func (s *Cluster) sameServer(n *topology.Node) bool {
	if slices.Contains(s.Cluster.Members(), n) {
		return true
	}
	is := s.Found(n).Server
	return is != nil && s.Live() != nil && is.SystemIdentifier == s.Live().SystemIdentifier
}
