package cluster

import (
	"cmp"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Under which name a standby is seen by its upstream, now and after this plan. A name
// that synchronous_standby_names may have is not changed in passing: what a standby's
// primary_conninfo is compared with is what would be written (PostgreSQL docs, 20.6.2).

// Followed answers the upstream of a standby as it is, not as it is wanted; where
// nobody can tell, the one wanted.
func (s *Cluster) Followed(sb *topology.Standby) *topology.Node {
	return cmp.Or(s.UpstreamOf(s.Found(sb.Node)), sb.Upstream)
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

// SenderOf answers the upstream's process that serves the standby, or nil.
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

// ForeignSender tells of a WAL sender for somebody whom the topology does not define and
// that is there to stay.
func (s *Cluster) ForeignSender(n *topology.Node, c facts.Sender) bool {
	_, _, copies := pg.CopySlot(c.SlotName)
	known := slices.ContainsFunc(s.Cluster.Members(), func(m *topology.Node) bool {
		return m.Name == c.ApplicationName || s.ApplicationName(m) == c.ApplicationName
	})
	return !known && c.State != "backup" && !copies && !SlotWanted(s.WantedSlots(), n, c.SlotName) && !s.IsOurs(Object{"slot", c.SlotName, n.Name}) &&
		!slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool {
			return sub.Options.SlotName == c.SlotName || sub.Name == c.ApplicationName
		})
}

const ApplicationKey = "application_name"

// ApplicationName is the name under which a standby is seen upstream, or was before it went
// down.
func (s *Cluster) ApplicationName(n *topology.Node) string {
	if f := s.Found(n); f.Server != nil {
		return f.Server.SeenAs()
	}
	conn, known := s.connText(n)
	if !known {
		return n.Name
	}
	cluster, _ := s.StandbyValue(n, "cluster_name")
	return SeenAs(conninfo.Map(conn)[ApplicationKey], cluster)
}

// SeenAs is the name of a WAL receiver: what its connection string says, else
// cluster_name, else walreceiver.
func SeenAs(application, cluster string) string { return cmp.Or(application, cluster, "walreceiver") }

// StandbyName is the application_name that a standby's connection string is to have; ""
// for none. A member of the topology's set has the node's name. A standby that runs keeps
// the one that it has: somebody's own set, or another program, may know it by that. One
// that is cloned again has the node's name unless the set knows it by another.
func (s *Cluster) StandbyName(sb *topology.Standby) string {
	n := sb.Node
	conn, known := s.connText(n)
	if !known || slices.Contains(s.SyncMembers(), n) {
		return n.Name
	}
	has := conninfo.Map(conn)[ApplicationKey]
	if has == facts.BaseBackup || slices.Contains(n.Earlier, has) && !s.SetNames(has) || s.Recloned(n) && !s.SetNames(s.ApplicationName(n)) {
		return n.Name
	}
	return has
}

// WillBeSeenAs is the name under which a standby is seen upstream after this plan.
func (s *Cluster) WillBeSeenAs(sb *topology.Standby) string {
	cluster := ""
	if f := s.Found(sb.Node); f.Server != nil {
		cluster = f.Server.InForce("cluster_name")
	} else {
		cluster, _ = s.StandbyValue(sb.Node, "cluster_name")
	}
	return SeenAs(s.StandbyName(sb), cluster)
}

// SetNames tells whether the set in force, or the one that an apply has set aside, names
// a standby; a set of whoever streams names nobody.
func (s *Cluster) SetNames(name string) bool {
	values := []string{s.SyncCurrent()}
	if owed := s.KeptAside(); owed != nil {
		values = append(values, owed.Value)
	}
	return slices.ContainsFunc(values, func(value string) bool {
		set, ok := pg.ParseSync(value)
		return ok && !set.Every() && set.Has(name)
	})
}

// MemberNamed answers the standby that is seen under that application_name, or would be
// by its node's name; or nil.
func (s *Cluster) MemberNamed(name string) *topology.Node {
	for _, named := range []func(*topology.Node) string{s.ApplicationName, func(n *topology.Node) string { return n.Name }} {
		for _, sb := range s.Cluster.Standbys {
			if strings.EqualFold(named(sb.Node), name) {
				return sb.Node
			}
		}
	}
	return nil
}
