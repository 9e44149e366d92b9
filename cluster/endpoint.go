package cluster

import (
	"cmp"
	"net/netip"
	"slices"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// Who is at the other end of a connection. A name and the addresses that it resolves to
// are one machine, an address has several spellings, and a port may be on its way to
// another: where servers say who streams from whom, that counts.

// leads reports whether a connection string of viewer leads to m at that port. A name and
// the address that it resolves to are one.
func (s *Cluster) leads(viewer, m *topology.Node, conn map[string]string, port int) bool {
	return pg.PortOf(conn) == port && s.sameAddress(viewer, cmp.Or(conn["hostaddr"], conn["host"]), m.Address)
}

// sameAddress reports whether two names or addresses are one machine, as viewer sees it.
func (s *Cluster) sameAddress(viewer *topology.Node, a, b string) bool {
	if pg.SameHost(a, b) {
		return true
	}
	one := s.Resolve(viewer, a)
	return slices.ContainsFunc(s.Resolve(viewer, b), func(x netip.Addr) bool { return slices.Contains(one, x) })
}

// ListensFor reports whether a server with these listen_addresses is reached by all who
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
	if n == s.Goal.Primary {
		for _, sub := range s.Subscribers() {
			all = append(all, sub.Cluster.Primary)
		}
	}
	return all
}

// Resolve returns the addresses of a name as n sees it.
func (s *Cluster) Resolve(n *topology.Node, name string) []netip.Addr {
	texts := []string{name}
	if _, err := netip.ParseAddr(name); err != nil {
		texts = nil
		if h := s.Found(n).Host; h != nil {
			texts = h.Resolved[name]
		}
	}
	var addresses []netip.Addr
	for _, t := range texts {
		if a, err := netip.ParseAddr(t); err == nil {
			addresses = append(addresses, a.Unmap().WithZone(""))
		}
	}
	slices.SortFunc(addresses, netip.Addr.Compare)
	return slices.Compact(addresses)
}
