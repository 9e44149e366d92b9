package doctor

import (
	"fmt"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// Lag is reported by the upstream (pg_stat_replication): also of a standby that cannot be
// read itself. One that applies changes late on purpose is judged by what it has
// flushed, never by what it has not replayed. PostgreSQL shows the last time measured for
// some seconds after a standby has caught up: without a byte it is not behind
// (PostgreSQL docs, 27.2.4 and 20.6.3).

func standbyHealth(s *cluster.Cluster, sb *topology.Standby, out *Findings) {
	n, f := sb.Node, s.Found(sb.Node)
	upstream := s.Followed(sb)
	if n == s.Now.Leader || !s.Running(upstream) {
		return // it leads, and becomes a standby with the move of the primary
	}
	at := func(code, hint string) Finding {
		return Finding{Code: code, Severity: Error, Address: s.StandbyAddress(n), Node: n.Name, Evidence: view("pg_stat_replication", upstream.Name), Fix: hint}
	}
	sender := s.SenderOf(sb, upstream)
	switch {
	case f.Server == nil && sender == nil:
		return // that it is down, or cannot be read, is reported with the node
	case sender == nil && streamsElsewhere(s, sb):
		return // the plan repoints it
	case sender == nil:
		behind := ""
		if bytes := facts.Behind(s.Position(sb), s.Found(upstream).Server.LSN); bytes != nil {
			behind = ", " + words.BytesText(*bytes) + " behind"
		}
		waits, hint := unanswered(n, f.Server)
		if what, fix := s.WhyLost(sb, upstream); what != "" {
			waits, hint = ": "+what, fix
		}
		if s.HoldsBack(n) && !s.Lost(n) {
			hint += " After a restart it connects once it has replayed what it had received."
		}
		out.report(at("standby_not_connected", hint), "%s is not connected to its upstream %s%s%s", n.Name, upstream.Name, behind, waits)
		return
	case sender.State != "streaming":
		out.report(at("standby_not_streaming", "Check the log of "+n.Name+"."), "%s is in state %s on its upstream %s", n.Name, sender.State, upstream.Name)
	}
	if s.Paused(n) {
		paused := at("replay_is_paused", s.ResumeHint(n))
		paused.Evidence = view("pg_is_wal_replay_paused()", n.Name)
		out.report(paused, "replay on %s is paused", n.Name)
	}
	t, lag := s.Cluster.Thresholds, s.LagOf(sb, sender)
	if t.LagBytes != nil && lag.Bytes != nil && *lag.Bytes > *t.LagBytes {
		out.report(at("standby_lagging", lag.Hint), "%s is %s behind %s; the threshold is %s", n.Name, words.BytesText(*lag.Bytes), upstream.Name, words.BytesText(*t.LagBytes))
	}
	if t.LagTime != nil && lag.Time != nil && *lag.Time > *t.LagTime && lag.Bytes != nil && *lag.Bytes > 0 {
		out.report(at("standby_lagging", lag.Hint), "%s is %s behind %s; the threshold is %s", n.Name, lag.Time.Round(time.Millisecond), upstream.Name, *t.LagTime)
	}
}

// streamsElsewhere reports whether a standby streams by its own account, from a server that is
// not the upstream that the topology gives it, and not known as another.
func streamsElsewhere(s *cluster.Cluster, sb *topology.Standby) bool {
	f := s.Found(sb.Node)
	return s.UpstreamOf(f) == nil && s.Repointed(sb) && f.Server.Receiver != nil && f.Server.Receiver.Status == "streaming"
}

// unanswered says since when the WAL receiver of a standby has waited for the first answer of
// its upstream, and what to do. It writes nothing to the log meanwhile, and without TCP
// keepalives it waits for two hours where the upstream vanished after it had connected.
func unanswered(n *topology.Node, server *facts.Server) (waits, hint string) {
	const patience = 10 * time.Second
	hint = "Check the log of " + n.Name + "."
	if server == nil || server.Receiver == nil || server.Receiver.Connecting == nil || server.Receiver.Connecting.For < patience {
		return "", hint
	}
	c := server.Receiver.Connecting
	return fmt.Sprintf(": its WAL receiver has waited %.0f s for an answer", c.For.Seconds()),
		fmt.Sprintf("Run on %s, so that it connects again: kill %d", n.Name, c.PID)
}
