package plan

import (
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Lag is told by the upstream (pg_stat_replication): also of a standby that cannot be
// read itself. One that applies changes late on purpose is judged by what it has
// flushed, never by what it has not replayed. PostgreSQL shows the last time measured for
// some seconds after a standby has caught up: without a byte it is not behind
// (PostgreSQL docs, 27.2.4 and 20.6.3).

// standbyLag is how far a standby is behind its upstream; nil is not known.
type standbyLag struct {
	bytes *int64
	time  *time.Duration
	hint  string
}

func (s *scope) standbyHealth(sb *topology.Standby, out *findings) {
	n, f := sb.Node, s.found(sb.Node)
	upstream := s.followed(sb)
	if !s.running(upstream) {
		return
	}
	bad := func(hint, format string, args ...any) {
		out.tellHealth(Error, s.standbyAddress(n), hint, format, args...)
	}
	sender := s.senderOf(sb, upstream)
	switch {
	case f.Server == nil && sender == nil:
		return // that it is down, or cannot be read, is told with the node
	case sender == nil:
		behind := ""
		if bytes := facts.Behind(s.position(sb), s.found(upstream).Server.LSN); bytes != nil {
			behind = ", " + bytesText(*bytes) + " behind"
		}
		hint := "look at the log of " + n.Name
		if s.holdsBack(n) {
			hint += "; after a restart it connects once it has replayed what it had received"
		}
		bad(hint, "%s is not connected on its upstream %s%s", n.Name, upstream.Name, behind)
		return
	case sender.State != "streaming":
		bad("look at the log of "+n.Name, "%s is in state %s on its upstream %s", n.Name, sender.State, upstream.Name)
	}
	if s.paused(n) {
		bad("SELECT pg_wal_replay_resume() once the cause is known", "%s has paused its replay", n.Name)
	}
	t, lag := s.cluster.Thresholds, s.lagOf(sb, sender)
	if t.LagBytes != nil && lag.bytes != nil && *lag.bytes > *t.LagBytes {
		bad(lag.hint, "%s is %s behind %s; the threshold is %s", n.Name, bytesText(*lag.bytes), upstream.Name, bytesText(*t.LagBytes))
	}
	if t.LagTime != nil && lag.time != nil && *lag.time > *t.LagTime && lag.bytes != nil && *lag.bytes > 0 {
		bad(lag.hint, "%s is %s behind %s; the threshold is %s", n.Name, lag.time.Round(time.Millisecond), upstream.Name, *t.LagTime)
	}
}

// lagOf answers the lag of a standby, and what may be the cause.
func (s *scope) lagOf(sb *topology.Standby, sender *facts.Sender) standbyLag {
	lag := standbyLag{
		bytes: sender.LagBytes, time: sender.ReplayLag,
		hint: "it receives WAL in time and does not replay it in time: look at its long queries, its processor and its disk",
	}
	if s.delay(sb.Node) > 0 {
		lag = standbyLag{bytes: sender.FlushBytes, time: sender.FlushLag}
	}
	if flushed := sender.FlushBytes; flushed != nil && lag.bytes != nil && *flushed > *lag.bytes/2 {
		lag.hint = "WAL does not reach it in time: look at the network between them and at its disk"
	}
	if s.paused(sb.Node) {
		lag.hint = "its replay is paused"
	}
	return lag
}

// position is what a standby is judged by: what it has replayed, or, where it does that
// late on purpose, what it has received.
func (s *scope) position(sb *topology.Standby) string {
	server := s.found(sb.Node).Server
	if r := server.Receiver; s.delay(sb.Node) > 0 && r != nil && r.ReceiveLSN != "" {
		return r.ReceiveLSN
	}
	return server.LSN
}

// senderOf answers the upstream's process that serves the standby, or nil.
func (s *scope) senderOf(sb *topology.Standby, upstream *topology.Node) *facts.Sender {
	slot := sb.Slot
	if server := s.found(sb.Node).Server; server != nil {
		slot = server.Settings["primary_slot_name"].Value
	}
	sender := s.found(upstream).Server.SenderTo(slot, s.applicationName(sb.Node))
	if sender != nil && sender.Copies() {
		return nil // it holds the slot for the standby's base backup, and serves no standby
	}
	return sender
}
