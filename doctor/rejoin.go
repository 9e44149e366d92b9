package doctor

import (
	"fmt"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// divergence reports a member that has written past the fork, where the primary left its timeline.
func divergence(s *cluster.Cluster, n *topology.Node, out *Findings) {
	d := s.Rejoins(n)
	if d == nil {
		return
	}
	primary, what := s.Now.Leader.Name, "has received"
	if f := s.Found(n); f.Server == nil && !f.Host.StandbySignal || f.Server != nil && !f.Server.InRecovery {
		what = "has written"
	}
	out.report(Finding{
		Code: "member_diverged", Severity: Error, Address: s.NodeAddress(n), Node: n.Name,
		Evidence: fmt.Sprintf("pg_control and the end of WAL on %s (timeline %d, %s), the history file of timeline %d on %s", n.Name, d.Has.Timeline, d.Has.LSN, s.Live().Timeline, primary),
		Fix: fmt.Sprintf("If %s has the data to keep, name it as the primary before anything else is applied. Else apply with -allow=discard: that clones it again from %s, and keeps the WAL that only %s has in %s on %s%s.",
			n.Name, s.Cluster.Standby(n).Upstream.Name, n.Name, cluster.LostDir(s.Found(n).Host, d), n.Name, d.Unkept(s.Found(n).Host)),
	}, "%s %s past the fork at %s, where %s left timeline %d: at least %s of WAL are only on it, and may contain acknowledged commits", n.Name, what, d.Left, primary, d.Has.Timeline, words.BytesText(d.Lost()))
}
