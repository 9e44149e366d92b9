package cluster

import (
	"path"

	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// The size of WAL segments comes with the data, min_wal_size and max_wal_size with the
// files: a server does not start unless both are twice that size (PostgreSQL's
// ReadControlFile). Files that initdb writes for a clone fit; older files may not.

// WALSegment is the size of the cluster's WAL segments in MB; 0 unknown.
func (s *Cluster) WALSegment() int {
	const name = "wal_segment_size"
	if s.Live() == nil {
		return 0
	}
	setting := s.Live().Settings[name]
	return int(Number(setting, setting.Value)) >> 20
}

// walSizes gives a standby the primary's values where its own files have less than two
// segments.
func (s *Cluster) walSizes(n *topology.Node) []Line {
	h, need := s.Found(n).Host, float64(2*s.WALSegment())
	if need == 0 || s.NeedsConfig(n) || h == nil {
		return nil // its files are made for it
	}
	var lines []Line
	for _, name := range []string{"max_wal_size", "min_wal_size"} {
		setting := s.Live().Settings[name]
		has := s.beside(n, name, setting.Boot)
		if Number(setting, has) < need {
			lines = append(lines, Line{Name: name, Value: WithUnit(setting, s.Live().InForce(name)), Note: "as on the primary: at least two WAL segments"})
		}
	}
	return lines
}

// ownFile returns what the node's postgresql.conf sets outside of the block.
func (s *Cluster) ownFile(n *topology.Node, name, fallback string) string {
	h := s.Found(n).Host
	block, value, text := s.ConfBlock(h), fallback, h.Conf.Text
	if !h.Conf.Exists {
		text = h.NewClusterConf // with which pg_createcluster makes it
	}
	for _, f := range conftext.ParseConf(text) {
		if conftext.SameName(f.Name, name) && !block.Has(f.Line) {
			value = f.Value
		}
	}
	return value
}

// beside returns the value that n starts with but for our block: of its server, else of its
// postgresql.conf, which a clone keeps or gets from its upstream with the data.
func (s *Cluster) beside(n *topology.Node, name, fallback string) string {
	h := s.Found(n).Host
	switch sb := s.Cluster.Standby(n); {
	case h == nil || s.Running(n) && !s.Recloned(n):
		return s.outside(n, name, fallback)
	case sb != nil && s.Recloned(n) && !s.NeedsConfig(n) && path.Dir(h.Conf.Path) == h.DataDir:
		return s.outside(sb.Upstream, name, fallback)
	default:
		return s.ownFile(n, name, fallback)
	}
}
