package config

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A server is not restarted under a base backup that runs from it: the backup would be
// lost, whoever takes it. A clone that an earlier apply began is finished first; of a
// backup that is not repltool's the end is waited for.

// awaitBackups waits, before a restart, for the backups of others that were seen.
func awaitBackups(s *cluster.Cluster, d *draft.Draft, n *topology.Node) {
	backups := 0
	for i := range s.Found(n).Server.Senders {
		if s.Found(n).Server.Senders[i].State == "backup" {
			backups++
		}
	}
	for _, sb := range s.Cluster.Standbys {
		if sb.Upstream == n && s.CopyRuns(sb) {
			backups-- // which this change comes after
		}
	}
	if backups <= 0 {
		return
	}
	const what = "no base backup is running"
	d.Step(n, what, plan.Wait{
		Database: pg.Maintenance, What: what + " from " + n.Name, Timeout: draft.StreamTimeout,
		Query: "SELECT NOT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'backup')",
		Else:  "the restart would abort it",
		Progress: &plan.Progress{Node: n.Name, Query: "SELECT coalesce(sum(backup_streamed), 0), coalesce(string_agg('process ' || pid || ': ' || phase, ', ' ORDER BY pid), 'ended')\n" +
			"  FROM pg_stat_progress_basebackup"},
	})
}

// refuseCopying refuses to lower what a clone requires that is not finished: it was
// begun with the larger value, and a standby does not start below that.
func refuseCopying(s *cluster.Cluster, lowers []string, out *draft.Findings) {
	for _, sb := range s.Cluster.Standbys {
		if !s.Recloned(sb.Node) {
			continue
		}
		if left, _ := s.LeftOf(sb); left != cluster.LeftRunning && left != cluster.LeftWhole && left != cluster.LeftUnjudged {
			continue
		}
		out.Fail(sb.Range, "Unfinished base backup",
			"%s is cloned from a base backup that started before %s is lowered, and would not start with a lower value. "+
				"Apply without that change first, or clone it again with -replace=%s.",
			sb.Node.Name, strings.Join(lowers, ", "), s.StandbyAddress(sb.Node))
	}
}
