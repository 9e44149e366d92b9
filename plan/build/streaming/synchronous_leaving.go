package streaming

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A standby leaves the synchronous set before it is stopped, cloned again, moved or
// left to itself, if without it too few would be left: else commits would hang for
// as long as that takes. It leaves in any case before it is cloned again. A base backup
// is no standby: its connections are named pg_basebackup, which no set has, but * is every
// name: before a copy begins, a set of whoever streams becomes the list of those that
// stream (a copy confirms what it has flushed, PostgreSQL's receivelog.c). The set is
// relaxed by ALTER SYSTEM, as for a restart (docs/decisions/0003); synchronous brings the
// wanted set in last, behind its gates.

// leave plans the early change where one is needed, and puts what disturbs a member
// after it. It returns the value from then on.
func leave(s *cluster.Cluster, out *draft.Findings) (value string, leaves bool) {
	current := s.SyncCurrent()
	set, ok := pg.ParseSync(current)
	if !ok || s.Live() == nil || len(out.Drafts) == 0 || len(set.Names) == 0 {
		return current, false
	}
	stay, needed := staying(s, set, out)
	if s.PortMoves(s.Goal.Primary) {
		stay, needed = nil, true // nobody finds it at once
	}
	if !needed {
		return current, false
	}
	value = pg.SyncValue(set.Method, min(set.Number, len(stay)), pg.SyncIdents(stay))
	last := restartsLast(s, out)
	if last == nil {
		refuseLowered(s, set, out)
	}
	out.Drafts = append(out.Drafts, leavingDraft(s, current, value, last != nil))
	if last != nil {
		last.After = append(last.After, s.LeavingAddress())
	}
	for _, d := range out.Drafts {
		if disturbs(s, d) {
			d.Needs = append(d.Needs, s.LeavingAddress())
		}
	}
	return value, true
}

// staying returns the names that stay in the set, and whether the others have to leave.
func staying(s *cluster.Cluster, set pg.SyncSet, out *draft.Findings) (stay []string, needed bool) {
	names, copied := set.Names, false
	if set.Every() {
		names, copied = cluster.Streaming(set, s.Live()), slices.ContainsFunc(out.Drafts, func(d *draft.Draft) bool { return copiesWaiting(s, d) })
	}
	gone := false
	for _, name := range names {
		switch {
		case leaves(s, name, out):
			gone, copied = true, copied || isCopied(s, name, out)
		case s.Streams(name):
			stay = append(stay, name)
		}
	}
	return stay, copied || gone && len(stay) < set.Number
}

// copiesWaiting reports whether a draft is a base backup of the server whose commits wait.
func copiesWaiting(s *cluster.Cluster, d *draft.Draft) bool {
	return d.Impact == plan.CopyData && slices.ContainsFunc(s.Cluster.Standbys, func(sb *topology.Standby) bool {
		return d.Address == s.StandbyAddress(sb.Node) && sb.Upstream == s.Goal.Primary
	})
}

// restartsLast returns the change that restarts the primary where no standby restarts after it:
// what leaves may not connect again after that, and leaves before. Where a limit is lowered the
// standbys restart last, and each would put the set back that it has found; nil then.
func restartsLast(s *cluster.Cluster, out *draft.Findings) *draft.Draft {
	var last *draft.Draft
	for _, d := range out.Drafts { // in the order of the restarts
		for _, n := range s.Cluster.Members() {
			if d.Address == s.ParametersAddress(n) && len(d.Restarts) > 0 {
				last = d
			}
		}
	}
	if last == nil || last.Address != s.ParametersAddress(s.Goal.Primary) {
		return nil
	}
	return last
}

// refuseLowered refuses to restart the primary first, to lower a limit, while commits wait for a
// standby that left the topology: it may not connect again, and until the standbys have
// restarted it is in the set.
func refuseLowered(s *cluster.Cluster, set pg.SyncSet, out *draft.Findings) {
	p := s.Goal.Primary
	restarts := slices.ContainsFunc(out.Drafts, func(d *draft.Draft) bool { return slices.Contains(d.Restarts, p.Name) })
	gone := list.Kept(set.Names, func(name string) bool { return s.MemberNamed(name) == nil && leaves(s, name, out) })
	if !restarts || s.PortMoves(p) || len(gone) == 0 {
		return
	}
	out.Fail(s.Cluster.Range, "Synchronous standby removed and parameter lowered in one apply",
		"%s left the topology, and commits on %s wait for %s until %s and its standbys have restarted with a lower value: %s may not connect again after the restart. "+
			"Apply the removal first, then lower.",
		strings.Join(gone, ", "), p.Name, words.Plural(len(gone), "it", "them"), p.Name, words.Plural(len(gone), "it", "they"))
}

