package plan

import (
	"path"

	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

// The size of WAL segments comes with the data, min_wal_size and max_wal_size with the
// files: a server does not start unless both are twice that size (PostgreSQL's
// ReadControlFile). Files that initdb writes for a clone fit; older files may not.

// walSegment is the size of the primary's WAL segments in MB; 0 unknown.
func (s *scope) walSegment() int {
	const name = "wal_segment_size"
	if s.live() == nil {
		return 0
	}
	setting := s.live().Settings[name]
	return int(number(setting, setting.Value)) >> 20
}

// walSizes gives a standby the primary's values where its own files have less than two
// segments.
func (s *scope) walSizes(n *topology.Node) []line {
	h, need := s.found(n).Host, float64(2*s.walSegment())
	if need == 0 || s.needsConfig(n) || h == nil || s.recloned(n) && path.Dir(h.Conf.Path) == h.DataDir {
		return nil // its files are made for it, or come with the data
	}
	var lines []line
	for _, name := range []string{"max_wal_size", "min_wal_size"} {
		setting := s.live().Settings[name]
		has := s.outside(n, name, s.ownFile(n, name, setting.Boot))
		if number(setting, has) < need {
			lines = append(lines, line{name: name, value: withUnit(setting, s.live().InForce(name)), note: "as on the primary: two WAL segments at least"})
		}
	}
	return lines
}

// ownFile answers what the node's postgresql.conf sets outside of the block.
func (s *scope) ownFile(n *topology.Node, name, fallback string) string {
	h := s.found(n).Host
	block, value := s.confBlock(h), fallback
	for _, f := range conftext.ParseConf(h.Conf.Text) {
		if conftext.SameName(f.Name, name) && !block.has(f.Line) {
			value = f.Value
		}
	}
	return value
}
