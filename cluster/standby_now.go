package cluster

import (
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// connTo returns how to connect to a node of a cluster: no password, it is in the passfile.
func connTo(n *topology.Node, user string, r topology.Replication) map[string]string {
	return map[string]string{
		"host": n.Address, "port": strconv.Itoa(n.Port), "user": user,
		"sslmode": r.SSLMode, "sslrootcert": r.SSLRootCert, "sslcert": r.SSLCert, "sslkey": r.SSLKey,
	}
}

// Moves reports whether n's data directory goes aside for a new copy.
func (s *Cluster) Moves(n *topology.Node) bool {
	h := s.Found(n).Host
	unstarted := h.Data.Unstarted && len(h.Jobs) > 0 // nothing in it is worth keeping
	return s.Decision(n) == Reclone && h.Data.State == facts.DataCluster && !h.Making() && !unstarted
}

// LastValue is what the last line of a file that names a parameter gives it.
func LastValue(text, name string) (value string, there bool) {
	for _, f := range conftext.ParseConf(text) {
		if conftext.SameName(f.Name, name) {
			value, there = f.Value, true
		}
	}
	return value, there
}

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
	return compute(s, "connNow", n, func() map[string]string {
		text, _ := s.connText(n)
		return conninfo.Map(text)
	})
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
