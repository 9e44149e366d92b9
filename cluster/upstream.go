package cluster

import (
	"cmp"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// Followed returns the upstream of a standby as it is, not as it is wanted; where
// nobody can tell, the one wanted.
func (s *Cluster) Followed(sb *topology.Standby) *topology.Node {
	return cmp.Or(s.UpstreamOf(s.Found(sb.Node)), sb.Upstream)
}

// UpstreamOf returns the node of the topology that f follows now, or nil.
func (s *Cluster) UpstreamOf(f *facts.Node) *topology.Node {
	return compute(s, "upstream", f, func() *topology.Node { return s.findUpstream(f) })
}

func (s *Cluster) findUpstream(f *facts.Node) *topology.Node {
	n := s.Topology.Node(f.Name)
	if n == nil || f.Server == nil || !f.Server.InRecovery {
		return nil
	}
	conn := s.ConnNow(n)
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

// sendsTo reports whether the server of m has n's WAL receiver among its senders: of its
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

// SenderOf returns the upstream's process that serves the standby, or nil.
func (s *Cluster) SenderOf(sb *topology.Standby, upstream *topology.Node) *facts.Sender {
	slot := sb.Slot
	if server := s.Found(sb.Node).Server; server != nil {
		slot = server.Settings["primary_slot_name"].Value
	}
	sender := s.Found(upstream).Server.SenderTo(slot, s.ApplicationName(sb.Node))
	if sender != nil && sender.Copies() {
		return nil // it holds the slot for the standby's base backup, and serves no standby
	}
	return sender
}

const ApplicationKey = "application_name"

// ApplicationName is the name under which a standby is seen upstream, or was before it went
// down.
func (s *Cluster) ApplicationName(n *topology.Node) string {
	if f := s.Found(n); f.Server != nil {
		return SeenAs(s.ConnNow(n)[ApplicationKey], f.Server.InForce("cluster_name"))
	}
	if !s.KnowsConn(n) {
		return n.Name
	}
	cluster, _ := s.StandbyValue(n, "cluster_name")
	return SeenAs(s.ConnNow(n)[ApplicationKey], cluster)
}

// SeenAs is the name of a WAL receiver: what its connection string says, else
// cluster_name, else walreceiver.
func SeenAs(application, cluster string) string { return cmp.Or(application, cluster, "walreceiver") }
