package check

import (
	"fmt"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// checkConfig refuses a cluster whose data directory is there and whose postgresql.conf is
// not, as after the operating system was installed again: it cannot be started, and a
// server that still runs would not start again. The way out never passes the data
// directory to pg_createcluster, which removes its data directory when it fails.
func checkConfig(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	h := f.Host
	if f.Server != nil && f.Server.Settings["config_file"].Value != "" && f.Server.Settings["config_file"].Value != h.Conf.Path {
		return // it was started with a file in another place
	}
	if h.Conf.Exists || h.Data.State != facts.DataCluster || len(h.Jobs) > 0 || s.Recloned(n) {
		return
	}
	state := "The server is down and cannot be started without it."
	if h.Running || f.Server != nil {
		state = "The server is running, but would not start again."
	}
	out.Finding(s.NodeAddress(n), s.RangeOf(n), "Missing configuration files",
		"%s: %s contains a cluster, but %s does not exist. %s Restore the configuration files from a backup. If "+
			"there is none, create new ones on %s. The commands do not touch %s: an empty cluster is initialized in "+
			"another directory.\n"+
			"%s\n"+
			"Then plan again, and remove %s once %s runs. Do not run pg_createcluster with %s itself: when it fails, it "+
			"removes that directory.",
		n.Name, h.DataDir, h.Conf.Path, state, n.Name, h.DataDir, newConfig(s, n, h), h.DataDir+emptySuffix, n.Name, h.DataDir)
}

const emptySuffix = ".empty"

// newConfig is what makes configuration files for a data directory that is there.
func newConfig(s *cluster.Cluster, n *topology.Node, h *facts.Host) string {
	empty := h.DataDir + emptySuffix
	if h.Layout == facts.LayoutDebian && h.ConfigDir != h.DataDir {
		return fmt.Sprintf("As root:\n  pg_createcluster %d %s --datadir %s --port %d && pg_conftool %d %s set data_directory %s",
			h.Data.Version, h.Instance, empty, n.Port, h.Data.Version, h.Instance, h.DataDir)
	}
	text := fmt.Sprintf("As %s:\n  %s --pgdata %s --auth-local peer --auth-host scram-sha-256", h.OSUser, cluster.Binary(h, "initdb"), empty)
	for _, file := range cluster.ConfigFiles() {
		text += fmt.Sprintf("\n  cp --no-clobber %s/%s %s/", empty, file, h.ConfigDir)
	}
	return text
}
