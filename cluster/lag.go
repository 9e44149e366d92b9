package cluster

import (
	"fmt"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// standbyLag is how far a standby is behind its upstream; nil is not known.
type standbyLag struct {
	Bytes *int64
	Time  *time.Duration
	Hint  string
}

// LagOf returns the lag of a standby, and what may be the cause.
func (s *Cluster) LagOf(sb *topology.Standby, sender *facts.Sender) standbyLag {
	lag := standbyLag{
		Bytes: sender.LagBytes, Time: sender.ReplayLag,
		Hint: "WAL is received but replay lags: check recovery conflicts, CPU and I/O.",
	}
	if s.Delay(sb.Node) > 0 {
		lag = standbyLag{Bytes: sender.FlushBytes, Time: sender.FlushLag}
	}
	if flushed := sender.FlushBytes; flushed != nil && lag.Bytes != nil && *flushed > *lag.Bytes/2 {
		lag.Hint = "WAL arrives late: check the network between them, and its disk."
	}
	if s.Paused(sb.Node) {
		lag.Hint = "Its replay is paused."
	}
	return lag
}

// Position is what a standby is judged by: what it has replayed, or, where it does that
// late on purpose, what it has received.
func (s *Cluster) Position(sb *topology.Standby) string {
	server := s.Found(sb.Node).Server
	if r := server.Receiver; s.Delay(sb.Node) > 0 && r != nil && r.ReceiveLSN != "" {
		return r.ReceiveLSN
	}
	return server.LSN
}

// HoldsBack reports whether the replay of a standby is delayed or paused. A WAL receiver that
// lost its upstream is started again only when replay has used up what is there: such
// a standby is away for as long as it holds back, and only waited for where its replay
// matters.
func (s *Cluster) HoldsBack(n *topology.Node) bool { return s.Delay(n) > 0 || s.Paused(n) }

func (s *Cluster) Paused(n *topology.Node) bool {
	f := s.Found(n)
	return f.Server != nil && f.Server.Receiver != nil && f.Server.Receiver.ReplayPaused
}

// LimitPauses returns the parameter of which a standby has less than its primary, so that it
// pauses its replay of what raised it there; "" for none (PostgreSQL docs, 27.4.3).
func (s *Cluster) LimitPauses(n *topology.Node) string {
	server := s.Found(n).Server
	if server == nil || s.Live() == nil {
		return ""
	}
	for _, name := range pg.HotStandby() {
		setting := server.Settings[name]
		if Number(setting, server.InForce(name)) < Number(setting, s.Live().InForce(name)) {
			return name
		}
	}
	return ""
}

// RecoveryTarget returns the parameter that stops the replay of a standby, or "", by the
// values that it goes by.
func RecoveryTarget(value func(name string) string) string {
	for _, name := range []string{"recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_xid"} {
		if value(name) != "" {
			return name
		}
	}
	return ""
}

// ResumeHint says how the replay of a paused standby is resumed. With a recovery target
// pg_wal_replay_resume() ends recovery, and with a limit that is too low it shuts down.
func (s *Cluster) ResumeHint(n *topology.Node) string {
	server := s.Found(n).Server
	if name := RecoveryTarget(server.InForce); name != "" {
		return fmt.Sprintf("Do not run pg_wal_replay_resume() on %s: it has %s = '%s', and is promoted when replay resumes at its recovery target. Remove %s from its files and restart %s by hand.",
			n.Name, name, server.InForce(name), name, n.Name)
	}
	if name := s.LimitPauses(n); name != "" {
		return fmt.Sprintf("Do not run pg_wal_replay_resume() on %s: it would shut down, since it has %s = %s, and its primary %s. It replays again once it restarts with %s = %s.",
			n.Name, name, server.InForce(name), s.Live().InForce(name), name, s.Live().InForce(name))
	}
	return "Once the cause of the pause is known, run SELECT pg_wal_replay_resume() on " + n.Name + "."
}

// Delay is how long a standby may hold its replay at one place. It does so with its
// own WAL too, before it streams again after a restart.
func (s *Cluster) Delay(n *topology.Node) time.Duration {
	var longest time.Duration
	if sb := s.Cluster.Standby(n); sb != nil {
		longest = sb.ApplyDelay
	}
	if f := s.Found(n); f.Server != nil {
		const name = "recovery_min_apply_delay"
		longest = max(longest, time.Duration(Number(f.Server.Settings[name], f.Server.InForce(name)))*time.Millisecond)
	}
	return longest
}
