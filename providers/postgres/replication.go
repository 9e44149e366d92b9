package postgres

import (
	"encoding/json"
	"time"

	"github.com/repltool/repltool/providers/facts"
)

// Senders: who streams from this server, and from which slot. Lags are NULL when
// PostgreSQL has nothing new to measure; the columns are named because the
// differences are computed here.
const sendersSQL = `SELECT json_agg(json_build_object(
    'pid', r.pid, 'user', r.usename, 'application_name', r.application_name, 'client_addr', host(r.client_addr),
    'state', r.state, 'sent_lsn', r.sent_lsn, 'replay_lsn', r.replay_lsn, 'sync_state', r.sync_state,
    'lag_bytes', greatest(pg_wal_lsn_diff(wal.ends, r.replay_lsn), 0)::bigint, 'slot_name', s.slot_name,
    'write_lag', (extract(epoch FROM r.write_lag) * 1000000)::bigint,
    'flush_lag', (extract(epoch FROM r.flush_lag) * 1000000)::bigint,
    'replay_lag', (extract(epoch FROM r.replay_lag) * 1000000)::bigint) ORDER BY r.application_name, r.pid)
  FROM wal, pg_stat_replication r LEFT JOIN pg_replication_slots s ON s.active_pid = r.pid`

type senderRow struct {
	PID             int
	User            string
	ApplicationName string `json:"application_name"`
	ClientAddr      string `json:"client_addr"`
	State           string
	SentLSN         string        `json:"sent_lsn"`
	ReplayLSN       string        `json:"replay_lsn"`
	SyncState       string        `json:"sync_state"`
	LagBytes        *int64        `json:"lag_bytes"`
	SlotName        string        `json:"slot_name"`
	WriteLag        *microseconds `json:"write_lag"`
	FlushLag        *microseconds `json:"flush_lag"`
	ReplayLag       *microseconds `json:"replay_lag"`
}

// microseconds are what an interval has.
type microseconds int64

func (m *microseconds) duration() *time.Duration {
	if m == nil {
		return nil
	}
	d := time.Duration(*m) * time.Microsecond
	return &d
}

func senders() section {
	return section{"senders", sendersSQL, func(answer json.RawMessage, s *facts.Server) error {
		return each(answer, func(r senderRow) { s.Senders = append(s.Senders, r.sender()) })
	}}
}

func (r senderRow) sender() facts.Sender {
	sender := facts.Sender{
		PID: r.PID, User: r.User, ApplicationName: r.ApplicationName, ClientAddr: r.ClientAddr, State: r.State,
		SentLSN: r.SentLSN, ReplayLSN: r.ReplayLSN, SyncState: r.SyncState, SlotName: r.SlotName,
		WriteLag: r.WriteLag.duration(), FlushLag: r.FlushLag.duration(), ReplayLag: r.ReplayLag.duration(),
	}
	if r.ReplayLSN != "" { // greatest() leaves NULLs out
		sender.LagBytes = r.LagBytes
	}
	return sender
}
