package check

import (
	"fmt"
	"iter"
	"maps"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Free space, on each file system that a copy fills.

// checkSpace compares what a copy needs with what is free, beside the copies that this
// plan makes on the same machine: of several, the first that does not fit tells.
func checkSpace(s *cluster.Cluster, sb *topology.Standby, f *facts.Node, out *draft.Findings) {
	if !fills(s, sb) {
		return
	}
	needs := map[string]int64{} // by where the file system is mounted
	parts := map[string][]string{}
	add := func(s *cluster.Cluster, sb *topology.Standby, whose string) {
		for _, p := range s.Places(sb) {
			if d := s.Found(sb.Node).Host.Dir(p.Dir); d != nil && d.Disk.Mount != "" {
				needs[d.Disk.Mount] += p.Bytes
				parts[d.Disk.Mount] = append(parts[d.Disk.Mount], fmt.Sprintf("%s in %s (%s%s)", words.BytesText(p.Bytes), p.Dir, p.What, whose))
			}
		}
	}
	for of, other := range copiesBefore(s, sb) {
		add(of, other, " of "+other.Node.Name)
	}
	before := maps.Clone(needs)
	add(s, sb, "")
	for _, p := range s.Places(sb) {
		d := f.Host.Dir(p.Dir)
		if d == nil || needs[d.Disk.Mount] <= d.Disk.Free || before[d.Disk.Mount] > d.Disk.Free {
			continue
		}
		out.Fail(p.At, "Insufficient disk space", "%s: the file system on %s has %s free, and the clone of %s needs about %s there: %s. Free some space, or "+
			"use another file system: data_dir of the node, wal_dir or tablespace_mapping of basebackup.",
			sb.Node.Name, d.Disk.Mount, words.BytesText(d.Disk.Free), sb.Upstream.Name, words.BytesText(needs[d.Disk.Mount]), strings.Join(parts[d.Disk.Mount], ", "))
		needs[d.Disk.Mount] = 0 // reported once
	}
}

// fills reports whether a copy is made whose size is known. Of one that died, what is
// there goes first.
func fills(s *cluster.Cluster, sb *topology.Standby) bool {
	return s.Recloned(sb.Node) && s.CloneBytes(sb) > 0 && len(s.Found(sb.Node).Host.Jobs) == 0
}

// copiesBefore are those that come before the copy of sb in the topology and fill the
// same machine, each with its cluster.
func copiesBefore(s *cluster.Cluster, sb *topology.Standby) iter.Seq2[*cluster.Cluster, *topology.Standby] {
	return func(yield func(*cluster.Cluster, *topology.Standby) bool) {
		for _, c := range s.Topology.Clusters {
			for _, other := range c.Standbys {
				there := other.Node.Access == sb.Node.Access && other.Node.Host == sb.Node.Host
				if other == sb || there && fills(s.Of(c), other) && !yield(s.Of(c), other) {
					return
				}
			}
		}
	}
}
