// Package move plans how the primary of a cluster moves.
package move

import (
	_ "embed"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A switchover loses nothing: the old primary is shut down in order, and the new one is
// promoted once it has replayed all of its WAL, up to the shutdown checkpoint. Everything
// that can be done before is done before, so that writes stop for as long as a shutdown, the
// replay of the rest and a promotion take: the slots exist on the new primary, the other
// standbys stream from it, and its synchronous set is the one of the new roles. Until the
// promotion each step has its way back. The old primary is made a standby while it is down,
// so that it cannot come back as a second primary (PostgreSQL docs, 27.3 "Failover").

// checkpointVar is what the stop prints: where the shutdown checkpoint begins.
const checkpointVar = "shutdown_checkpoint"

// StopScript stops the old primary and makes it a standby's data directory.
//
//go:embed stop.sh
var StopScript string

// EndedScript waits until the old primary can be started.
//
//go:embed ended.sh
var EndedScript string

// Switchover plans the move of a primary that leads.
func Switchover(s, after *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	m := newMove(s, after, w)
	m.d.Effect += m.lessSafe()
	m.announce()
	for _, slot := range s.SlotsToMake(w) {
		m.slot(slot)
	}
	for _, row := range s.SlotsToConfirm(w) {
		m.d.SQL(m.From, "confirm", cluster.Record(row))
	}
	m.twins()
	m.logins()
	m.publishers()
	m.awaitSlotPositions()
	m.relax()
	m.relaxSynced()
	for _, sb := range s.Rotates(w) {
		m.rotate(sb)
	}
	m.prepareOld()
	m.beginSet()
	m.awaitConsumers()
	m.ready()
	m.stop()
	m.promote()
	m.rejoin()
	m.settle()
	m.awaitSubscriptions()
	out.Put(m.d)
}

func newMove(s, after *cluster.Cluster, w *cluster.Switchover) *move {
	m := &move{w, s, after, draft.NewDraft(plan.Update, s.PrimaryAddress(), w.From, w.To)}
	m.d.Worsen(plan.Switchover)
	m.d.Effect = "writes stop while " + w.From.Name + " shuts down and " + w.To.Name + " is promoted"
	m.d.Differ("primary", plan.Ptr(w.From.Name), plan.Ptr(w.To.Name), "")
	for _, sub := range s.Subscribers() { // what they receive from has gone
		m.d.Brings = append(m.d.Brings, sub.Address())
	}
	return m
}

// lessSafe says for how many standbys commits wait until the old primary streams, where that
// is fewer than the topology asks for.
func (m *move) lessSafe() string {
	y, begins := m.s.Cluster.Synchronous, m.s.SetOnTo(m.Switchover)
	if y == nil {
		return ""
	}
	wait := "no standby"
	if set, ok := pg.ParseSync(begins); ok && begins != "" {
		if set.Number >= y.Number {
			return ""
		}
		wait = words.Counted(set.Number, "standby")
	}
	return "; then, until " + m.From.Name + " streams, commits wait for " + wait + " instead of " + strconv.Itoa(y.Number)
}

// announce writes down what is begun, and sees that it arrives: the new primary replays.
func (m *move) announce() {
	at, row := len(m.d.Steps), m.s.MoveIntent(m.Switchover)
	m.d.SQL(m.From, "record the intent to move the primary", cluster.Intend(row))
	m.d.TakesBack(at, func(back *draft.Draft) {
		back.SQL(m.From, "remove the intent from the ledger", cluster.Forget(row.Address))
	})
	m.d.Wait(m.To, m.To.Name+" has replayed the intent", "SELECT EXISTS (SELECT FROM repltool.managed WHERE address = "+pg.Literal(row.Address.String())+"\n"+
		"  AND object LIKE 'intent at %' AND right(object, "+strconv.Itoa(len(row.Object.String()))+") = "+pg.Literal(row.Object.String())+")", proofLimit)
}

// slot makes a slot on the new primary, which is a standby yet: it begins with the last
// restartpoint, so that its standby misses nothing.
func (m *move) slot(w cluster.WantedSlot) {
	at, row := len(m.d.Steps), m.s.SlotRow(m.To, w.Name)
	m.d.SQL(m.From, "record the intent to create", cluster.Intend(row))
	m.d.SQL(m.To, "create slot", "SELECT pg_create_physical_replication_slot("+pg.Literal(w.Name)+", true);")
	m.d.SQL(m.From, "confirm", cluster.Record(row))
	m.d.TakesBack(at, func(back *draft.Draft) {
		back.SQL(m.To, "drop slot", dropSlots(w.Name))
		back.SQL(m.From, "remove from the ledger", cluster.Forget(row.Address))
	})
}

// logins gives the members the passwords by which they will log in at the new primary, and
// proves that the old one can. That the others can is seen when they stream from it.
func (m *move) logins() {
	m.passfiles()
	draft.CheckLogin(m.s, m.d, m.s.Cluster.Standby(m.From))
}

func (m *move) passfiles() {
	for _, sb := range append([]*topology.Standby{m.s.Cluster.Standby(m.From)}, m.s.Rotates(m.Switchover)...) {
		if m.s.NeedsPassfile(sb) {
			draft.WritePassfile(m.s, m.d, sb.Node, m.s.Found(sb.Node).Host.Passfile, m.s.StandbyPasswords(sb), m.s.PassingLines(sb))
		}
	}
}

// awaitSlotPositions waits until the other standbys have what the new primary had when it got their slots:
// a slot begins with the last restartpoint, and one that is further behind would ask for WAL
// that the new primary has removed, and could never follow it.
func (m *move) awaitSlotPositions() {
	for _, sb := range m.s.Rotates(m.Switchover) {
		made := func(w cluster.WantedSlot) bool { return w.Name == sb.Slot }
		if !slices.ContainsFunc(m.s.SlotsToMake(m.Switchover), made) {
			continue
		}
		row := m.s.SlotRow(m.To, sb.Slot)
		draft.AwaitOwnReplay(m.s, m.d, sb.Node, "what "+m.To.Name+" had when it got slot "+sb.Slot, "SELECT EXISTS (SELECT FROM repltool.managed WHERE address = "+
			pg.Literal(row.Address.String())+"\n  AND starts_with(object, "+pg.Literal(row.Object.String())+"))")
	}
}

// relax keeps commits from waiting for standbys that go under the new primary.
func (m *move) relax() {
	before, while := m.s.SetOnFrom(m.Switchover)
	if before == while {
		return
	}
	m.d.Differ(cluster.SyncNames, plan.Ptr(pg.Literal(before)), plan.Ptr(pg.Literal(while)), "on "+m.From.Name+", until it stops: the others stream from "+m.To.Name+" by then")
	m.set(m.From, cluster.SyncNames, while, "commits must not wait for standbys that move", "commits wait as before")
	draft.ReleaseCommits(m.d, m.From, while)
}

// rotate brings a standby under the new primary, which relays until it leads: the same
// connection continues then, on the new timeline.
func (m *move) rotate(sb *topology.Standby) {
	n, at := sb.Node, len(m.d.Steps)
	now, wanted := conninfo.Map(m.s.Found(n).Server.ConnInfo.Reveal()), m.s.ConnInfo(sb)
	slot := m.s.Found(n).Server.InForce("primary_slot_name")
	if len(m.s.ConnDiffers(now, wanted, sb)) > 0 || slot != sb.Slot {
		before := "before " + m.From.Name + " stops"
		if m.Failed {
			before = "before " + m.To.Name + " is promoted"
		}
		m.d.Differ(n.Name+" follows", plan.Ptr(m.s.Followed(sb).Name), plan.Ptr(m.To.Name), before)
		m.follow(m.d, n, wanted, sb.Slot)
		m.d.TakesBack(at, func(back *draft.Draft) {
			m.follow(back, n, now, slot)
			draft.AwaitReceiver(m.s, back, n, now, slot)
		})
	}
	draft.AwaitReceiver(m.s, m.d, n, wanted, sb.Slot)
}

// follow gives a standby another connection.
func (m *move) follow(d *draft.Draft, n *topology.Node, conn map[string]string, slot string) {
	d.SQL(n, "set", draft.AlterSystem("primary_conninfo", pg.FormatConnInfo(conn)))
	d.SQL(n, "set", draft.AlterSystem("primary_slot_name", slot))
	d.Reload(n)
}

// prepareOld gives the old primary the connection of the standby that it will be. A primary does
// not use it. Its files count, with which it will start: another connection may be in force
// where a way back was cut off.
func (m *move) prepareOld() {
	sb, server := m.s.Cluster.Standby(m.From), m.s.Found(m.From).Server
	text := server.ConnInfo
	if server.PendingConnInfo != nil {
		text = *server.PendingConnInfo
	}
	now, wanted := conninfo.Map(text.Reveal()), m.s.ConnInfo(sb)
	if pg.FormatConnInfo(now) == pg.FormatConnInfo(wanted) && cluster.LastLines(server)["primary_slot_name"].Value == sb.Slot {
		return
	}
	at := len(m.d.Steps)
	m.d.SQL(m.From, "set its upstream for when it is a standby", draft.AlterSystem("primary_conninfo", pg.FormatConnInfo(wanted)))
	m.d.SQL(m.From, "set", draft.AlterSystem("primary_slot_name", sb.Slot))
	m.d.TakesBack(at, func(back *draft.Draft) {
		if len(now) == 0 {
			back.SQL(m.From, "reset", draft.ResetSystem("primary_conninfo"))
		} else {
			back.SQL(m.From, "set as before", draft.AlterSystem("primary_conninfo", pg.FormatConnInfo(now)))
		}
		back.SQL(m.From, "reset", draft.SystemAsFound(m.s, m.From, "primary_slot_name"))
		back.Reload(m.From) // it has started with these if it was stopped
	})
}

// beginSet gives the new primary the synchronous set with which it begins to lead.
func (m *move) beginSet() {
	begins, now := m.s.SetOnTo(m.Switchover), m.s.Found(m.To).Server.InForce(cluster.SyncNames)
	if m.s.Cluster.Synchronous != nil {
		m.d.Closer = m.s.SyncAddress() // the old primary comes in, with a target as well
	}
	if begins == now {
		return
	}
	m.set(m.To, cluster.SyncNames, begins, "set the standbys that its first commits wait for", "restore the value; a standby does not use it")
}

// ready sees, last of all, that the stop will be short, and that the server will start again.
// That the new primary has replayed the checkpoint made just now shows that it receives and
// replays at this moment: a connection that was cut, and a replay that was paused, show the
// last position for a while, with little behind it.
func (m *move) ready() {
	draft.CheckStart(m.s, m.d, m.From)
	m.d.SQL(m.From, "shorten the shutdown checkpoint", "CHECKPOINT;")
	m.d.SQL(m.From, "write what changed during the first checkpoint", "CHECKPOINT;")
	name := m.s.ApplicationName(m.To)
	m.d.Step(m.From, "gate", plan.Wait{
		Database: pg.Maintenance, Gate: true, Timeout: proofLimit,
		What: m.To.Name + " streaming, its replay past that checkpoint and less than 16MB behind",
		Else: "writes would stop for as long as " + m.To.Name + " needs to catch up",
		Query: "SELECT EXISTS (SELECT FROM pg_stat_replication WHERE application_name = " + pg.Literal(name) + " AND state = 'streaming'\n" +
			"  AND replay_lsn > (SELECT checkpoint_lsn FROM pg_control_checkpoint())\n" +
			fmt.Sprintf("  AND pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) < %d)", draft.SyncLag),
	})
}

// stop ends the writes.
func (m *move) stop() {
	n, h, at, asked := m.From, m.s.Found(m.From).Host, len(m.d.Steps), "ask"
	if h.Service.Kind == "systemd" && !h.Service.Outside && m.s.Running(n) {
		asked = "no"
		m.d.Step(n, "stop "+n.Name, plan.Command{Argv: []string{"systemctl", "stop", "--no-block", h.Service.Unit}, Root: true, Timeout: stopLimit})
	}
	m.d.Step(n, "stop "+n.Name+", and then make its data directory that of a standby", plan.Command{
		Argv:    []string{"sh", "-c", StopScript, "sh", h.DataDir, h.BinDir, seconds(stopLimit), asked},
		Timeout: stopLimit + draft.SettleTimeout, Prints: checkpointVar,
	})
	m.d.TakesBack(at, func(back *draft.Draft) { m.leadAgain(back) })
	m.d.Wait(m.To, m.To.Name+" has replayed all that "+n.Name+" has written", waking("pg_last_wal_replay_lsn() > :'"+checkpointVar+"'"), replayLimit)
}

// leadAgain starts the old primary again as what it was.
func (m *move) leadAgain(d *draft.Draft) {
	n, h := m.From, m.s.Found(m.From).Host
	m.ended(d, "wait for the end of its processes; the data directory is that of a primary", "primary")
	d.Step(n, "start "+n.Name, draft.Control(n, h, "start"))
	d.Wait(n, n.Name+" accepts writes", draft.IsPrimary, promoteLimit)
}

// notPromoting sees that the apply which died has not asked for a promotion that is still to
// come: it cannot be called off, and there would be two primaries. PostgreSQL refuses to
// resume a replay once a promotion has been triggered.
func (m *move) notPromoting() {
	m.d.Wait(m.To, m.To.Name+" is not being promoted", "SELECT CASE WHEN NOT pg_is_in_recovery() OR (pg_stat_file('promote', true)).modification IS NOT NULL THEN 'failed' ELSE 't' END,\n"+
		"  'a promotion was requested: plan again once "+m.To.Name+" leads'", draft.SettleTimeout)
	m.d.SQL(m.To, "fails if "+m.To.Name+" is being promoted", "SELECT pg_wal_replay_resume();")
}

// ended waits until the old primary can be started.
func (m *move) ended(d *draft.Draft, why, role string) {
	d.Step(m.From, why, plan.Command{
		Argv:    []string{"sh", "-c", EndedScript, "sh", m.s.Found(m.From).Host.DataDir, seconds(endLimit), role},
		Timeout: endLimit + draft.SettleTimeout,
	})
}

func seconds(d time.Duration) string { return strconv.Itoa(int(d / time.Second)) }

// promote is the point of no return: a promotion that was asked for cannot be called off.
func (m *move) promote() {
	m.d.NoReturn = draft.StepID(m.d.Address.String(), len(m.d.Steps))
	m.d.SQL(m.To, "promote "+m.To.Name, promoteSQL)
	m.d.Wait(m.To, m.To.Name+" accepts writes", waking("NOT pg_is_in_recovery()"), promoteLimit)
	for _, sb := range m.s.Rotates(m.Switchover) {
		m.d.Wait(sb.Node, sb.Node.Name+" is streaming on the new timeline", waking("EXISTS (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'"+
			" AND received_tli > "+strconv.Itoa(m.s.Found(m.From).Host.Control.Timeline)+")"), draft.StreamTimeout)
	}
}

// promoteSQL asks for a promotion, and does not wait for it.
const promoteSQL = "SELECT pg_promote(false) WHERE pg_is_in_recovery();"

// waking is the query for a condition of a standby whose recovery may pause for
// wal_retrieve_retry_interval, also when it was told to promote just before: a reload ends
// the pause, and is asked for until the condition is true (PostgreSQL docs, 20.6.3).
func waking(condition string) string {
	return "SELECT CASE WHEN " + condition + " THEN true ELSE NOT pg_reload_conf() END"
}

// rejoin brings the old primary back as a standby.
func (m *move) rejoin() {
	n, h := m.From, m.s.Found(m.From).Host
	m.d.SQL(m.To, "write the new timeline to pg_control", "CHECKPOINT;")
	m.ended(m.d, "wait for the end of its processes", "standby")
	m.d.Step(n, "start "+n.Name+" as a standby", draft.Control(n, h, "start"))
	m.d.Wait(n, n.Name+" accepts connections", draft.IsStandby, draft.StreamTimeout)
	draft.AwaitNewReceiver(m.s, m.d, n)
}

// settle takes away what the old roles needed.
func (m *move) settle() {
	if drops := m.s.SlotsToDrop(m.Switchover); len(drops) > 0 {
		m.d.SQL(m.From, "drop the slots of standbys that no longer follow it", dropSlots(drops...))
	}
	m.settleLogical()
	made := append(m.s.CopiedRows(m.Switchover), m.s.MadePrimary(m.To))
	m.d.SQL(m.To, "record the new primary, and remove outdated rows from the ledger", cluster.Record(made...), cluster.Forget(m.s.RowsToForget(m.Switchover)...))
}

// streams reports whether a standby streams, by its own account.
func streams(f *facts.Node) bool {
	return f.Server.Receiver != nil && f.Server.Receiver.Status == "streaming"
}
