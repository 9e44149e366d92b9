package move

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A failover loses nothing that the disk of the old primary has. That one is down, and its host
// answers: its data directory is made that of a standby, so that it cannot lead again by itself;
// its server is started, recovers its WAL and sends the rest of it to the new primary, which is
// promoted once it has replayed all of it. So the old primary follows without a rewind.
//
// Nothing is taken back: nobody leads until the promotion, and the next plan goes on where this
// one was left. To give it up, the message of that plan with the old primary in the topology says
// what to do.

// failover plans that a standby takes the place of a primary that failed, or goes on with that.
func (m *move) failover() {
	m.d.Effect = "there is no primary until " + m.To.Name + " is promoted. 0 commits are lost: first " + m.To.Name + " gets all WAL that " + m.From.Name + " has on its disk"
	m.d.Reason = evidence(m.s.Evidence(m.Switchover))
	if !m.Started {
		m.fence()
	}
	m.passfiles()
	if !m.Started {
		m.startFenced()
	}
	for _, w := range m.s.SlotsToFailOver(m.Switchover) {
		m.d.SQL(m.To, "create slot", "SELECT pg_create_physical_replication_slot("+pg.Literal(w.Name)+", true);")
	}
	m.replayed(draft.StreamTimeout)
	for _, sb := range m.s.Rotates(m.Switchover) {
		draft.AwaitOwnReplay(m.s, m.d, sb.Node, "up to that position", "SELECT pg_last_wal_replay_lsn() >= :'"+replayedVar+"'")
		m.rotate(sb)
	}
	m.beginSet()
	m.promote()
	m.d.SQL(m.To, "write the new timeline to pg_control", "CHECKPOINT;")
	m.recordFailover()
	draft.AwaitNewReceiver(m.s, m.d, m.From)
	m.dropLeft()
	m.d.Undo = nil
}

func evidence(all []cluster.Vantage) string {
	var texts []string
	for _, v := range all {
		texts = append(texts, v.Node+": "+v.Seen)
	}
	return strings.Join(texts, "; ")
}

// fence keeps the old primary from leading again.
func (m *move) fence() {
	n, sb := m.From, m.s.Cluster.Standby(m.From)
	if !m.s.Found(n).Host.StandbySignal {
		m.d.Differ("standby.signal", plan.Ptr("absent"), plan.Ptr("present"), "on "+n.Name+", which cannot start as a primary from then on")
	}
	m.d.Command(n, "make its data directory that of a standby of "+m.To.Name, "sh", "-c", draft.FenceScript(), "sh", m.s.Found(n).Host.DataDir,
		conftext.FormatSetting("primary_conninfo", pg.FormatConnInfo(m.s.ConnInfo(sb))),
		conftext.FormatSetting("primary_slot_name", sb.Slot))
}

// startFenced starts it, so that it recovers what it has and sends it.
func (m *move) startFenced() {
	n := m.From
	draft.CheckFirst(m.s, m.d, n)
	m.d.Step(n, "start "+n.Name+" as a standby: it recovers its WAL and sends it", draft.Control(n, m.s.Found(n).Host, "start"))
	m.d.Wait(n, n.Name+" accepts connections", draft.IsStandby, draft.StreamTimeout)
}

// recordFailover writes down what could not be written while nobody led: that the new primary
// leads, its slots, and why.
func (m *move) recordFailover() {
	if m.s.Found(m.To).Server.Ledger == nil {
		return
	}
	rows := append([]cluster.Row{m.s.MadePrimary(m.To)}, m.s.SlotsUnrecorded(m.Switchover)...)
	m.d.SQL(m.To, "record the new primary and its slots, and the evidence", cluster.Record(rows...), cluster.Forget(m.s.MoveIntent(m.Switchover).Address),
		"INSERT INTO repltool.applies (who, started, plan, result)\n  VALUES (current_setting('application_name'), now(), "+
			pg.Literal("failover from "+m.From.Name+" to "+m.To.Name)+", "+pg.Literal(m.d.Reason)+");")
}

// dropLeft drops the slots on the old primary that nobody uses any more.
func (m *move) dropLeft() {
	var names []string
	var addresses []topology.Address
	for _, r := range m.s.SlotsLeft(m.Switchover) {
		names, addresses = append(names, r.Name), append(addresses, r.Address)
	}
	if len(names) == 0 {
		return
	}
	m.d.SQL(m.From, "drop the slots of standbys that no longer follow it", dropSlots(names...))
	m.d.SQL(m.To, "remove them from the ledger", cluster.Forget(addresses...))
}
