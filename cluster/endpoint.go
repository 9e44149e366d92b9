package cluster

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Who is at the other end of a connection. A name and the addresses that it resolves to
// are one machine, an address has several spellings, and a port may be on its way to
// another: where servers tell who streams from whom, that counts.

// leads tells whether a connection string of viewer leads to m at that port. A name and
// the address that it resolves to are one.
func (s *Cluster) leads(viewer, m *topology.Node, conn map[string]string, port int) bool {
	return pg.PortOf(conn) == port && s.sameAddress(viewer, cmp.Or(conn["hostaddr"], conn["host"]), m.Address)
}

// sameAddress tells whether two names or addresses are one machine, as viewer sees it.
func (s *Cluster) sameAddress(viewer *topology.Node, a, b string) bool {
	if pg.SameHost(a, b) {
		return true
	}
	one := s.Resolve(viewer, a)
	return slices.ContainsFunc(s.Resolve(viewer, b), func(x netip.Addr) bool { return slices.Contains(one, x) })
}

// UpstreamOf answers the node of the topology that f follows now, or nil.
func (s *Cluster) UpstreamOf(f *facts.Node) *topology.Node {
	n := s.Topology.Node(f.Name)
	if n == nil || f.Server == nil || !f.Server.InRecovery {
		return nil
	}
	conn := conninfo.Map(f.Server.ConnInfo.Reveal())
	members := list.Without(s.Cluster.Members(), []*topology.Node{n})
	for _, is := range []func(m *topology.Node) bool{
		func(m *topology.Node) bool { return s.leads(n, m, conn, s.PortInForce(m)) },
		func(m *topology.Node) bool { return s.leads(n, m, conn, m.Port) },
		func(m *topology.Node) bool { return s.sendsTo(m, n, f.Server) },
	} {
		if i := slices.IndexFunc(members, is); i >= 0 {
			return members[i]
		}
	}
	return nil
}

// sendsTo tells whether the server of m has n's WAL receiver among its senders: of its
// name, and from its address or by its slot.
func (s *Cluster) sendsTo(m, n *topology.Node, standby *facts.Server) bool {
	up := s.Found(m).Server
	if up == nil || standby.Receiver == nil || standby.Receiver.Status != "streaming" {
		return false
	}
	slot := standby.Receiver.SlotName
	return slices.ContainsFunc(up.Senders, func(f facts.Sender) bool {
		return f.State == "streaming" && f.ApplicationName == s.ApplicationName(n) &&
			(slot != "" && f.SlotName == slot || f.ClientAddr != "" && s.sameAddress(m, f.ClientAddr, n.Address))
	})
}

// ListensFor tells whether a server with these listen_addresses is reached by all who
// connect to n, at the addresses that they see.
func (s *Cluster) ListensFor(n *topology.Node, listen string) bool {
	if pg.Covers(listen, n.Address) {
		return true
	}
	seen := false
	for _, client := range s.Clients(n) {
		for _, a := range s.Resolve(client, n.Address) {
			if seen = true; !pg.Covers(listen, a.String()) {
				return false
			}
		}
	}
	return seen
}

// Clients are the nodes that connect to n.
func (s *Cluster) Clients(n *topology.Node) []*topology.Node {
	var all []*topology.Node
	for _, sb := range s.Cluster.Standbys {
		if sb.Upstream == n {
			all = append(all, sb.Node)
		}
	}
	if n == s.Cluster.Primary {
		for _, sub := range s.Subscribers() {
			all = append(all, sub.Cluster.Primary)
		}
	}
	return all
}

// WillListen answers listen_addresses as this plan leaves it.
func (s *Cluster) WillListen(n *topology.Node) string {
	const name = "listen_addresses"
	if server := s.Found(n).Server; server != nil && Fixed(server.Settings[name]) {
		return server.InForce(name)
	}
	return s.WillHave(n, name)
}

// connTo answers how to connect to a node of a cluster: no password, it is in the passfile.
func connTo(n *topology.Node, user string, r topology.Replication) map[string]string {
	return map[string]string{
		"host": n.Address, "port": strconv.Itoa(n.Port), "user": user,
		"sslmode": r.SSLMode, "sslrootcert": r.SSLRootCert, "sslcert": r.SSLCert, "sslkey": r.SSLKey,
	}
}
