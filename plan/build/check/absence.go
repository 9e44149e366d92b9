package check

import (
	"fmt"
	"path"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// That a cluster is not there is proved, not assumed: an empty data directory is what an
// unmounted file system looks like. A cluster is created, and a standby is cloned, only
// where nothing on the host says that one was there before: no configuration files, no
// password file, no server log, no slot that a standby has used, no record of a job that completed, no file system that
// belongs there and is not mounted. Before a job fills directories, it records which of
// them did not exist or were empty; nothing else is removed after it.

// checkMounted refuses a node that is down, or has no cluster, while a file system that its
// directories belong on is not mounted.
func checkMounted(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	if f.Server != nil || f.Host.Running {
		return
	}
	for _, m := range f.Host.Unmounted {
		if d := f.Host.Dir(m.Dir); m.Dir != f.Host.DataDir && (d == nil || d.Link == "") && !s.Recloned(n) {
			continue // what a clone would fill, and none is made
		}
		out.Finding(s.NodeAddress(n), s.RangeOf(n), "File system not mounted",
			"%s: according to %s, a file system belongs on %s, but none is mounted there. %s is on it, so its contents "+
				"cannot be seen. Mount it on %s and plan again:\n"+
				"  mount %s\nIf there is no such file system any more, remove that entry.",
			n.Name, m.Source, m.Point, m.Dir, n.Name, m.Point)
	}
}

// checkLinks refuses to start a server whose WAL directory or a tablespace is missing:
// recovery would create the directories again, in the wrong place, and continue without the
// data (PostgreSQL docs, 23.6 "Tablespaces").
func checkLinks(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	if f.Server != nil || f.Host.Running || f.Host.Data.State != facts.DataCluster || s.Recloned(n) {
		return
	}
	for _, d := range f.Host.Dirs {
		if d.Link != "" && cluster.Empty(d.State) {
			out.Finding(s.NodeAddress(n), s.RangeOf(n), "Missing directory of a cluster",
				"%s is down, and its %s is a link to %s, which %s. repltool does not start it: the server would run without "+
					"the data that belongs there. Check on %s whether a file system is not mounted.",
				n.Name, path.Join(f.Host.DataDir, d.Link), d.Path, cluster.Emptiness(d.State), n.Name)
		}
	}
}

// checkTraces refuses to create a cluster where one was before.
func checkTraces(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	traces, h := s.Traces(n), f.Host
	if s.NeedsConfig(n) && h.ConfigDir != h.DataDir && !cluster.Empty(h.ConfigState) && !h.WasAbsent(h.ConfigDir) {
		out.Fail(s.RangeOf(n), "Configuration directory not empty",
			"%s: %s contains files, but no postgresql.conf. repltool does not overwrite files: move that directory away, "+
				"or restore the configuration files.", n.Name, h.ConfigDir)
		return
	}
	if len(traces) == 0 || s.Replace[s.StandbyAddress(n)] {
		return
	}
	way := fmt.Sprintf("If the data is lost, clone %s again with -replace=%s.", n.Name, s.StandbyAddress(n))
	if n == s.Goal.Primary {
		way = "If the data is lost, restore a backup there, or name a standby that has the data as the primary. Move these " +
			"files away only if an empty cluster is to be created instead."
	}
	out.Finding(s.NodeAddress(n), s.RangeOf(n), "Missing data directory",
		"%s: %s %s, but a cluster existed there before:\n"+
			"  %s\nrepltool creates nothing in its place. Check on %s whether a file system is not mounted. %s",
		n.Name, f.Host.DataDir, cluster.Emptiness(f.Host.Data.State), strings.Join(traces, "\n  "), n.Name, way)
}