// leavingDraft relaxes the set, before or after the change of the primary's parameters.
func leavingDraft(s *cluster.Cluster, current, value string, before bool) *draft.Draft {
	n := s.Goal.Primary
	d := draft.NewDraft(plan.Update, s.LeavingAddress(), n)
	d.Worsen(plan.Reload)
	d.Closer = s.SyncAddress()
	d.Reason = "commits must not wait for a standby that is being cloned, stopped, repointed or removed"
	d.Needs = []topology.Address{s.NodeAddress(n)}
	if !before && !s.PortMoves(n) { // else nobody finds it after its restart
		d.After = append(d.After, s.ParametersAddress(n))
	}
	for _, sb := range s.Cluster.Standbys {
		d.After = append(d.After, s.ParametersAddress(sb.Node)) // their restarts have their own
	}
	d.Differ(cluster.SyncNames, plan.Ptr(pg.Literal(current)), plan.Ptr(pg.Literal(value)), "")
	draft.Relax(s, d, "remove from the set", value, current)
	d.Wait(n, "the value is in effect", syncInForce(value), draft.SettleTimeout)
	return d
}

// leaves reports whether a member is no longer wanted, or is disturbed by a change.
func leaves(s *cluster.Cluster, name string, out *draft.Findings) bool {
	n := s.MemberNamed(name)
	if n == nil { // of a set that is somebody's own it may be a stranger, and none of our business
		return s.Cluster.Synchronous != nil || s.SyncOurs()
	}
	wanted, _ := pg.ParseSync(s.SyncWanted())
	return s.Cluster.Synchronous != nil && !wanted.Has(n.Name) || disturbed(s, n, out)
}

// disturbed reports whether a change of this plan interrupts a standby's stream.
func disturbed(s *cluster.Cluster, n *topology.Node, out *draft.Findings) bool {
	return slices.ContainsFunc(out.Drafts, func(d *draft.Draft) bool {
		return d.Address == s.StandbyAddress(n) && (d.Impact == plan.CopyData || d.Changes("primary_"))
	})
}

// isCopied reports whether a member is copied from the server that waits for it.
func isCopied(s *cluster.Cluster, name string, out *draft.Findings) bool {
	n := s.MemberNamed(name)
	return n != nil && slices.ContainsFunc(out.Drafts, func(d *draft.Draft) bool {
		return d.Address == s.StandbyAddress(n) && copiesWaiting(s, d)
	})
}

// disturbs reports whether a change may keep a standby from streaming: its own, its
// rules, its slot, its upstream's restart on another port. The password file of a standby is none: it stands before restarts.
func disturbs(s *cluster.Cluster, d *draft.Draft) bool {
	return d.Address == s.PortAddress() || slices.Contains(s.StandbyAddresses(), d.Address) || s.ClusterAddress.Contains(d.Address) &&
		(d.Address.Part == topology.PartHBA || d.Action == plan.Delete && d.Address.Slot() != "")
}

// restored returns a value that is in force as it is to be again: members whose names
// change in this plan have their new ones.
func restored(s *cluster.Cluster, value string, out *draft.Findings) string {
	set, ok := pg.ParseSync(value)
	if !ok || set.Every() {
		return value
	}
	changed := false
	for i, name := range set.Names {
		n := s.MemberNamed(name)
		if n == nil || !disturbed(s, n, out) {
			continue
		}
		if then := s.WillBeSeenAs(s.Cluster.Standby(n)); !strings.EqualFold(then, name) {
			set.Names[i], changed = then, true
		}
	}
	if !changed {
		return value
	}
	return pg.SyncValue(set.Method, set.Number, pg.SyncIdents(set.Names))
}
