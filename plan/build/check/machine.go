package check

import (
	"fmt"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Two nodes are two instances, whatever names lead to their machines. What the language
// compares is names; here it is what the machines say: one machine under two host names,
// and one data directory under two paths (a symbolic link, a bind mount), are found by the
// kernel's boot id, the directory's device and inode, and the network namespace. Containers
// on one machine share the first and not the others.

// checkMachines refuses nodes that are other nodes of the topology as well.
func checkMachines(s *cluster.Cluster, out *draft.Findings) {
	told := map[*topology.Node]bool{}
	for _, n := range s.Cluster.Members() {
		if t, is := s.Twins()[n]; is && !told[n] {
			told[t.Node] = true // the other one of a pair in one cluster
			refuseTwins(s, n, t, out)
		}
	}
}

func refuseTwins(s *cluster.Cluster, n *topology.Node, t cluster.Twin, out *draft.Findings) {
	h, o := s.Found(n).Host, s.Found(t.Node).Host
	pair := fmt.Sprintf("%s (host %s, at %s) and %s (host %s, at %s)", n.ID, cluster.HostOf(n), cluster.PlaceOf(n), t.Node.ID, cluster.HostOf(t.Node), cluster.PlaceOf(t.Node))
	if !t.DataDir {
		out.Finding(s.NodeAddress(n), n.Range, "Duplicate instance",
			"%s both have port %d on one host, %s, which is a single PostgreSQL instance. Change the port of one of "+
				"them, or set data_dir on each.", pair, n.Port, h.Hostname)
		return
	}
	dir := "share the data directory " + h.DataDir
	if h.DataDir != o.DataDir {
		dir = fmt.Sprintf("share a data directory under two names, %s and %s", h.DataDir, o.DataDir)
	}
	out.Finding(s.NodeAddress(n), n.Range, "Duplicate data directory",
		"%s are on one host, %s, and %s. Each node is an instance with its own data directory. Remove one of the two "+
			"nodes; or, for two instances, write the same host on both, and another data_dir and port on one of them.", pair, h.Hostname, dir)
}
