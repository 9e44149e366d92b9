package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// Repointed reports whether a standby gets another address of its upstream.
func (s *Cluster) Repointed(sb *topology.Standby) bool {
	now, wanted := s.ConnNow(sb.Node), s.ConnInfo(sb)
	return !pg.SameHost(now["host"], wanted["host"]) || pg.PortOf(now) != pg.PortOf(wanted) || s.astray(now, sb)
}

// astray reports whether a connection leads to another server than the host that it names:
// libpq connects to hostaddr in its place. An address that the name does not resolve to may be
// the upstream's all the same, behind address translation: then the standby streams from it.
func (s *Cluster) astray(conn map[string]string, sb *topology.Standby) bool {
	address, upstream, f := conn["hostaddr"], sb.Upstream, s.Found(sb.Node)
	if address == "" || s.sameAddress(sb.Node, address, upstream.Address) {
		return false
	}
	if f.Server == nil {
		return slices.ContainsFunc(s.Cluster.Members(), func(m *topology.Node) bool { return s.sameAddress(sb.Node, address, m.Address) })
	}
	known := pg.IsAddress(upstream.Address) || len(s.Resolve(sb.Node, upstream.Address)) > 0
	return known && !strings.Contains(address, ",") && s.UpstreamOf(f) != upstream
}

// ConnInfo returns the primary_conninfo of a standby: no password, it is in the
// passfile. application_name is what synchronous_standby_names matches (sender.go).
func (s *Cluster) ConnInfo(sb *topology.Standby) map[string]string {
	return compute(s, "connInfo", sb, func() map[string]string { return s.wantedConn(sb) })
}

func (s *Cluster) wantedConn(sb *topology.Standby) map[string]string {
	r := s.Cluster.Replication
	c := connTo(sb.Upstream, r.Role.Name, r)
	c[ApplicationKey] = s.StandbyName(sb)
	if r.Role.Password.IsSet() {
		c["passfile"] = s.Found(sb.Node).Host.Passfile.Path
	}
	if s.copiesSlots(sb.Node) {
		c["dbname"] = pg.Maintenance
	}
	if !s.KnowsConn(sb.Node) {
		pg.Keepalives(c)
		return c
	}
	now := s.ConnNow(sb.Node)
	c = pg.KeepRest(now, c, pg.AlwaysSaid())
	pg.Keepalives(c)
	server := s.Found(sb.Node).Server
	if s.astray(now, sb) {
		return c
	}
	if server == nil {
		pg.KeepHosts(now, c)
	} else if r := server.Receiver; r != nil && r.SenderHost == sb.Upstream.Address && r.SenderPort == sb.Upstream.Port {
		pg.KeepHosts(now, c)
	}
	return c
}
