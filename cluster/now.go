package cluster

import (
	"github.com/repltool/repltool/topology"
)

// Now is what was found of a cluster.
type Now struct {
	Leader *topology.Node // the member whose server is not in recovery; nil where none leads, or several
}
