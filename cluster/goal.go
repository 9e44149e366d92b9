package cluster

import (
	"github.com/repltool/repltool/topology"
)

// Goal is what a cluster is to be.
type Goal struct {
	Primary *topology.Node // who should lead: the node that the topology names
}

func goalOf(c *topology.Cluster) Goal { return Goal{Primary: c.Primary} }
