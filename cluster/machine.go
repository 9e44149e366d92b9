package cluster

import (
	"fmt"
	"path"

	"github.com/repltool/repltool/topology"
)

// Twin is another node of the topology that is the same instance.
type Twin struct {
	Node    *topology.Node
	DataDir bool // by its data directory; else by its port
}

// Twins returns the nodes that are the same instance as another, each with that one.
func (w *World) Twins() map[*topology.Node]Twin {
	return computeShared(w, "twins", w.findTwins)
}

func (w *World) findTwins() map[*topology.Node]Twin {
	all := map[*topology.Node]Twin{}
	byDir, byPort := map[string]*topology.Node{}, map[string][]*topology.Node{}
	for _, n := range w.Topology.Nodes {
		found := w.Facts.Nodes[n.Name]
		if w.Topology.Cluster(n) == nil || found == nil || found.Host == nil || found.Host.Machine.Boot == "" {
			continue
		}
		m := found.Host.Machine
		dir, port := m.Boot+" "+m.DataDir, fmt.Sprint(m.Boot, " ", m.Network, " ", n.Port)
		if first := byDir[dir]; first != nil && m.DataDir != "" {
			all[n] = Twin{first, true}
			all[first] = Twin{n, true}
			continue
		}
		byDir[dir] = n
		for _, first := range byPort[port] {
			if m.Network != "" && (n.DataDir == "" || first.DataDir == "") {
				all[n] = Twin{first, false}
				all[first] = Twin{n, false}
			}
		}
		byPort[port] = append(byPort[port], n)
	}
	return all
}

// HostOf is what the topology calls the machine of n.
func HostOf(n *topology.Node) string {
	if n.Access == topology.AccessLocal || n.Host == "" {
		return "local"
	}
	return n.Host
}

func PlaceOf(n *topology.Node) string {
	return fmt.Sprintf("%s:%d", path.Base(n.Range.Filename), n.Range.Start.Line)
}
