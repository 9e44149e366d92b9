package cluster

import (
	"path"
	"slices"
	"strconv"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// InitUnclear reports whether the command which made the cluster ended badly, and that
// what it left may hold data: it has a pg_control, and the record of the job does not name
// the directory, or a server was started in it.
func (s *Cluster) InitUnclear() bool {
	f := s.Found(s.Goal.Primary)
	job := f.Host.Job(JobID(f.Host, "init"))
	ours := f.Host.Data.Initdb && job != nil && slices.Contains(job.Absent, f.Host.DataDir)
	return job.Failed() && f.Host.Data.State == facts.DataCluster && f.Server == nil && !ours
}

// ToMake are the directories that initdb or pg_createcluster makes.
func (s *Cluster) ToMake(h *facts.Host) []string {
	if h.ConfigDir == h.DataDir || h.Layout != facts.LayoutDebian {
		return []string{h.DataDir}
	}
	return []string{h.DataDir, h.ConfigDir}
}

// Debian keeps a cluster's configuration in a directory of its own, which a copy
// does not bring along. pg_createcluster makes it of the files that initdb writes:
// they come from a cluster that is made for them beside, under StateDir, and goes.

// NeedsConfig reports whether n is a clone to be and has no configuration yet. Where it lies
// in the data directory it comes with the copy, but not from a Debian upstream.
func (s *Cluster) NeedsConfig(n *topology.Node) bool {
	h := s.Found(n).Host
	switch {
	case !s.Recloned(n):
		return false
	case h.Layout == facts.LayoutDebian:
		return !h.Conf.Exists
	default:
		up := s.Found(s.Cluster.Standby(n).Upstream).Host
		return h.ConfigDir == h.DataDir && up != nil && up.ConfigDir != up.DataDir
	}
}

func InitialDir(h *facts.Host) string { return path.Join(h.StateDir, "initial", h.Key()) }

// ConfigFiles are those that initdb writes.
func ConfigFiles() []string { return []string{"postgresql.conf", "pg_hba.conf", "pg_ident.conf"} }

// Replayed is what the control file of n has of a parameter; "" where it was not read.
func (s *Cluster) Replayed(n *topology.Node, name string) string {
	h := s.Found(n).Host
	if h == nil || h.Control == nil || h.Control.Limits[name] == 0 && h.Control.Limits["max_connections"] == 0 {
		return ""
	}
	return strconv.Itoa(h.Control.Limits[name])
}

// LimitOf is the number of a hot-standby parameter, which has no unit; 0 for none.
func LimitOf(value string) float64 { return Number(facts.Setting{}, value) }
