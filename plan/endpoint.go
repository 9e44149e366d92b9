package plan

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Who is at the other end of a connection. A name and the addresses that it resolves to
// are one machine, an address has several spellings, and a port may be on its way to
// another: where servers tell who streams from whom, that counts.

// leads tells whether a connection string of viewer leads to m at that port. A name and
// the address that it resolves to are one.
func (s *scope) leads(viewer, m *topology.Node, conn map[string]string, port int) bool {
	return portOf(conn) == port && s.sameAddress(viewer, cmp.Or(conn["hostaddr"], conn["host"]), m.Address)
}

// sameAddress tells whether two names or addresses are one machine, as viewer sees it.
func (s *scope) sameAddress(viewer *topology.Node, a, b string) bool {
	if sameHost(a, b) {
		return true
	}
	one := s.resolve(viewer, a)
	return slices.ContainsFunc(s.resolve(viewer, b), func(x netip.Addr) bool { return slices.Contains(one, x) })
}

// upstreamOf answers the node of the topology that f follows now, or nil.
func (s *scope) upstreamOf(f *facts.Node) *topology.Node {
	n := s.topology.Node(f.Name)
	if n == nil || f.Server == nil || !f.Server.InRecovery {
		return nil
	}
	conn := conninfo.Map(f.Server.ConnInfo.Reveal())
	members := without(s.cluster.Members(), []*topology.Node{n})
	for _, is := range []func(m *topology.Node) bool{
		func(m *topology.Node) bool { return s.leads(n, m, conn, s.portInForce(m)) },
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
func (s *scope) sendsTo(m, n *topology.Node, standby *facts.Server) bool {
	up := s.found(m).Server
	if up == nil || standby.Receiver == nil || standby.Receiver.Status != "streaming" {
		return false
	}
	slot := standby.Receiver.SlotName
	return slices.ContainsFunc(up.Senders, func(f facts.Sender) bool {
		return f.State == "streaming" && f.ApplicationName == s.applicationName(n) &&
			(slot != "" && f.SlotName == slot || f.ClientAddr != "" && s.sameAddress(m, f.ClientAddr, n.Address))
	})
}

// listensFor tells whether a server with these listen_addresses is reached by all who
// connect to n, at the addresses that they see.
func (s *scope) listensFor(n *topology.Node, listen string) bool {
	if covers(listen, n.Address) {
		return true
	}
	seen := false
	for _, client := range s.clients(n) {
		for _, a := range s.resolve(client, n.Address) {
			if seen = true; !covers(listen, a.String()) {
				return false
			}
		}
	}
	return seen
}

// clients are the nodes that connect to n.
func (s *scope) clients(n *topology.Node) []*topology.Node {
	var all []*topology.Node
	for _, sb := range s.cluster.Standbys {
		if sb.Upstream == n {
			all = append(all, sb.Node)
		}
	}
	if n == s.cluster.Primary {
		for _, sub := range s.subscribers() {
			all = append(all, sub.Cluster.Primary)
		}
	}
	return all
}

// willListen answers listen_addresses as this plan leaves it.
func (s *scope) willListen(n *topology.Node) string {
	const name = "listen_addresses"
	if server := s.found(n).Server; server != nil && fixed(server.Settings[name]) {
		return server.InForce(name)
	}
	return s.willHave(n, name)
}

// sameHost tells whether two texts are one name or one address: names have no case, and
// an IPv6 address may be written in several ways.
func sameHost(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	x, errX := netip.ParseAddr(a)
	y, errY := netip.ParseAddr(b)
	return errX == nil && errY == nil && x.Unmap() == y.Unmap()
}

func isAddress(text string) bool {
	_, err := netip.ParseAddr(text)
	return err == nil
}

// covers tells whether a server with these listen_addresses is reached at address.
func covers(listen, address string) bool {
	for a := range strings.SplitSeq(listen, ",") {
		switch a = strings.TrimSpace(a); {
		case a == "":
		case a == "*", sameHost(a, address), a == "0.0.0.0" && !strings.Contains(address, ":"), a == "::" && strings.Contains(address, ":"):
			return true
		case a == "localhost" && (address == "127.0.0.1" || address == "::1"):
			return true
		}
	}
	return false
}
