package draft

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// AwaitSet waits, before commits wait for the full set again, until enough of it stream:
// n may have to replay what it has before it does.
func AwaitSet(s *cluster.Cluster, d *Draft, n *topology.Node, full string) {
	set, ok := pg.ParseSync(full)
	if !ok {
		return
	}
	wait := SetGate(s, set, false)
	wait.Timeout += s.Delay(n)
	wait.Progress = catchingUp(n)
	d.Step(s.Goal.Primary, wait.What, wait)
}

// SetGate waits until as many of a set stream and have caught up as commits wait for.
func SetGate(s *cluster.Cluster, set pg.SyncSet, shown bool) plan.Wait {
	of, where := strings.Join(set.Names, ", "), "lower(application_name) IN ("+pg.Literals(lowered(set.Names))+")"
	if set.Every() {
		of, where = "any standby", "application_name <> "+pg.Literal(facts.BaseBackup)
	}
	what := of
	if len(set.Names) > 1 || set.Number > 1 {
		what = fmt.Sprintf("%d of %s", set.Number, of)
	}
	return plan.Wait{
		Database: pg.Maintenance, Gate: shown, Timeout: StreamTimeout,
		What:  fmt.Sprintf("%s streaming, lag < %s", what, strings.ReplaceAll(words.BytesText(SyncLag), " ", "")),
		Else:  "commits would wait for a standby that is not there",
		Query: fmt.Sprintf("SELECT count(*) >= %d FROM pg_stat_replication\nWHERE %s AND state = 'streaming'\n  AND pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) < %d", set.Number, where, int64(SyncLag)),
	}
}

func lowered(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, strings.ToLower(name))
	}
	return all
}

// Gate adds the wait for one member of the set.
func (d *Draft) Gate(leader, m *topology.Node, name string) {
	d.Step(leader, "gate", plan.Wait{
		Database: pg.Maintenance, Query: Streaming(name, SyncLag), Gate: true, Timeout: StreamTimeout, Progress: catchingUp(m),
		What: fmt.Sprintf("%s streaming, lag < %s", m.Name, strings.ReplaceAll(words.BytesText(SyncLag), " ", "")),
		Else: "commits would wait for a standby that is not there",
	})
}

// Relax sets a smaller set in place of the full one.
func Relax(s *cluster.Cluster, d *Draft, why, relaxed, full string) {
	n := s.Goal.Primary
	if s.SyncForeign() && s.KeptAside() == nil {
		d.Needs = append(d.Needs, s.LedgerAddress())
		d.SQL(n, "record the value, in case this apply is interrupted", cluster.Record(cluster.Row{Address: s.AsideAddress(), Object: cluster.SetAside{Value: full, System: s.SetBySystem(n, cluster.SyncNames)}.Object()}))
	}
	d.SQL(n, why, AlterSystem(cluster.SyncNames, relaxed))
	d.Reload(n)
	ReleaseCommits(d, n, relaxed)
}

// ReleaseCommits ends the wait of commits that began under a larger set. Without WAL to
// answer, a standby of the smaller one would release them only after its
// wal_receiver_status_interval.
func ReleaseCommits(d *Draft, n *topology.Node, relaxed string) {
	if relaxed != "" {
		d.SQL(n, "release commits that are already waiting", "SELECT pg_current_xact_id();")
	}
}

// Unrelax restores the set that Relax replaced. One that an earlier apply had relaxed is not
// restored here: the change of the synchronous set does that, behind its gates.
func Unrelax(s *cluster.Cluster, d *Draft, full string) {
	n := s.Goal.Primary
	SetBack(s, d, "commits wait again", cluster.SetAside{Value: full, System: s.SetBySystem(n, cluster.SyncNames)})
	d.Reload(n)
	if s.SyncForeign() && s.KeptAside() == nil {
		d.SQL(n, "the value is restored", cluster.Forget(s.AsideAddress()))
	}
}

// SetBack writes the value that was there before.
func SetBack(s *cluster.Cluster, d *Draft, why string, was cluster.SetAside) {
	set := ResetSystem(cluster.SyncNames)
	if was.System {
		set = AlterSystem(cluster.SyncNames, was.Value)
	}
	d.SQL(s.Goal.Primary, why, set)
}
