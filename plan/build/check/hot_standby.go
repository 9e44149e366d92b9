package check

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
)

// Limits of a server that its standbys need.

// checkHotStandby refuses a standby that would have less of a hot-standby parameter
// than its primary: it does not start, or stops its replay.
func checkHotStandby(s *cluster.Cluster, out *draft.Findings) {
	if !s.Running(s.Goal.Primary) {
		return
	}
	for _, sb := range s.Cluster.Standbys {
		wanted := s.ParametersOf(sb.Node)
		for _, name := range pg.HotStandby() {
			p, given := wanted[name]
			setting, need := s.Found(s.Goal.Primary).Server.Settings[name], s.GoalLimit(name)
			if given && cluster.Number(setting, p.Value) < cluster.Number(setting, need) {
				out.Fail(p.Range, "Parameter lower than on the primary",
					"%s would have %s = %s, but its primary %s has %s. A standby with a lower value cannot replay the WAL of the "+
						"primary: raise it, or lower the primary's.",
					sb.Node.Name, name, p.Value, s.Goal.Primary.Name, need)
			}
		}
	}
}
