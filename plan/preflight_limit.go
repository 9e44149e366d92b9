package plan

import (
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
		limit := s.senders(up)
		if need := standbys + clones; standbys > 0 && limit >= 0 && need > limit {
			out.fail(s.cluster.Range, "Too few WAL senders",
				"%s feeds %d standbys and needs max_wal_senders = %d at least; it has %d. Set it in parameters.", up.Name, standbys, need, limit)
		}
	}
}

// senders answers max_wal_senders of n as it will be; -1 unknown.
func (s *scope) senders(n *topology.Node) int {
	if p, given := s.cluster.ParametersOf(n)["max_wal_senders"]; given {
		return int(number(facts.Setting{}, p.Value))
	}
	if f := s.found(n); f.Server != nil && !s.recloned(n) {
		return int(number(facts.Setting{}, f.Server.InForce("max_wal_senders")))
	}
	return -1
}
