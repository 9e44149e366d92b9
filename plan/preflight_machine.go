package plan

import (
	"fmt"
	"path"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Two nodes are two instances, whatever names lead to their machines. What the language
// compares is names; here it is what the machines say: one machine under two host names,
// and one data directory under two paths (a symbolic link, a bind mount), are found by the
// kernel's boot id, the directory's device and inode, and the network namespace. Containers
// on one machine share the first and not the others.

// twin is another node of the topology that is the same instance.
type twin struct {
	node    *topology.Node
	dataDir bool // by its data directory; else by its port
}

// twins answers the nodes that are the same instance as another, each with that one.
func twins(t *topology.Topology, f facts.Facts) map[*topology.Node]twin {
	all := map[*topology.Node]twin{}
	byDir, byPort := map[string]*topology.Node{}, map[string][]*topology.Node{}
	for _, n := range t.Nodes {
		found := f.Nodes[n.Name]
		if t.Cluster(n) == nil || found == nil || found.Host == nil || found.Host.Machine.Boot == "" {
			continue
		}
		m := found.Host.Machine
		dir, port := m.Boot+" "+m.DataDir, fmt.Sprint(m.Boot, " ", m.Network, " ", n.Port)
		if first := byDir[dir]; first != nil && m.DataDir != "" {
			all[n] = twin{first, true}
			all[first] = twin{n, true}
			continue
		}
		byDir[dir] = n
		for _, first := range byPort[port] {
			if m.Network != "" && (n.DataDir == "" || first.DataDir == "") {
				all[n] = twin{first, false}
				all[first] = twin{n, false}
			}
		}
		byPort[port] = append(byPort[port], n)
	}
	return all
}

// checkMachines refuses nodes that are other nodes of the topology as well.
func (s *scope) checkMachines(out *findings) {
	told := map[*topology.Node]bool{}
	for _, n := range s.cluster.Members() {
		if t, is := s.twins[n]; is && !told[n] {
			told[t.node] = true // the other one of a pair in one cluster
			s.refuseTwins(n, t, out)
		}
	}
}

func (s *scope) refuseTwins(n *topology.Node, t twin, out *findings) {
	h, o := s.found(n).Host, s.found(t.node).Host
	pair := fmt.Sprintf("%s (host %s, at %s) and %s (host %s, at %s)", n.ID, hostOf(n), placeOf(n), t.node.ID, hostOf(t.node), placeOf(t.node))
	if !t.dataDir {
		out.finding(s.nodeAddress(n), n.Range, "Two nodes with one instance",
			"%s are both port %d on one machine, %s, which is one PostgreSQL instance. Write another port on one of them, or give each its data_dir.", pair, n.Port, h.Hostname)
		return
	}
	dir := "have the data directory " + h.DataDir
	if h.DataDir != o.DataDir {
		dir = fmt.Sprintf("have one data directory under two names, %s and %s", h.DataDir, o.DataDir)
	}
	out.finding(s.nodeAddress(n), n.Range, "Two nodes with one data directory",
		"%s are on one machine, %s, and %s. Each node is an instance with a data directory of its own. Remove one of the two nodes; or, for two instances, write the same host on both, and another data_dir and port on one.", pair, h.Hostname, dir)
}

// hostOf is what the topology calls the machine of n.
func hostOf(n *topology.Node) string {
	if n.Access == topology.AccessLocal || n.Host == "" {
		return "local"
	}
	return n.Host
}

func placeOf(n *topology.Node) string {
	return fmt.Sprintf("%s:%d", path.Base(n.Range.Filename), n.Range.Start.Line)
}
