package postgres

import (
	"encoding/json"
	"time"

	"github.com/repltool/repltool/facts"
)

// Senders: who streams from this server, and from which slot. Lags are NULL when
// PostgreSQL has nothing new to measure; the columns are named because not all
// are asked for.
const sendersSQL = `SELECT json_agg(json_build_object(
    'pid', r.pid, 'user', r.usename, 'application_name', r.application_name, 'client_addr', host(r.client_addr),
    'state', r.state, 'sync_state', r.sync_state, 'slot_name', s.slot_name, 'ends', wal.ends,
    'sent_lsn', r.sent_lsn, 'write_lsn', r.write_lsn, 'flush_lsn', r.flush_lsn, 'replay_lsn', r.replay_lsn,
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
	Ends            string        // of the sender's WAL
	SentLSN         string        `json:"sent_lsn"`
	WriteLSN        string        `json:"write_lsn"`
	FlushLSN        string        `json:"flush_lsn"`
	ReplayLSN       string        `json:"replay_lsn"`
	SyncState       string        `json:"sync_state"`
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
	return facts.Sender{
		PID: r.PID, User: r.User, ApplicationName: r.ApplicationName, ClientAddr: r.ClientAddr, State: r.State,
		SentLSN: r.SentLSN, WriteLSN: r.WriteLSN, FlushLSN: r.FlushLSN, ReplayLSN: r.ReplayLSN,
		SentBytes: facts.Behind(r.SentLSN, r.Ends), WriteBytes: facts.Behind(r.WriteLSN, r.Ends),
		FlushBytes: facts.Behind(r.FlushLSN, r.Ends), LagBytes: facts.Behind(r.ReplayLSN, r.Ends),
		WriteLag: r.WriteLag.duration(), FlushLag: r.FlushLag.duration(), ReplayLag: r.ReplayLag.duration(),
		SyncState: r.SyncState, SlotName: r.SlotName,
	}
}
