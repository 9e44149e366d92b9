package cluster

import (
	"path"

	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// The size of WAL segments comes with the data, min_wal_size and max_wal_size with the
// files: a server does not start unless both are twice that size (PostgreSQL's
// ReadControlFile). Files that initdb writes for a clone fit; older files may not.

// WalSegment is the size of the primary's WAL segments in MB; 0 unknown.
func (s *Cluster) WalSegment() int {
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
	h, need := s.Found(n).Host, float64(2*s.WalSegment())
	if need == 0 || s.NeedsConfig(n) || h == nil || s.Recloned(n) && path.Dir(h.Conf.Path) == h.DataDir {
		return nil // its files are made for it, or come with the data
	}
	var lines []Line
	for _, name := range []string{"max_wal_size", "min_wal_size"} {
		setting := s.Live().Settings[name]
		has := s.outside(n, name, s.ownFile(n, name, setting.Boot))
		if Number(setting, has) < need {
			lines = append(lines, Line{Name: name, Value: WithUnit(setting, s.Live().InForce(name)), Note: "as on the primary: two WAL segments at least"})
		}
	}
	return lines
}

// ownFile answers what the node's postgresql.conf sets outside of the block.
func (s *Cluster) ownFile(n *topology.Node, name, fallback string) string {
	h := s.Found(n).Host
	block, value := s.ConfBlock(h), fallback
	for _, f := range conftext.ParseConf(h.Conf.Text) {
		if conftext.SameName(f.Name, name) && !block.Has(f.Line) {
			value = f.Value
		}
	}
	return value
}
