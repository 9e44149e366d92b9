package plan

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Free space, on each file system that a copy fills.

// walBytes is room for the WAL that comes while a copy is made: a tenth of it, and two
// segments of PostgreSQL's usual size at least.
func walBytes(copied int64) int64 { return max(copied/10, 2*16<<20) }

// checkSpace compares what a copy needs with what is free.
func (s *scope) checkSpace(sb *topology.Standby, f *facts.Node, out *findings) {
	if s.cloneBytes(sb) == 0 || len(f.Host.Jobs) > 0 {
		return // not known; or what is there already goes first
	}
	needs := map[string]int64{} // by where the file system is mounted
	parts := map[string][]string{}
	places := s.places(sb)
	for _, p := range places {
		if d := f.Host.Dir(p.dir); d != nil && d.Disk.Mount != "" {
			needs[d.Disk.Mount] += p.bytes
			parts[d.Disk.Mount] = append(parts[d.Disk.Mount], fmt.Sprintf("%s in %s (%s)", bytesText(p.bytes), p.dir, p.what))
		}
	}
	for _, p := range places {
		d := f.Host.Dir(p.dir)
		if d == nil || needs[d.Disk.Mount] <= d.Disk.Free {
			continue
		}
		out.fail(p.at, "Disk is too small", "%s: the file system on %s has %s free, and the copy of %s needs about %s there: %s. Make room, or have it copied elsewhere: data_dir of the node, wal_dir or tablespace_mapping of basebackup.",
			sb.Node.Name, d.Disk.Mount, bytesText(d.Disk.Free), sb.Upstream.Name, bytesText(needs[d.Disk.Mount]), strings.Join(parts[d.Disk.Mount], ", "))
		needs[d.Disk.Mount] = 0 // told once
	}
}
