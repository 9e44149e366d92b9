package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

// A server is not restarted under a base backup that runs from it: the backup would be
// lost, whoever takes it. A clone that an earlier apply began is finished first; of a
// backup that is not repltool's the end is waited for.

// copyRuns tells of a standby whose base backup an earlier apply began and which runs.
func (s *scope) copyRuns(sb *topology.Standby) bool {
	if !s.recloned(sb.Node) {
		return false
	}
	left, _ := s.leftOf(sb)
	return left == leftRunning
}

func (s *scope) basebackupAddress(n *topology.Node) topology.Address {
	return s.standbyAddress(n).With(topology.PartBaseBackup)
}

// finishFirst puts the end of a base backup that runs before the restart of its upstream,
// as a change of its own: the rest of the clone comes after the restart, as ever. It tells
// whether there is such a restart.
func (s *scope) finishFirst(sb *topology.Standby, copying Command, out *findings) bool {
	if !s.copyRuns(sb) {
		return false
	}
	i := slices.IndexFunc(out.drafts, func(d *draft) bool {
		return d.Address == s.parametersAddress(sb.Upstream) && len(d.restarts) > 0
	})
	if i < 0 {
		return false
	}
	d := newDraft(Update, s.basebackupAddress(sb.Node), sb.Node)
	d.Reason = "an earlier apply began the base backup, and it still runs: it ends before " + sb.Upstream.Name + " restarts"
	d.step(sb.Node, "copy", copying)
	out.put(d)
	out.drafts[i].after = append(out.drafts[i].after, d.Address)
	return true
}

// awaitBackups waits, before a restart, for the backups of others that were seen.
func (s *scope) awaitBackups(d *draft, n *topology.Node) {
	backups := 0
	for i := range s.found(n).Server.Senders {
		if s.found(n).Server.Senders[i].State == "backup" {
			backups++
		}
	}
	for _, sb := range s.cluster.Standbys {
		if sb.Upstream == n && s.copyRuns(sb) {
			backups-- // which this change comes after
		}
	}
	if backups <= 0 {
		return
	}
	const what = "no base backup runs"
	d.step(n, what, Wait{
		Database: maintenance, What: what + " from " + n.Name, Timeout: streamTimeout,
		Query: "SELECT NOT EXISTS (SELECT FROM pg_stat_replication WHERE state = 'backup')",
		Else:  "the restart would end it",
		Progress: &Progress{Node: n.Name, Query: "SELECT coalesce(sum(backup_streamed), 0), coalesce(string_agg('process ' || pid || ': ' || phase, ', ' ORDER BY pid), 'ended')\n" +
			"  FROM pg_stat_progress_basebackup"},
	})
}

// refuseCopying refuses to lower what a clone requires that is not finished: it was
// begun with the larger value, and a standby does not start below that.
func refuseCopying(s *scope, lowers []string, out *findings) {
	for _, sb := range s.cluster.Standbys {
		if !s.recloned(sb.Node) {
			continue
		}
		if left, _ := s.leftOf(sb); left != leftRunning && left != leftWhole && left != leftUnjudged {
			continue
		}
		out.fail(sb.Range, "Base backup is not finished",
			"%s is cloned from a base backup that began before %s is lowered, and would not start with less. Apply without that change first, or clone it again with -replace=%s.",
			sb.Node.Name, strings.Join(lowers, ", "), s.standbyAddress(sb.Node))
	}
}
