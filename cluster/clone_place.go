package cluster

import (
	"fmt"
	"path"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// CloneBytes is what the copy reads, as far as facts tell.
func (s *Cluster) CloneBytes(sb *topology.Standby) int64 {
	for _, n := range []*topology.Node{sb.Upstream, s.Now.Leader} {
		if server := s.Found(n).Server; server != nil {
			return server.DataBytes
		}
	}
	return 0
}

// FreeSenders is how many WAL senders of n nothing uses, once its parameters are
// as wanted.
func (s *Cluster) FreeSenders(n *topology.Node) int {
	limit, _ := s.Limit(n, "max_wal_senders")
	if server := s.Found(n).Server; server != nil {
		return limit - len(server.Senders)
	}
	return limit
}

// Place is a directory that a copy fills.
type Place struct {
	Dir   string
	What  string // for a message
	Bytes int64  // that it is going to hold
	At    hcl.Range
	space *facts.Tablespace // nil for the data directory and pg_wal
}

// Places returns what a copy for the standby fills; the data directory is first.
func (s *Cluster) Places(sb *topology.Standby) []Place {
	h, b := s.Found(sb.Node).Host, s.Cluster.BaseBackup
	source, spaces := s.source(sb)
	total := s.CloneBytes(sb)
	data := Place{Dir: h.DataDir, What: "the data directory", Bytes: total, At: s.RangeOf(sb.Node)}
	var others []Place
	for i, t := range spaces {
		p := Place{Dir: t.Location, What: fmt.Sprintf("tablespace %s of %s", pg.Ident(t.Name), source.Name), Bytes: t.Bytes, At: s.RangeOf(sb.Node), space: &spaces[i]}
		if to := b.TablespaceMapping[t.Location]; to != "" {
			p.Dir, p.At = path.Clean(to), b.Range
		}
		data.Bytes = max(0, data.Bytes-t.Bytes)
		others = append(others, p)
	}
	wal := walBytes(total)
	if b.WALDir == "" {
		data.Bytes += wal
		return append([]Place{data}, others...)
	}
	return append([]Place{data, {Dir: path.Clean(b.WALDir), What: "pg_wal", Bytes: wal, At: b.Range}}, others...)
}

// source returns the server that a copy's size and tablespaces are known of: the
// upstream, or, where that is to be copied itself, the member that leads.
func (s *Cluster) source(sb *topology.Standby) (*topology.Node, []facts.Tablespace) {
	for _, n := range []*topology.Node{sb.Upstream, s.Now.Leader} {
		if server := s.Found(n).Server; server != nil && !s.Recloned(n) {
			return n, server.Tablespaces
		}
	}
	return sb.Upstream, nil
}

// Mapping is the line of HCL that gives a place another directory.
func (p Place) Mapping() string {
	if p.space == nil {
		return `basebackup { wal_dir = "…" }`
	}
	return fmt.Sprintf(`basebackup { tablespace_mapping = { %q = "…" } }`, p.space.Location)
}

func (s *Cluster) FirstClone() *topology.Standby {
	for _, sb := range s.Cluster.Standbys {
		if s.Recloned(sb.Node) {
			return sb
		}
	}
	return nil
}

// walBytes is room for the WAL that comes while a copy is made: a tenth of it, and two
// segments of PostgreSQL's usual size at least.
func walBytes(copied int64) int64 { return max(copied/10, 2*16<<20) }
