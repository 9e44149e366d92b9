package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// Relaxed returns the value while n is down, and the one in force: with one
// member less, commits wait for as many as are left.
func (s *Cluster) Relaxed(n *topology.Node) (without, full string) {
	full = s.SyncCurrent()
	set, ok := pg.ParseSync(full)
	if !ok || s.Live() == nil || !set.Has(s.ApplicationName(n)) {
		return full, full
	}
	left := Streaming(set, s.Live())
	if i := slices.IndexFunc(left, func(name string) bool { return strings.EqualFold(name, s.ApplicationName(n)) }); i >= 0 {
		left = slices.Delete(left, i, i+1) // one process; others of that name stay
	}
	if len(left) >= set.Number {
		return full, full
	}
	return pg.SyncValue(set.Method, len(left), pg.SyncIdents(left)), full
}
