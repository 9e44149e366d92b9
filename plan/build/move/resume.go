package move

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
)

// Resume continues a move that an apply left when the old primary was down, or takes it
// back where the topology names the old one again. What else there is to do is planned once a
// server leads.
func Resume(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	m := newMove(s, s, w)
	if w.Failed {
		m.failover()
		out.Put(m.d)
		return
	}
	m.d.Reason = "an apply was interrupted after it had stopped " + w.From.Name + "; everything else is planned once there is a primary"
	if w.Back {
		m.d.Attributes, m.d.Impact = nil, plan.Online
		m.d.Effect = w.From.Name + " leads again"
		m.back()
	} else {
		m.forward()
		m.d.SQL(m.To, "record the new primary, and remove outdated rows from the ledger", cluster.Record(s.MadePrimary(m.To)), cluster.Forget(s.MoveIntent(w).Address))
	}
	out.Put(m.d)
}

// forward promotes the new primary. One that follows an old one which somebody has started as a
// standby gets the rest from there.
func (m *move) forward() {
	if !m.Started {
		m.stop()
		m.promote()
		m.rejoin()
		return
	}
	m.d.Effect = "there is no primary until " + m.To.Name + " is promoted"
	m.replayed(replayLimit)
	m.promote()
	m.d.SQL(m.To, "write the new timeline to pg_control", "CHECKPOINT;")
	draft.AwaitNewReceiver(m.s, m.d, m.From)
}

// back makes the old primary lead again.
func (m *move) back() {
	m.notPromoting()
	if !m.Started {
		m.leadAgain(m.d)
		return
	}
	m.d.SQL(m.From, "promote "+m.From.Name, promoteSQL)
	m.d.Wait(m.From, m.From.Name+" accepts writes", waking("NOT pg_is_in_recovery()"), promoteLimit)
}
