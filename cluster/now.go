package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Now is what was found of a cluster.
type Now struct {
	Leader *topology.Node // the member whose server is not in recovery; nil where none leads, or several
}

// nowOf finds who leads. Where two do, the one that should counts, so that all else is
// compared with it.
func nowOf(c *topology.Cluster, f facts.Facts) Now {
	leaders := slices.DeleteFunc(c.Members(), func(n *topology.Node) bool {
		found := f.Nodes[n.Name]
		return found == nil || found.Server == nil || found.Server.InRecovery
	})
	switch {
	case slices.Contains(leaders, c.Primary):
		return Now{Leader: c.Primary}
	case len(leaders) == 1:
		return Now{Leader: leaders[0]}
	}
	return Now{}
}
