package check

import (
	"cmp"
	"strconv"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Ways between the machines.

// checkResolved refuses names that n cannot resolve: its rules are made of addresses.
func checkResolved(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	for _, m := range s.Cluster.Members() {
		if m != n && s.Cluster.Replication.Role != nil && len(s.Resolve(n, m.Address)) == 0 {
			out.Fail(s.RangeOf(m), "Unresolvable address",
				"%s cannot resolve %q, the address of %s. Replication between them requires it: fix DNS or /etc/hosts there, "+
					"or set address on the node.", n.Name, m.Address, m.Name)
		}
	}
	for _, sub := range s.Subscribers() {
		for _, m := range sub.Cluster.Members() {
			if len(s.Resolve(n, m.Address)) == 0 {
				out.Fail(sub.Range, "Unresolvable address",
					"%s cannot resolve %q, the address of %s, whose subscription connects to it. Fix DNS or /etc/hosts there, or "+
						"set address on the node.", n.Name, m.Address, m.Name)
			}
		}
	}
}

// checkUpstreamReach refuses a copy, or a new upstream, whose port the standby's machine cannot
// reach. That nobody listens says nothing where this plan is to make the upstream
// listen.
func checkUpstreamReach(s *cluster.Cluster, sb *topology.Standby, f *facts.Node, out *draft.Findings) {
	up := s.Found(sb.Upstream)
	if f.Host.UpstreamError == "" || up.Server == nil || s.Recloned(sb.Upstream) {
		return
	}
	port := strconv.Itoa(sb.Upstream.Port)
	listens := s.ListensFor(sb.Upstream, up.Server.InForce("listen_addresses")) && !s.PortMoves(sb.Upstream)
	if strings.Contains(f.Host.UpstreamError, "refused") && !listens && s.ListensFor(sb.Upstream, s.WillListen(sb.Upstream)) {
		return
	}
	out.Fail(s.RangeOf(sb.Node), "Unreachable upstream",
		"%s cannot connect to %s, its upstream, on %s port %s: %s. %s is running: allow this TCP connection "+
			"(firewall, routing), or set address on the node.",
		sb.Node.Name, sb.Upstream.Name, sb.Upstream.Address, port, f.Host.UpstreamError, sb.Upstream.Name)
}

// checkPublisherReach refuses a subscription, new or repointed, whose publisher the subscriber's machine cannot
// reach; again, where nobody listens yet this plan may make it.
func checkPublisherReach(v *cluster.Subscription, out *draft.Findings) {
	h := v.Scope.Found(v.Scope.Goal.Primary).Host
	if h == nil || v.Is != nil && !v.Remade() && !v.Repointed() {
		return
	}
	host, port, name := "", "", "the publisher"
	if p := v.Source; p != nil {
		n := p.Goal.Primary
		host, port, name = n.Address, strconv.Itoa(n.Port), n.Name
		if server := p.Found(n).Server; server == nil || p.PortMoves(n) || !p.ListensFor(n, server.InForce("listen_addresses")) && p.ListensFor(n, p.WillListen(n)) {
			return
		}
	} else {
		host, port = v.Connection.Host, strconv.Itoa(cmp.Or(v.Connection.Port, 5432))
	}
	if why := h.PublisherErrors[host+" "+port]; why != "" {
		out.Fail(v.Range, "Unreachable publisher",
			"%s: %s cannot connect to %s on %s port %s: %s. Allow this TCP connection (firewall, routing), or set "+
				"address on the node.",
			v.ID, v.Scope.Goal.Primary.Name, name, host, port, why)
	}
}
