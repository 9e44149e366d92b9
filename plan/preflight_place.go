package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// The places where a cluster is made or copied to: the port is free, and every
// directory that a copy fills is empty or not there (PostgreSQL docs, pg_basebackup).

// checkEmpty looks at the place where a data directory is to be made.
func (s *scope) checkEmpty(n *topology.Node, f *facts.Node, out *findings) {
	socket := fmt.Sprintf("%s/.s.PGSQL.%d", f.Host.SocketDir, n.Port)
	if len(socket) > 107 {
		out.fail(n.Range, "Socket path is too long", "%s: %s has %d bytes, and a Unix socket's path has at most 107. Set a shorter socket_dir.", n.Name, socket, len(socket))
	}
	if d := f.Host.Dir(f.Host.DataDir); d != nil && d.Locked && d.State != facts.DataForeign {
		out.fail(s.rangeOf(n), "Directory cannot be written",
			"%s: %s cannot be made as %s. Make it, and give it to that user, or name another data_dir.", n.Name, d.Path, f.Host.OSUser)
	}
}

// place is a directory that a copy fills.
type place struct {
	dir   string
	what  string // for a message
	bytes int64  // that it is going to hold
	at    hcl.Range
	space *facts.Tablespace // nil for the data directory and pg_wal
}

// places answers what a copy for the standby fills; the data directory is first.
func (s *scope) places(sb *topology.Standby) []place {
	h, b := s.found(sb.Node).Host, s.cluster.BaseBackup
	source, spaces := s.source(sb)
	total := s.cloneBytes(sb)
	data := place{dir: h.DataDir, what: "the data directory", bytes: total, at: s.rangeOf(sb.Node)}
	var others []place
	for i, t := range spaces {
		p := place{dir: t.Location, what: fmt.Sprintf("tablespace %s of %s", ident(t.Name), source.Name), bytes: t.Bytes, at: s.rangeOf(sb.Node), space: &spaces[i]}
		if to := b.TablespaceMapping[t.Location]; to != "" {
			p.dir, p.at = path.Clean(to), b.Range
		}
		data.bytes = max(0, data.bytes-t.Bytes)
		others = append(others, p)
	}
	wal := walBytes(total)
	if b.WALDir == "" {
		data.bytes += wal
		return append([]place{data}, others...)
	}
	return append([]place{data, {dir: path.Clean(b.WALDir), what: "pg_wal", bytes: wal, at: b.Range}}, others...)
}

// source answers the server that a copy's size and tablespaces are known of: the
// upstream, or, where that is to be copied itself, the primary.
func (s *scope) source(sb *topology.Standby) (*topology.Node, []facts.Tablespace) {
	for _, n := range []*topology.Node{sb.Upstream, s.cluster.Primary} {
		if server := s.found(n).Server; server != nil && !s.recloned(n) {
			return n, server.Tablespaces
		}
	}
	return sb.Upstream, nil
}

// checkClone looks at what a copy for a standby fills and where it comes from.
func (s *scope) checkClone(sb *topology.Standby, f *facts.Node, out *findings) {
	if f.Server == nil && !f.Host.Running {
		s.checkEmpty(sb.Node, f, out)
	}
	s.checkMapping(sb, out)
	s.checkReach(sb, f, out)
	clone := f.Host.Job(jobID(f.Host, "clone"))
	if f.Host.Making() || clone.Done() {
		return // what it fills is being filled, or is
	}
	if s.moves(sb.Node) {
		s.checkPinned(sb, f.Host, out)
	}
	for _, p := range s.places(sb)[1:] {
		s.checkPlace(sb, p, f.Host, out)
	}
	s.checkSpace(sb, f, out)
}

