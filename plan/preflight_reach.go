package plan

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Ways between the machines.

// checkResolved refuses names that n cannot resolve: its rules are made of addresses.
func (s *scope) checkResolved(n *topology.Node, out *findings) {
	for _, m := range s.cluster.Members() {
		if m != n && s.cluster.Replication.Role != nil && len(s.resolve(n, m.Address)) == 0 {
			out.fail(s.rangeOf(m), "Address does not resolve",
				"%s cannot resolve %q, the address of %s. Replication between them needs it: mend DNS or /etc/hosts there, or set address on the node.", n.Name, m.Address, m.Name)
		}
	}
	for _, sub := range s.subscribers() {
		for _, m := range sub.Cluster.Members() {
			if len(s.resolve(n, m.Address)) == 0 {
				out.fail(sub.Range, "Address does not resolve",
					"%s cannot resolve %q, the address of %s, whose subscription it lets in. Mend DNS or /etc/hosts there, or set address on the node.", n.Name, m.Address, m.Name)
			}
		}
	}
}

// checkReach refuses a copy, or a new upstream, whose port the standby's machine cannot
// reach. That nobody listens says nothing where this plan is to make the upstream
// listen.
func (s *scope) checkReach(sb *topology.Standby, f *facts.Node, out *findings) {
	up := s.found(sb.Upstream)
	if f.Host.UpstreamError == "" || up.Server == nil || s.recloned(sb.Upstream) {
		return
	}
	port := strconv.Itoa(sb.Upstream.Port)
	listens := s.listensFor(sb.Upstream, up.Server.InForce("listen_addresses")) && !s.portMoves(sb.Upstream)
	if strings.Contains(f.Host.UpstreamError, "refused") && !listens && s.listensFor(sb.Upstream, s.willListen(sb.Upstream)) {
		return
	}
	out.fail(s.rangeOf(sb.Node), "Upstream cannot be reached",
		"%s cannot connect to %s, its upstream, on %s port %s: %s. %s runs: open the way between the two machines (firewall, routes), or set address on the node.",
		sb.Node.Name, sb.Upstream.Name, sb.Upstream.Address, port, f.Host.UpstreamError, sb.Upstream.Name)
}

// checkReach refuses a new subscription whose publisher the subscriber's machine cannot
// reach; again, where nobody listens yet this plan may make it.
func (v *subscription) checkReach(out *findings) {
	h := v.scope.primary().Host
	if h == nil || v.is != nil && !v.remade() {
		return
	}
	host, port, name := "", "", "the publisher"
	if p := v.publisher; p != nil {
		n := p.cluster.Primary
		host, port, name = n.Address, strconv.Itoa(n.Port), n.Name
		if p.live() == nil || p.portMoves(n) || !p.listensFor(n, p.live().InForce("listen_addresses")) && p.listensFor(n, p.willListen(n)) {
			return
		}
	} else {
		host, port = v.Connection.Host, strconv.Itoa(cmp.Or(v.Connection.Port, 5432))
	}
	if why := h.PublisherErrors[host+" "+port]; why != "" {
		out.fail(v.Range, "Publisher cannot be reached",
			"%s: %s cannot connect to %s on %s port %s: %s. Open the way between the two machines (firewall, routes), or set address on the node.",
			v.ID, v.scope.cluster.Primary.Name, name, host, port, why)
	}
}

// repointed tells that a standby gets another address of its upstream.
func (s *scope) repointed(sb *topology.Standby) bool {
	now, wanted := s.connNow(sb.Node), s.connInfo(sb)
	return !sameHost(now["host"], wanted["host"]) || portOf(now) != portOf(wanted)
}
