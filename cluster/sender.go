package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// Under which name a standby is seen by its upstream, now and after this plan. A name
// that synchronous_standby_names may have is not changed in passing: what a standby's
// primary_conninfo is compared with is what would be written (PostgreSQL docs, 20.6.2).

// ForeignSender recognizes a WAL sender for someone whom the topology does not define and
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

// StandbyName is the application_name that a standby's connection string is to have; ""
// for none. A member of the topology's set has the node's name. A standby that runs keeps
// the one that it has: someone's own set, or another program, may know it by that. One
// that is cloned again has the node's name unless the set knows it by another.
func (s *Cluster) StandbyName(sb *topology.Standby) string {
	n := sb.Node
	if !s.KnowsConn(n) || slices.Contains(s.SyncMembers(), n) {
		return n.Name
	}
	has := s.ConnNow(n)[ApplicationKey]
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

// SetNames reports whether the set in force, or the one that an apply has set aside, names
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

// MemberNamed returns the standby that is seen under that application_name, or would be
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
