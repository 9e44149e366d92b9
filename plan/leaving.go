package plan

import (
	"slices"
	"strings"

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

func (s *scope) leavingAddress() topology.Address {
	return s.syncAddress().With(topology.PartLeaving)
}

// leave plans the early change where one is needed, and puts what disturbs a member
// after it. It answers the value from then on.
func (s *scope) leave(out *findings) (value string, leaves bool) {
	current := s.syncCurrent()
	set, ok := parseSync(current)
	if !ok || s.live() == nil || len(out.drafts) == 0 || len(set.names) == 0 {
		return current, false
	}
	stay, needed := s.staying(set, out)
	if s.portMoves(s.cluster.Primary) {
		stay, needed = nil, true // nobody finds it at once
	}
	if !needed {
		return current, false
	}
	value = syncValue(set.method, min(set.number, len(stay)), syncIdents(stay))
	out.drafts = append(out.drafts, s.leavingDraft(current, value))
	for _, d := range out.drafts {
		if s.disturbs(d) {
			d.after = append(d.after, s.leavingAddress())
		}
	}
	return value, true
}

// staying answers the names that stay in the set, and whether the others have to leave.
func (s *scope) staying(set syncSet, out *findings) (stay []string, needed bool) {
	names, copied := set.names, false
	if set.every() {
		names, copied = set.streaming(s.live()), slices.ContainsFunc(out.drafts, func(d *draft) bool { return s.copiesPrimary(d) })
	}
	gone := false
	for _, name := range names {
		switch {
		case s.leaves(name, out):
			gone, copied = true, copied || s.copied(name, out)
		case s.streams(name):
			stay = append(stay, name)
		}
	}
	return stay, copied || gone && len(stay) < set.number
}

// copiesPrimary tells that a draft is a base backup of the server that waits.
func (s *scope) copiesPrimary(d *draft) bool {
	return d.Impact == CopyData && slices.ContainsFunc(s.cluster.Standbys, func(sb *topology.Standby) bool {
		return d.Address == s.standbyAddress(sb.Node) && sb.Upstream == s.cluster.Primary
	})
}

func (s *scope) leavingDraft(current, value string) *draft {
	n := s.cluster.Primary
	d := newDraft(Update, s.leavingAddress(), n)
	d.worsen(Reload)
	d.closedBy = s.syncAddress()
	d.Reason = "commits must not wait for a standby that is copied, stops, moves or leaves"
	d.after = []topology.Address{s.nodeAddress(n)}
	if !s.portMoves(n) { // else nobody finds it after its restart
		d.after = append(d.after, s.parametersAddress(n))
	}
	for _, sb := range s.cluster.Standbys {
		d.after = append(d.after, s.parametersAddress(sb.Node)) // their restarts have their own
	}
	d.differ(syncNames, ptr(literal(current)), ptr(literal(value)), "")
	s.relax(d, "leave the set", value, current)
	d.wait(n, "value in force", syncInForce(value), settleTimeout)
	return d
}

// leaves tells whether a member is no longer wanted, or is disturbed by a change.
func (s *scope) leaves(name string, out *findings) bool {
	n := s.memberNamed(name)
	if n == nil { // of a set that is somebody's own it may be a stranger, and none of our business
		return s.cluster.Synchronous != nil || s.syncOurs()
	}
	wanted, _ := parseSync(s.syncWanted())
	return s.cluster.Synchronous != nil && !wanted.has(n.Name) || s.disturbed(n, out)
}

// disturbed tells that a change of this plan interrupts a standby's stream.
func (s *scope) disturbed(n *topology.Node, out *findings) bool {
	return slices.ContainsFunc(out.drafts, func(d *draft) bool {
		return d.Address == s.standbyAddress(n) && (d.Impact == CopyData || d.changes("primary_"))
	})
}

// copied tells whether a member is copied from the server that waits for it.
func (s *scope) copied(name string, out *findings) bool {
	n := s.memberNamed(name)
	return n != nil && slices.ContainsFunc(out.drafts, func(d *draft) bool {
		return d.Address == s.standbyAddress(n) && s.copiesPrimary(d)
	})
}

func (s *scope) streams(name string) bool {
	return len(syncSet{names: []string{name}}.streaming(s.live())) > 0
}

// disturbs tells whether a change may keep a standby from streaming: its own, its
// rules, its slot, its upstream's restart on another port. The password file of a standby is none: it stands before restarts.
func (s *scope) disturbs(d *draft) bool {
	return d.Address == s.portAddress() || slices.Contains(s.standbyAddresses(), d.Address) || s.clusterAddress.Contains(d.Address) &&
		(d.Address.Part == topology.PartHBA || d.Action == Delete && d.Address.Slot() != "")
}

// restored answers a value that is in force as it is to be again: members whose names
// change in this plan have their new ones.
func (s *scope) restored(value string, out *findings) string {
	set, ok := parseSync(value)
	if !ok || set.every() {
		return value
	}
	changed := false
	for i, name := range set.names {
		n := s.memberNamed(name)
		if n == nil || !s.disturbed(n, out) {
			continue
		}
		if then := s.willBeSeenAs(s.cluster.Standby(n)); !strings.EqualFold(then, name) {
			set.names[i], changed = then, true
		}
	}
	if !changed {
		return value
	}
	return syncValue(set.method, set.number, syncIdents(set.names))
}
