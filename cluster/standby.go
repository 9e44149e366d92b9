package cluster

import (
	"path"
	"slices"
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// UpstreamAddresses are what must be in order before a standby connects.
func (s *Cluster) UpstreamAddresses(sb *topology.Standby) []topology.Address {
	up := sb.Upstream
	all := []topology.Address{s.NodeAddress(up), s.StandbyAddress(up), s.HBAAddress(up), s.NodeAddress(s.Goal.Primary)}
	all = append(append(all, s.Basis(up)...), s.Basis(s.Goal.Primary)...)
	if sb.Slot != "" {
		all = append(all, s.Address("slot", sb.Slot))
	}
	if r := s.Cluster.Replication.Role; r != nil {
		all = append(all, s.Address("role", r.Name))
	}
	return all
}

// RestartsBefore are the changes of parameters that come before a standby connects: a server
// that restarts later would interrupt it.
func (s *Cluster) RestartsBefore(sb *topology.Standby) []topology.Address {
	return []topology.Address{s.ParametersAddress(sb.Upstream), s.ParametersAddress(s.Goal.Primary), s.ParametersAddress(s.Followed(sb))}
}

// ConnDiffers returns the keys in which a conninfo is not as wanted. A password that
// stands in the text or in a file of somebody else's, and is the right one, does for the
// passfile, so that a standby made by hand is adopted without a reconnect.
func (s *Cluster) ConnDiffers(now, wanted map[string]string, sb *topology.Standby) []string {
	keys := pg.ConnDiff(now, wanted, pg.ConnKeys())
	if s.astray(now, sb) {
		keys = append(keys, "hostaddr")
	}
	return slices.DeleteFunc(keys, func(key string) bool {
		switch key {
		case "passfile":
			return s.HasPassword(now, sb.Node)
		case "dbname", "service", "connect_timeout":
			return wanted[key] == "" // nothing that streaming needs
		}
		return false
	})
}

// HasPassword reports whether a conninfo leads to the right password without repltool's file:
// it holds it, or a password file does that only its owner can read.
func (s *Cluster) HasPassword(conn map[string]string, n *topology.Node) bool {
	password := conn["password"]
	if file := s.Found(n).Host.StandbyPassfile; password == "" && file != nil && file.Mode&0o077 == 0 {
		password, _ = conninfo.Passfile(file.Text.Reveal(), conn["host"], strconv.Itoa(pg.PortOf(conn)), "replication", conn["user"])
	}
	return password != "" && password == s.Cluster.Replication.Role.Password.Reveal()
}

func Binary(h *facts.Host, name string) string { return path.Join(h.BinDir, name) }
