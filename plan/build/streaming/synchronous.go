package streaming

import (
	"fmt"
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// synchronous_standby_names is written last, behind a gate: it names a standby
// only once that streams and has caught up, or commits would hang (PostgreSQL
// docs, 27.2.8 "Synchronous Replication").

func Synchronous(s *cluster.Cluster, out *draft.Findings) {
	n := s.Goal.Primary
	d := draft.NewDraft(plan.Update, s.SyncAddress(), n)
	wanted, current := s.SyncWanted(), s.SyncCurrent()
	shrunk, leaves := leave(s, out)
	beforeSync(s, d)
	owed := s.KeptAside()
	back := leaves && (closes(s, d, s.LeavingAddress(), out) || !syncReadable(s, out))
	switch {
	case s.SyncForeign() && !leaves && owed == nil:
		return // the topology says nothing of it, and never did
	case s.SyncForeign():
		wanted = restored(s, current, out) // somebody's own: it comes back as it was
		if owed != nil && cluster.RelaxedFrom(current, owed.Value) {
			wanted = restored(s, owed.Value, out)
			d.Reason = "restores the value that an interrupted apply had overridden"
		}
	case back: // this run relaxes it, and is not to bring in another
		wanted = restored(s, s.Unrelaxed(current), out)
		d.Reason = "restores the value that this plan relaxes"
	}
	if !leaves && pg.SameSync(current, wanted) && (s.Live() == nil || s.SyncForeign() || s.SyncInBlock(wanted)) {
		takeBackUnread(s, d, current)
		if owed != nil {
			d.Reason = "the ledger still has the value that an interrupted apply had overridden"
			d.SQL(n, "remove from the ledger", cluster.Forget(s.AsideAddress()))
		}
		out.Put(d)
		return
	}
	if !leaves && !syncReadable(s, out) {
		return
	}
	d.Worsen(plan.Reload)
	d.Effect = syncEffect(s, back)
	if !pg.SameSync(shrunk, wanted) { // the same set may be written in other words
		d.Differ(cluster.SyncNames, plan.Ptr(pg.Literal(shrunk)), plan.Ptr(pg.Literal(wanted)), "")
	}
	if len(d.Attributes) == 0 && d.Reason == "" {
		d.Reason = "the same value is written into the managed block"
		d.Adopts = s.Live() != nil && !s.SyncOurs() && !leaves && owed == nil
	}
	gates(s, d, current, shrunk, wanted, out)
	writeSync(s, d, wanted, leaves)
	d.Reload(n)
	d.Wait(n, "the value is in effect", syncInForce(wanted), draft.SettleTimeout)
	if owed != nil || leaves && s.SyncForeign() {
		d.SQL(n, "the value is restored", cluster.Forget(s.AsideAddress()))
	}
	out.Put(d)
}

// takeBackUnread takes back a smaller set that an apply had written by ALTER SYSTEM and that was
// killed before the server read it: the next reload or restart would put it into effect.
func takeBackUnread(s *cluster.Cluster, d *draft.Draft, full string) {
	n, owed := s.Goal.Primary, s.KeptAside()
	p := s.PendingValue(n, cluster.SyncNames)
	if p == nil || !s.WrittenBySystem(n, cluster.SyncNames) || !cluster.RelaxedFrom(p.Value, full) || s.SyncForeign() && owed == nil {
		return
	}
	was := cluster.SetAside{Value: full, System: s.SetBySystem(n, cluster.SyncNames)}
	if owed != nil {
		was.System = owed.System
	}
	d.Worsen(plan.Reload)
	d.Reason = "an interrupted apply has written a smaller set, which the server has not read"
	draft.SetBack(s, d, "remove the override", was)
	d.Reload(n)
	d.Wait(n, "the value is in effect", syncInForce(full), draft.SettleTimeout)
}

// beforeSync is what is done before the set. The parameters of its server are in the block
// that it writes; the restarts of standbys only come first.
func beforeSync(s *cluster.Cluster, d *draft.Draft) {
	n := s.Goal.Primary
	d.Needs = append(s.StandbyAddresses(), s.NodeAddress(n), s.ParametersAddress(n), s.HBAAddress(n), s.LeavingAddress(), s.LedgerAddress())
	for _, sb := range s.Cluster.Standbys {
		d.Needs = append(append(d.Needs, s.NodeAddress(sb.Node)), s.Basis(sb.Node)...)
		d.After = append(d.After, s.ParametersAddress(sb.Node))
	}
}

// closes reports whether the targets bring the change that relaxes, and not for itself the one
// that d is to be: d is there to restore, and brings no other value into force.
func closes(s *cluster.Cluster, d *draft.Draft, relaxes topology.Address, out *draft.Findings) bool {
	if len(s.Targets) == 0 {
		return false
	}
	drafts, err := draft.Order(append(slices.Clone(out.Drafts), d))
	if err != nil {
		return false // Build reports it
	}
	keep := map[topology.Address]bool{}
	for _, target := range s.Targets {
		draft.KeepUnder(drafts, target, keep)
	}
	draft.Require(drafts, keep)
	return keep[relaxes] && !keep[d.Address]
}

// writeSync brings the value into the block, and what overrides it away. What the
// topology says nothing of is set back where it was.
func writeSync(s *cluster.Cluster, d *draft.Draft, wanted string, leaves bool) {
	n := s.Goal.Primary
	if s.SyncForeign() {
		was := cluster.SetAside{Value: wanted, System: s.SetBySystem(n, cluster.SyncNames)}
		if owed := s.KeptAside(); owed != nil && owed.Value == wanted {
			was.System = owed.System
		}
		draft.SetBack(s, d, "commits wait as before", was)
		return
	}
	if value, _ := s.ConfBlock(s.Found(n).Host).Value(cluster.SyncNames); !s.Running(n) || !pg.SameSync(value, wanted) {
		d.Step(n, "write postgresql.conf", syncFile(s, wanted))
	}
	if leaves || s.SetBySystem(n, cluster.SyncNames) || s.WrittenBySystem(n, cluster.SyncNames) {
		d.SQL(n, "remove the override", draft.ResetSystem(cluster.SyncNames))
	}
}

// gates waits for each member that is new to the set or that this plan interrupts, and
// for as many of it as commits will wait for: what was in force is no proof of a standby
// that streams.
func gates(s *cluster.Cluster, d *draft.Draft, before, shrunk, wanted string, out *draft.Findings) {
	was, _ := pg.ParseSync(before)
	now, _ := pg.ParseSync(shrunk)
	then, _ := pg.ParseSync(wanted)
	gated := 0
	for _, sb := range s.Cluster.Standbys {
		name := s.WillBeSeenAs(sb)
		if !then.Every() && then.Has(name) && !now.Has(name) && (!was.Has(name) || disturbed(s, sb.Node, out)) {
			d.Gate(s.Goal.Primary, sb.Node, name)
			gated++
		}
	}
	if gated < then.Number && len(then.Names) > 0 && !pg.SameSync(shrunk, wanted) {
		d.Step(s.Goal.Primary, "gate", draft.SetGate(s, then, true))
	}
}

// syncReadable is false, with a notice, when a member of the set could not be read:
// nothing is planned that rests on it.
func syncReadable(s *cluster.Cluster, out *draft.Findings) bool {
	for _, m := range s.SyncMembers() {
		if !s.Found(m).Complete() {
			out.ReportDrift("synchronous_set_not_planned", s.SyncAddress(), m.Name, "not planned: %s could not be read, and commits would wait for it", m.Name)
			return false
		}
	}
	return true
}

func syncEffect(s *cluster.Cluster, back bool) string {
	y := s.Cluster.Synchronous
	switch {
	case back, y == nil && !s.SyncOurs():
		return "commits wait as before"
	case y == nil:
		return "commits wait for no standby"
	case y.Number == 1:
		return "commits wait for 1 standby"
	default:
		return fmt.Sprintf("commits wait for %d standbys", y.Number)
	}
}

// syncFile is the block with the wanted value in it.
func syncFile(s *cluster.Cluster, wanted string) plan.File {
	n := s.Goal.Primary
	lines := cluster.WithLine(s.Lines(n), cluster.Line{Name: cluster.SyncNames, Value: wanted})
	before, was := s.Lines(n), ""
	if s.Running(n) {
		was = s.Found(n).Host.Conf.Text
		if v, ok := s.ConfBlock(s.Found(n).Host).Value(cluster.SyncNames); ok {
			before = cluster.WithLine(before, cluster.Line{Name: cluster.SyncNames, Value: v})
		}
	}
	op := draft.ConfFile(s, n, lines, was)
	op.Diff = cluster.LinesDiff(cluster.ConfText(before).Text, cluster.ConfText(lines).Text)
	op.Check, op.Database = draft.ConfErrors, pg.Maintenance
	return op
}

// syncInForce is the query that is true once the server uses the value.
func syncInForce(wanted string) string {
	return "SELECT setting = " + pg.Literal(wanted) + " FROM pg_settings WHERE name = " + pg.Literal(cluster.SyncNames)
}
