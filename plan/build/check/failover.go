package check

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan/build/draft"
)

// CheckFailover refuses standbys that could not copy the slots.
func CheckFailover(s *cluster.Cluster, out *draft.Findings) {
	if !s.AtLeast(17) || !s.FailsOver() {
		return
	}
	for _, sb := range s.Cluster.Standbys {
		if sb.Upstream == s.Goal.Primary && sb.Slot == "" {
			out.Fail(sb.Range, "Missing physical slot for failover slots", "%s has no slot on %s, but failover = true requires one: remove slots = false, or slot = false.", sb.Node.Name, s.Goal.Primary.Name)
		}
	}
}
