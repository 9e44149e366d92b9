package cluster

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// What comes of a pending value once a reload or a restart puts it into force.

// PendingConnAsWanted reports whether a pending primary_conninfo is the one that the topology wants,
// as after an apply that died before the reload.
func (s *Cluster) PendingConnAsWanted(sb *topology.Standby) bool {
	text := s.Found(sb.Node).Server.PendingConnInfo
	return text == nil || len(s.ConnDiffers(conninfo.Map(text.Reveal()), s.ConnInfo(sb), sb)) == 0
}

// WouldBlock says why commits on the primary would wait with that synchronous_standby_names;
// "" where as many standbys stream as it requires.
func (s *Cluster) WouldBlock(value string) string {
	set, ok := pg.ParseSync(value)
	if !ok || len(set.Names) == 0 || s.Live() == nil || len(Streaming(set, s.Live())) >= set.Number {
		return ""
	}
	return fmt.Sprintf("commits would wait, since %d of the %d standbys that it requires stream", len(Streaming(set, s.Live())), set.Number)
}

// PendingRulesLockOut reports whether pg_hba.conf, which the server of n has not read since it was
// last written, would as it stands keep out a standby that streams from n now.
func (s *Cluster) PendingRulesLockOut(n *topology.Node) bool {
	f := s.Found(n)
	if f.Server == nil || f.Host == nil || f.Host.HBA.Modified <= f.Server.ConfLoaded {
		return false
	}
	var asItStands []PlacedRule
	for _, r := range f.Server.HBA {
		if r.Error == "" {
			asItStands = append(asItStands, PlacedRule{HBARule: r.HBARule})
		}
	}
	for _, w := range f.Server.Senders {
		address, err := netip.ParseAddr(w.ClientAddr)
		if err != nil || Decodes(f.Server, w) {
			continue
		}
		l := Login{Address: address, Replication: true, User: w.User, Roles: RolesOf(f.Server, w.User), Major: s.Major()}
		if r, _ := First(asItStands, l); r == nil || r.Method == "reject" {
			return true
		}
	}
	return false
}

// MayWake reports whether a reload of n, by which it reconnects to its upstream at once, puts
// nothing else into force. Without it, it does so within wal_retrieve_retry_interval.
func (s *Cluster) MayWake(n *topology.Node) bool { return len(s.Pending(n)) == 0 }

// PendingStandbyValue reports whether something is pending of what n has in postgresql.auto.conf as
// a standby.
func (s *Cluster) PendingStandbyValue(n *topology.Node) bool {
	return slices.ContainsFunc(s.Pending(n), func(p Pending) bool { return slices.Contains(StandbyOwn(), p.Name) })
}
