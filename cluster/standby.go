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
	all := []topology.Address{
		s.NodeAddress(up), s.StandbyAddress(up), s.ParametersAddress(up), s.HbaAddress(up),
		s.NodeAddress(s.Cluster.Primary), s.ParametersAddress(s.Cluster.Primary),
	}
	if sb.Slot != "" {
		all = append(all, s.Address("slot", sb.Slot))
	}
	if r := s.Cluster.Replication.Role; r != nil {
		all = append(all, s.Address("role", r.Name))
	}
	return all
}

// ConnInfo answers the primary_conninfo of a standby: no password, it is in the
// passfile. application_name is what synchronous_standby_names matches (sender.go).
func (s *Cluster) ConnInfo(sb *topology.Standby) map[string]string {
	r := s.Cluster.Replication
	c := connTo(sb.Upstream, r.Role.Name, r)
	c[ApplicationKey] = s.StandbyName(sb)
	if r.Role.Password.IsSet() {
		c["passfile"] = s.Found(sb.Node).Host.Passfile.Path
	}
	if s.copiesSlots(sb.Node) {
		c["dbname"] = pg.Maintenance
	}
	text, known := s.connText(sb.Node)
	if !known {
		return c
	}
	now := conninfo.Map(text)
	c = pg.KeepRest(now, c, pg.AlwaysSaid())
	server := s.Found(sb.Node).Server
	if server == nil {
		pg.KeepHosts(now, c)
	} else if r := server.Receiver; r != nil && r.SenderHost == sb.Upstream.Address && r.SenderPort == sb.Upstream.Port {
		pg.KeepHosts(now, c)
	}
	return c
}

// ConnDiffers answers the keys in which a conninfo is not as wanted. A password that
// stands in the text or in a file of somebody else's, and is the right one, does for the
// passfile, so that a standby made by hand is adopted without a reconnect.
func (s *Cluster) ConnDiffers(now, wanted map[string]string, sb *topology.Standby) []string {
	return slices.DeleteFunc(pg.ConnDiff(now, wanted, pg.ConnKeys()), func(key string) bool {
		switch key {
		case "passfile":
			return s.HasPassword(now, sb.Node)
		case "dbname", "service", "connect_timeout":
			return wanted[key] == "" // nothing that streaming needs
		}
		return false
	})
}

// HasPassword tells that a conninfo leads to the right password without repltool's file:
// it holds it, or a password file does that only its owner can read.
func (s *Cluster) HasPassword(conn map[string]string, n *topology.Node) bool {
	password := conn["password"]
	if file := s.Found(n).Host.StandbyPassfile; password == "" && file != nil && file.Mode&0o077 == 0 {
		password, _ = conninfo.Passfile(file.Text.Reveal(), conn["host"], strconv.Itoa(pg.PortOf(conn)), "replication", conn["user"])
	}
	return password != "" && password == s.Cluster.Replication.Role.Password.Reveal()
}

// Recloned tells whether the node's data directory is (still) to be filled by a
// clone: it has none, ours is half made, or the user asked for a new one.
func (s *Cluster) Recloned(n *topology.Node) bool {
	f := s.Found(n)
	if s.Cluster.Standby(n) == nil || f.Host == nil {
		return false
	}
	return s.Replace[s.StandbyAddress(n)] || f.Server == nil && f.ServerError == nil &&
		(slices.Contains([]facts.DataState{facts.DataAbsent, facts.DataEmpty}, f.Host.Data.State) || len(f.Host.Jobs) > 0)
}

func Binary(h *facts.Host, name string) string { return path.Join(h.BinDir, name) }

// connText is the connection string of a standby: of its server, else of the files with
// which it starts; of one that is cloned again, of the files that wait aside. It is not
// known where it stands in none of these.
func (s *Cluster) connText(n *topology.Node) (text string, known bool) {
	if server := s.Found(n).Server; server != nil {
		return server.ConnInfo.Reveal(), server.ConnInfo.Reveal() != ""
	}
	text, known = s.StandbyValue(n, "primary_conninfo")
	return text, known && text != ""
}

func (s *Cluster) KnowsConn(n *topology.Node) bool {
	_, known := s.connText(n)
	return known
}

// ConnNow is the same, taken apart.
func (s *Cluster) ConnNow(n *topology.Node) map[string]string {
	text, _ := s.connText(n)
	return conninfo.Map(text)
}

// StandbyValue is what the files of a standby without a server give a parameter.
func (s *Cluster) StandbyValue(n *topology.Node, name string) (value string, there bool) {
	h := s.Found(n).Host
	if h == nil {
		return "", false
	}
	auto := h.AutoConf
	switch {
	case s.IsDown(n) || s.Moves(n):
	case s.Recloned(n) && h.AsideJob != nil:
		auto = h.AsideAutoConf
	default:
		return "", false
	}
	for _, text := range []string{h.Conf.Text, auto.Text.Reveal()} {
		if v, is := LastValue(text, name); is {
			value, there = v, true
		}
	}
	return value, there
}
