package plan

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Limits of a server that its standbys need.

// checkSenders refuses a topology whose standbys do not fit their upstream's
// max_wal_senders: one each, and one more for a clone.
func (s *scope) checkSenders(out *findings) {
	for _, up := range s.cluster.Members() {
		standbys, clones := 0, 0
		for _, sb := range s.cluster.Standbys {
			if sb.Upstream == up {
				standbys++
				if s.recloned(sb.Node) {
					clones = 1
				}
			}
		}
		limit, at := s.limit(up, "max_wal_senders")
		if need := standbys + clones; standbys > 0 && limit >= 0 && need > limit {
			out.fail(at, "Too few WAL senders",
				"%s: standbys that follow it: %d. It needs max_wal_senders = %d at least, one each and one for copies; it has %d. Set it in parameters.", up.Name, standbys, need, limit)
		}
	}
}

// checkHotStandby refuses a standby that would have less of a hot-standby parameter
// than its primary: it does not start, or stops its replay.
func (s *scope) checkHotStandby(out *findings) {
	if s.live() == nil {
		return
	}
	for _, sb := range s.cluster.Standbys {
		wanted := s.cluster.ParametersOf(sb.Node)
		for _, name := range hotStandby() {
			p, given := wanted[name]
			setting, need := s.live().Settings[name], s.onPrimary(name)
			if given && number(setting, p.Value) < number(setting, need) {
				out.fail(p.Range, "Lower than on the primary",
					"%s would have %s = %s, and its primary %s has %s. A standby that has less does not replay what the primary writes: raise it, or lower the primary's.",
					sb.Node.Name, name, p.Value, s.cluster.Primary.Name, need)
			}
		}
	}
}

// checkSlots refuses slots that do not fit into max_replication_slots of their server,
// beside those that are there.
func (s *scope) checkSlots(out *findings) {
	for _, n := range s.cluster.Members() {
		missing, there := 0, 0
		for _, w := range s.wantedSlots() {
			if w.on == n && s.foundSlot(n, w.Name) == nil {
				missing++
			}
		}
		if f := s.found(n); f.Server != nil && !s.recloned(n) {
			there = len(f.Server.Slots)
		}
		limit, at := s.limit(n, "max_replication_slots")
		if need := there + missing; missing > 0 && limit >= 0 && need > limit {
			out.fail(at, "Too few replication slots",
				"%s: replication slots that are there: %d, to be made: %d. It needs max_replication_slots = %d at least; it has %d. Set it in parameters.", n.Name, there, missing, need, limit)
		}
	}
}

// limit answers such a parameter of n as it will be, and where it is set; -1 unknown.
func (s *scope) limit(n *topology.Node, name string) (int, hcl.Range) {
	at, value := s.rangeOfParameter(n, name), ""
	_, given := s.cluster.ParametersOf(n)[name]
	switch primary := s.cluster.Primary; {
	case given || s.running(n) && !s.recloned(n):
		value = s.willHave(n, name)
	case s.running(primary): // a copy comes with its primary's
		value = s.willHave(primary, name)
	case s.willRun(n):
		value = bootValue(name)
	default:
		return -1, at
	}
	return int(number(facts.Setting{}, value)), at
}
