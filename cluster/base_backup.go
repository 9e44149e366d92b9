package cluster

import (
	"path"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// JobID names the detached command that does what to a data directory: as an earlier
// apply named it, else after that directory. Two topologies on one machine share the
// directory of jobs, and may have nodes of one name.
func JobID(h *facts.Host, what string) string {
	for _, job := range h.Jobs {
		if strings.HasSuffix(job.ID, "."+what) {
			return job.ID
		}
	}
	return h.Key() + "." + what
}

// JobDir is the directory of a job: the marker of a half-made data directory.
func JobDir(h *facts.Host, id string) string { return path.Join(h.StateDir, "jobs", id) }

// Markers are the directories of all jobs that make or made the data directory of n,
// and of those that this plan starts.
func Markers(h *facts.Host) []string {
	clone := JobDir(h, JobID(h, "clone"))
	dirs := []string{JobDir(h, JobID(h, "verify"))}
	for _, job := range h.Jobs {
		dirs = append(dirs, JobDir(h, job.ID))
	}
	slices.Sort(dirs)
	return append(list.Without(slices.Compact(dirs), []string{clone}), clone) // last: it marks the data directory
}

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

// CloneBytes is what the copy reads, as far as facts tell.
func (s *Cluster) CloneBytes(sb *topology.Standby) int64 {
	for _, n := range []*topology.Node{sb.Upstream, s.Cluster.Primary} {
		if server := s.Found(n).Server; server != nil {
			return server.DataBytes
		}
	}
	return 0
}

// FreeSenders is how many WAL senders of n nobody uses, once its parameters are
// as wanted.
func (s *Cluster) FreeSenders(n *topology.Node) int {
	limit, _ := s.Limit(n, "max_wal_senders")
	if server := s.Found(n).Server; server != nil {
		return limit - len(server.Senders)
	}
	return limit
}

// CopyRuns tells of a standby whose base backup an earlier apply began and which runs.
func (s *Cluster) CopyRuns(sb *topology.Standby) bool {
	if !s.Recloned(sb.Node) {
		return false
	}
	left, _ := s.LeftOf(sb)
	return left == LeftRunning
}

func (s *Cluster) BasebackupAddress(n *topology.Node) topology.Address {
	return s.StandbyAddress(n).With(topology.PartBaseBackup)
}
