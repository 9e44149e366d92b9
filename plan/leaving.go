package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// A standby leaves the synchronous set before it is stopped, cloned again, moved or
// left to itself, if without it too few would be left: else commits would hang for
// as long as that takes. It leaves in any case before it is copied: pg_basebackup
// reports what it has flushed, a segment at a time, under the standby's name, and
// counts as a member: commits would wait for the copy, or for nothing but half a copy
// (PostgreSQL's receivelog.c). It leaves by ALTER SYSTEM, as for a restart
// (docs/decisions/0003); synchronous brings the wanted set in last, behind its gates.

func (s *scope) leavingAddress() string { return s.syncAddress() + ".leaving" }

// leave plans the early change where one is needed, and puts what disturbs a member
// after it. It answers the value from then on.
func (s *scope) leave(out *findings) (value string, leaves bool) {
	current := s.syncCurrent()
	set, ok := parseSync(current)
	if !ok || s.live() == nil || len(out.drafts) == 0 || slices.Contains(set.names, "*") {
		return current, false
	}
	var stay []string
	gone, copied := false, false
	for _, name := range set.names {
		switch {
		case s.leaves(name, out):
			gone, copied = true, copied || s.copied(name, out)
		case s.streams(name):
			stay = append(stay, syncIdent(name))
		}
	}
	if !gone || !copied && len(stay) >= set.number {
		return current, false
	}
	value = syncValue(set.method, min(set.number, len(stay)), stay)
	out.drafts = append(out.drafts, s.leavingDraft(current, value))
	for _, d := range out.drafts {
		if s.disturbs(d) {
			d.after = append(d.after, s.leavingAddress())
		}
	}
	return value, true
}

func (s *scope) leavingDraft(current, value string) *draft {
	n := s.cluster.Primary
	d := newDraft(Update, s.leavingAddress(), n)
	d.worsen(Reload)
	d.Reason = "commits must not wait for a standby that is copied, stops, moves or leaves"
	d.after = []string{s.nodeAddress(n), s.parametersAddress(n)}
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
	if s.cluster.Synchronous != nil && !slices.Contains(wanted.names, n.Name) {
		return true
	}
	for _, d := range out.drafts {
		if d.Address == s.standbyAddress(n) && (d.Impact == CopyData || d.changes("primary_")) {
			return true
		}
	}
	return false
}

// copied tells whether a member is copied from the server that waits for it.
func (s *scope) copied(name string, out *findings) bool {
	n := s.memberNamed(name)
	return n != nil && s.cluster.Standby(n).Upstream == s.cluster.Primary &&
		slices.ContainsFunc(out.drafts, func(d *draft) bool { return d.Address == s.standbyAddress(n) && d.Impact == CopyData })
}

// memberNamed answers the standby that is seen under that application_name, or nil.
func (s *scope) memberNamed(name string) *topology.Node {
	for _, sb := range s.cluster.Standbys {
		if s.applicationName(sb.Node) == name || sb.Node.Name == name {
			return sb.Node
		}
	}
	return nil
}

func (s *scope) streams(name string) bool {
	return slices.ContainsFunc(s.live().Senders, func(f facts.Sender) bool {
		return f.ApplicationName == name && f.State == "streaming"
	})
}

// disturbs tells whether a change may keep a standby from streaming: its own, its
// rules, its slot.
func (s *scope) disturbs(d *draft) bool {
	return strings.HasPrefix(d.Address, s.cluster.ID+".standby.") || strings.HasSuffix(d.Address, ".hba") ||
		d.Action == Delete && strings.Contains(d.Address, ".slot.")
}
