package check

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// checkClusterNames refuses a cluster_name that would take a standby out of a set that
// knows it by the one that it has.
func checkClusterNames(s *cluster.Cluster, sb *topology.Standby, out *draft.Findings) {
	const name = "cluster_name"
	n, server := sb.Node, s.Found(sb.Node).Server
	if server == nil || s.StandbyName(sb) != "" || s.Recloned(n) {
		return
	}
	now, then := cluster.SeenAs("", server.InForce(name)), cluster.SeenAs("", s.WillHave(n, name))
	if strings.EqualFold(now, then) || !s.SetNames(now) {
		return
	}
	out.Fail(s.RangeOfParameter(n, name), "Synchronous standby would be renamed",
		"%s is a synchronous standby of %s under the name %s, which is its cluster_name. After its restart the name "+
			"would be %s, and commits would wait for a standby that does not exist. Declare the set in the topology "+
			"(synchronous { standbys = [%s] }), or leave cluster_name as it is.",
		n.Name, s.Leading().Name, pg.Literal(now), pg.Literal(then), n.ID)
}
