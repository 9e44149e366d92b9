package cluster

import (
	"maps"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// Basebackup is the command line of the copy.
func (s *Cluster) Basebackup(sb *topology.Standby) []string {
	h, b := s.Found(sb.Node).Host, s.Cluster.BaseBackup
	argv := []string{
		Binary(h, "pg_basebackup"), "--pgdata", h.DataDir, "--dbname", pg.FormatConnInfo(s.copyConn(sb)),
		"--wal-method", "stream", "--checkpoint", b.Checkpoint, "--write-recovery-conf", "--no-password", "--progress",
	}
	if sb.Slot != "" {
		argv = append(argv, "--slot", sb.Slot)
	}
	if b.MaxRate != "" {
		argv = append(argv, "--max-rate", b.MaxRate)
	}
	if b.WALDir != "" {
		argv = append(argv, "--waldir", b.WALDir)
	}
	for _, dir := range list.SortedKeys(b.TablespaceMapping) {
		argv = append(argv, "--tablespace-mapping", mapped(dir)+"="+mapped(b.TablespaceMapping[dir]))
	}
	return argv
}

// mapped writes a directory for --tablespace-mapping, where = parts the two.
func mapped(dir string) string { return strings.ReplaceAll(dir, "=", `\=`) }

// copyConn is how pg_basebackup connects: under its own name, so that no synchronous set
// takes it for the standby.
func (s *Cluster) copyConn(sb *topology.Standby) map[string]string {
	c := maps.Clone(s.ConnInfo(sb))
	c[ApplicationKey] = facts.BaseBackup
	return c
}
