package view

import (
	"strconv"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Lag is how far a standby is behind, in parts. Bytes are from the upstream's end of
// WAL to what was sent, written, flushed and replayed; seconds are PostgreSQL's own
// (pg_stat_replication). Nil is what PostgreSQL says NULL for, or what could not be asked.
type Lag struct {
	SentBytes     *int64   `json:"sent_bytes"`
	WriteBytes    *int64   `json:"write_bytes"`
	FlushBytes    *int64   `json:"flush_bytes"`
	ReplayBytes   *int64   `json:"replay_bytes"`
	WriteSeconds  *float64 `json:"write_seconds"`
	FlushSeconds  *float64 `json:"flush_seconds"`
	ReplaySeconds *float64 `json:"replay_seconds"`

	// The standby's own view: what it has, what of that it has not replayed, and, only
	// if there is any, how old the last transaction is that it replayed.
	ReceiveLSN   string   `json:"receive_lsn,omitempty"`
	ReplayLSN    string   `json:"replay_lsn,omitempty"`
	Backlog      *int64   `json:"backlog_bytes"`
	DelaySeconds *float64 `json:"delay_seconds"`
	// ApplyDelay is recovery_min_apply_delay: so late it is on purpose.
	ApplyDelay float64 `json:"apply_delay_seconds,omitempty"`
	Paused     bool    `json:"replay_paused,omitempty"`
}

// lagOf fills in what is known of a standby's place behind its upstream: from the
// upstream's process that serves it, even where the standby itself could not be read.
func lagOf(s *Standing, c *topology.Cluster, f facts.Facts) {
	server, sb := serverOf(f, s.Node), standbyNamed(c, s.Node)
	if server == nil && sb == nil || server != nil && !server.InRecovery {
		return
	}
	lag := &Lag{}
	if server != nil {
		s.Slot = server.Settings["primary_slot_name"].Value
		lag.receiver(s, server)
	} else {
		s.Slot = sb.Slot
	}
	var sender *facts.Sender
	name := s.Node
	if server != nil {
		name = server.SeenAs()
	}
	for _, m := range c.Members() {
		if up := serverOf(f, m.Name); up != nil && m.Name != s.Node && sender == nil {
			sender = up.SenderTo(s.Slot, name)
		}
	}
	switch {
	case sender != nil:
		s.State, s.Sync, s.LagBytes, s.LagTime = sender.State, sender.SyncState, sender.LagBytes, inSeconds(sender.ReplayLag)
		lag.sender(sender)
		if n := f.Nodes[s.Node]; sender.Copies() || n != nil && n.Host != nil && !n.Host.Running {
			s.State = "copying" // the stream is its base backup's
		}
	case server == nil:
		s.Slot = ""
		return
	default:
		s.State = "not connected"
		if up := serverOf(f, s.Upstream); up != nil {
			s.LagBytes = facts.Behind(server.LSN, up.LSN)
			lag.ReplayBytes = s.LagBytes
		}
	}
	s.Lag = lag
}

func serverOf(f facts.Facts, name string) *facts.Server {
	if n := f.Nodes[name]; n != nil {
		return n.Server
	}
	return nil
}

func standbyNamed(c *topology.Cluster, name string) *topology.Standby {
	for _, sb := range c.Standbys {
		if sb.Node.Name == name {
			return sb
		}
	}
	return nil
}

func (l *Lag) sender(s *facts.Sender) {
	l.SentBytes, l.WriteBytes, l.FlushBytes, l.ReplayBytes = s.SentBytes, s.WriteBytes, s.FlushBytes, s.LagBytes
	l.WriteSeconds, l.FlushSeconds, l.ReplaySeconds = inSeconds(s.WriteLag), inSeconds(s.FlushLag), inSeconds(s.ReplayLag)
}

func (l *Lag) receiver(s *Standing, server *facts.Server) {
	if milliseconds, err := strconv.ParseFloat(server.Settings["recovery_min_apply_delay"].Value, 64); err == nil {
		l.ApplyDelay = milliseconds / 1000
	}
	r := server.Receiver
	if r == nil {
		return
	}
	if s.Slot == "" {
		s.Slot = r.SlotName
	}
	l.ReceiveLSN, l.ReplayLSN, l.Backlog, l.DelaySeconds, l.Paused = r.ReceiveLSN, r.ReplayLSN, r.Backlog, inSeconds(r.ReplayDelay), r.ReplayPaused
}

func inSeconds(d *time.Duration) *float64 {
	if d == nil {
		return nil
	}
	s := d.Seconds()
	return &s
}

// lags writes one row a standby: bytes and time of each part.
func (p *printer) lags(nodes []Standing) {
	rows := [][]string{{"BEHIND", "SENT", "WRITTEN", "FLUSHED", "REPLAYED", "BACKLOG", "REPLAY"}}
	for _, n := range nodes {
		if l := n.Lag; l != nil {
			rows = append(rows, []string{
				n.Node, lagBytes(l.SentBytes), both(l.WriteBytes, l.WriteSeconds), both(l.FlushBytes, l.FlushSeconds),
				both(l.ReplayBytes, l.ReplaySeconds), both(l.Backlog, l.DelaySeconds), l.replay(),
			})
		}
	}
	if len(rows) > 1 {
		p.line("")
		p.table(rows)
	}
}

// both writes "16 MB -" where no time is known.
func both(bytes *int64, s *float64) string {
	if bytes == nil && s == nil {
		return ""
	}
	words := []string{lagBytes(bytes), lagTime(s)}
	for i, w := range words {
		if w == "" {
			words[i] = "-"
		}
	}
	return words[0] + " " + words[1]
}

// replay says what holds the replay back on purpose.
func (l *Lag) replay() string {
	switch {
	case l.Paused:
		return "paused"
	case l.ApplyDelay > 0:
		return "delayed " + lagTime(&l.ApplyDelay)
	}
	return ""
}
