package plan

import (
	"fmt"
	"iter"
	"maps"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Free space, on each file system that a copy fills.

// walBytes is room for the WAL that comes while a copy is made: a tenth of it, and two
// segments of PostgreSQL's usual size at least.
func walBytes(copied int64) int64 { return max(copied/10, 2*16<<20) }

// checkSpace compares what a copy needs with what is free, beside the copies that this
// plan makes on the same machine: of several, the first that does not fit tells.
func (s *scope) checkSpace(sb *topology.Standby, f *facts.Node, out *findings) {
	if !s.fills(sb) {
		return
	}
	needs := map[string]int64{} // by where the file system is mounted
	parts := map[string][]string{}
	add := func(s *scope, sb *topology.Standby, whose string) {
		for _, p := range s.places(sb) {
			if d := s.found(sb.Node).Host.Dir(p.dir); d != nil && d.Disk.Mount != "" {
				needs[d.Disk.Mount] += p.bytes
				parts[d.Disk.Mount] = append(parts[d.Disk.Mount], fmt.Sprintf("%s in %s (%s%s)", bytesText(p.bytes), p.dir, p.what, whose))
			}
		}
	}
	for of, other := range s.copiesBefore(sb) {
		add(of, other, " of "+other.Node.Name)
	}
	before := maps.Clone(needs)
	add(s, sb, "")
	for _, p := range s.places(sb) {
		d := f.Host.Dir(p.dir)
		if d == nil || needs[d.Disk.Mount] <= d.Disk.Free || before[d.Disk.Mount] > d.Disk.Free {
			continue
		}
		out.fail(p.at, "Disk is too small", "%s: the file system on %s has %s free, and the copy of %s needs about %s there: %s. Make room, or have it copied elsewhere: data_dir of the node, wal_dir or tablespace_mapping of basebackup.",
			sb.Node.Name, d.Disk.Mount, bytesText(d.Disk.Free), sb.Upstream.Name, bytesText(needs[d.Disk.Mount]), strings.Join(parts[d.Disk.Mount], ", "))
		needs[d.Disk.Mount] = 0 // told once
	}
}

// fills tells whether a copy is made whose size is known. Of one that died, what is
// there goes first.
func (s *scope) fills(sb *topology.Standby) bool {
	return s.recloned(sb.Node) && s.cloneBytes(sb) > 0 && len(s.found(sb.Node).Host.Jobs) == 0
}

// copiesBefore are those that come before the copy of sb in the topology and fill the
// same machine, each with its cluster.
func (s *scope) copiesBefore(sb *topology.Standby) iter.Seq2[*scope, *topology.Standby] {
	return func(yield func(*scope, *topology.Standby) bool) {
		for _, c := range s.topology.Clusters {
			for _, other := range c.Standbys {
				there := other.Node.Access == sb.Node.Access && other.Node.Host == sb.Node.Host
				if other == sb || there && s.of(c).fills(other) && !yield(s.of(c), other) {
					return
				}
			}
		}
	}
}
