package draft

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// FinishFirst puts the end of a base backup that runs before the restart of its upstream,
// as a change of its own: the rest of the clone comes after the restart, as ever. It tells
// whether there is such a restart.
func FinishFirst(s *cluster.Cluster, sb *topology.Standby, copying plan.Command, out *Findings) bool {
	if !s.CopyRuns(sb) {
		return false
	}
	i := slices.IndexFunc(out.Drafts, func(d *Draft) bool {
		return d.Address == s.ParametersAddress(sb.Upstream) && len(d.Restarts) > 0
	})
	if i < 0 {
		return false
	}
	d := NewDraft(plan.Update, s.BasebackupAddress(sb.Node), sb.Node)
	d.Reason = "an earlier apply started the base backup, and it is still running: it finishes before " + sb.Upstream.Name + " restarts"
	d.Step(sb.Node, "base backup", copying)
	out.Put(d)
	out.Drafts[i].Needs = append(out.Drafts[i].Needs, d.Address)
	return true
}