// checkPlace refuses a directory that is not empty, unless what it holds goes first.
func (s *scope) checkPlace(sb *topology.Standby, p place, h *facts.Host, out *findings) {
	n := sb.Node
	if p.dir == h.DataDir || strings.HasPrefix(p.dir, h.DataDir+"/") {
		out.fail(p.at, "Directory in the data directory", "%s: %s, for %s, is in %s, which must be empty. Name another one.", n.Name, p.dir, p.what, h.DataDir)
		return
	}
	if other := s.usedBy(sb, p); other != "" {
		out.fail(p.at, "Two servers in one directory",
			"%s: %s would go to %s, and %s on the same machine has its files there. Say where else it goes: %s.", n.Name, p.what, p.dir, other, p.mapping())
		return
	}
	d := h.Dir(p.dir)
	switch {
	case d == nil, d.Link != "" && s.moves(n), slices.Contains(s.leftovers(sb), p.dir):
	case d.State == facts.DataForeign:
		out.fail(p.at, "Directory is not empty",
			"%s: %s is not empty, and %s is to be copied there. repltool writes over nothing: empty it, or name another directory: %s.", n.Name, p.dir, p.what, p.mapping())
	case d.Locked:
		out.fail(p.at, "Directory cannot be written",
			"%s: %s cannot be made or filled as %s, and %s is to be copied there. Make it, and give it to that user.", n.Name, p.dir, h.OSUser, p.what)
	}
}

// mapping is the line of HCL that gives a place another directory.
func (p place) mapping() string {
	if p.space == nil {
		return `basebackup { wal_dir = "…" }`
	}
	return fmt.Sprintf(`basebackup { tablespace_mapping = { %q = "…" } }`, p.space.Location)
}

// usedBy names another member on the standby's machine that has, or is to have, its
// files in that place; "" for none.
func (s *scope) usedBy(sb *topology.Standby, p place) string {
	for _, m := range s.cluster.Members() {
		if m == sb.Node || m.Host != sb.Node.Host {
			continue
		}
		if server := s.found(m).Server; server != nil {
			for _, t := range server.Tablespaces {
				if t.Location == p.dir {
					return m.Name
				}
			}
		}
		other := s.cluster.Standby(m)
		if other == nil || !s.recloned(m) || s.found(m).Host == nil {
			continue
		}
		for _, q := range s.places(other) {
			if q.dir == p.dir {
				return m.Name
			}
		}
	}
	return ""
}

// checkMapping refuses to map a directory that no tablespace of the cluster has.
func (s *scope) checkMapping(sb *topology.Standby, out *findings) {
	mapping := s.cluster.BaseBackup.TablespaceMapping
	var known []string
	read := false
	for _, n := range s.cluster.Members() {
		if server := s.found(n).Server; server != nil && !s.recloned(n) {
			read = true
			for _, t := range server.Tablespaces {
				if !slices.Contains(known, t.Location) {
					known = append(known, t.Location)
				}
			}
		}
	}
	if !read || s.firstClone() != sb { // told once
		return
	}
	for _, dir := range sortedKeys(mapping) {
		if !slices.Contains(known, dir) {
			there := "none of its servers has a tablespace outside its data directory"
			if len(known) > 0 {
				there = "its tablespaces are in " + strings.Join(known, ", ")
			}
			out.fail(s.cluster.BaseBackup.Range, "No tablespace there",
				"tablespace_mapping names %s, and no tablespace of %s is there: %s.%s", dir, s.cluster.Name, there, near(dir, known))
		}
	}
}

func (s *scope) firstClone() *topology.Standby {
	for _, sb := range s.cluster.Standbys {
		if s.recloned(sb.Node) {
			return sb
		}
	}
	return nil
}

// checkPinned refuses to clone again where the old WAL directory or a tablespace is in
// the way of the new one and cannot be moved aside.
func (s *scope) checkPinned(sb *topology.Standby, h *facts.Host, out *findings) {
	for i, p := range s.places(sb) {
		d := h.Dir(p.dir)
		if d == nil || d.Link == "" && i > 0 {
			continue
		}
		why := d.Pinned
		if why == "" && d.Aside && i > 0 && h.AsideJob == nil {
			why = d.Path + Aside + " is there, from an earlier clone"
		}
		if why != "" {
			out.fail(p.at, "The old copy cannot be moved aside",
				"%s: %s has to go aside, to %s%s, until the new copy streams, and %s. Mend that; or stop %s, and move the old copy away by hand.",
				sb.Node.Name, d.Path, d.Path, Aside, why, sb.Node.Name)
		}
	}
}
