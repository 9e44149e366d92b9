package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// The places where a cluster is made or copied to: the port is free, and every
// directory that a copy fills is empty or not there (PostgreSQL docs, pg_basebackup).

// checkEmpty looks at the place where a data directory is to be made.
func checkEmpty(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	socket := fmt.Sprintf("%s/.s.PGSQL.%d", f.Host.SocketDir, n.Port)
	if len(socket) > 107 {
		out.Fail(n.Range, "Socket path too long", "%s: %s has %d bytes; the path of a Unix socket is limited to 107. Set a shorter socket_dir.", n.Name, socket, len(socket))
	}
	if d := f.Host.Dir(f.Host.DataDir); d != nil && d.Locked && d.State != facts.DataForeign {
		out.Fail(s.RangeOf(n), "Directory not writable",
			"%s: %s cannot be created as user %s. Create it, and give it to that user, or set another data_dir.", n.Name, d.Path, f.Host.OSUser)
	}
}

// checkClone looks at what a copy for a standby fills and where it comes from.
func checkClone(s *cluster.Cluster, sb *topology.Standby, f *facts.Node, out *draft.Findings) {
	if f.Server == nil && !f.Host.Running {
		checkEmpty(s, sb.Node, f, out)
	}
	checkMapping(s, sb, out)
	checkUpstreamReach(s, sb, f, out)
	clone := f.Host.Job(cluster.JobID(f.Host, "clone"))
	if f.Host.Making() || clone.Done() {
		return // what it fills is being filled, or is
	}
	checkServes(s, sb, out)
	if s.Moves(sb.Node) {
		checkPinned(s, sb, f.Host, out)
	}
	for _, p := range s.Places(sb)[1:] {
		checkPlace(s, sb, p, f.Host, out)
	}
	checkSpace(s, sb, f, out)
}

// checkPlace refuses a directory that is not empty, unless what it holds goes first.
func checkPlace(s *cluster.Cluster, sb *topology.Standby, p cluster.Place, h *facts.Host, out *draft.Findings) {
	n := sb.Node
	if p.Dir == h.DataDir || strings.HasPrefix(p.Dir, h.DataDir+"/") {
		out.Fail(p.At, "Directory inside the data directory", "%s: %s, for %s, is inside %s, which must be empty. Choose another directory.", n.Name, p.Dir, p.What, h.DataDir)
		return
	}
	if other := usedBy(s, sb, p); other != "" {
		out.Fail(p.At, "Directory used by another server",
			"%s: %s would be copied to %s, where %s on the same host has its files. Choose another directory: %s.", n.Name, p.What, p.Dir, other, p.Mapping())
		return
	}
	d := h.Dir(p.Dir)
	switch {
	case d == nil, d.Link != "" && s.Moves(n), slices.Contains(s.Leftovers(sb), p.Dir):
	case d.State == facts.DataForeign:
		out.Fail(p.At, "Directory not empty",
			"%s: %s is not empty, and %s is to be copied there. repltool does not overwrite files: empty it, or choose "+
				"another directory: %s.", n.Name, p.Dir, p.What, p.Mapping())
	case d.Locked:
		out.Fail(p.At, "Directory not writable",
			"%s: %s cannot be created or written as user %s, and %s is to be copied there. Create it, and give it to "+
				"that user.", n.Name, p.Dir, h.OSUser, p.What)
	}
}

// usedBy names another member on the standby's machine that has, or is to have, its
// files in that place; "" for none.
func usedBy(s *cluster.Cluster, sb *topology.Standby, p cluster.Place) string {
	for _, m := range s.Cluster.Members() {
		if m == sb.Node || m.Host != sb.Node.Host {
			continue
		}
		if server := s.Found(m).Server; server != nil {
			for _, t := range server.Tablespaces {
				if t.Location == p.Dir {
					return m.Name
				}
			}
		}
		other := s.Cluster.Standby(m)
		if other == nil || !s.Recloned(m) || s.Found(m).Host == nil {
			continue
		}
		for _, q := range s.Places(other) {
			if q.Dir == p.Dir {
				return m.Name
			}
		}
	}
	return ""
}

// checkMapping refuses to map a directory that no tablespace of the cluster has.
func checkMapping(s *cluster.Cluster, sb *topology.Standby, out *draft.Findings) {
	mapping := s.Cluster.BaseBackup.TablespaceMapping
	var known []string
	read := false
	for _, n := range s.Cluster.Members() {
		if server := s.Found(n).Server; server != nil && !s.Recloned(n) {
			read = true
			for _, t := range server.Tablespaces {
				if !slices.Contains(known, t.Location) {
					known = append(known, t.Location)
				}
			}
		}
	}
	if !read || s.FirstClone() != sb { // reported once
		return
	}
	for _, dir := range list.SortedKeys(mapping) {
		if !slices.Contains(known, dir) {
			there := "none of its servers has a tablespace outside its data directory"
			if len(known) > 0 {
				there = "its tablespaces are in " + strings.Join(known, ", ")
			}
			out.Fail(s.Cluster.BaseBackup.Range, "Unknown tablespace",
				"tablespace_mapping names %s, but no tablespace of %s is there: %s.%s", dir, s.Cluster.Name, there, words.Near(dir, known))
		}
	}
}

// checkPinned refuses to clone again where the old WAL directory or a tablespace is in
// the way of the new one and cannot be moved aside.
func checkPinned(s *cluster.Cluster, sb *topology.Standby, h *facts.Host, out *draft.Findings) {
	for i, p := range s.Places(sb) {
		d := h.Dir(p.Dir)
		if d == nil || d.Link == "" && i > 0 {
			continue
		}
		why := d.Pinned
		if why == "" && d.Aside && i > 0 && h.AsideJob == nil {
			why = d.Path + cluster.Aside + " exists, from an earlier clone"
		}
		if why != "" {
			out.Fail(p.At, "Old data directory cannot be moved",
				"%s: %s must be moved to %s%s until the new clone streams, but %s. Fix that; or stop %s, and move the old "+
					"data directory away by hand.",
				sb.Node.Name, d.Path, d.Path, cluster.Aside, why, sb.Node.Name)
		}
	}
}
