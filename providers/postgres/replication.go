package postgres

import (
	"time"

	"github.com/repltool/repltool/providers/facts"
)

// senderRow is a row of pg_stat_replication with the slot that its process holds.
type senderRow struct {
	PID         int      `json:"pid"`
	User        string   `json:"usename"`
	Application string   `json:"application_name"`
	Client      string   `json:"client_addr"`
	State       string   `json:"state"`
	Sent        string   `json:"sent_lsn"`
	Replay      string   `json:"replay_lsn"`
	Sync        string   `json:"sync_state"`
	Slot        string   `json:"slot"`
	LagBytes    *int64   `json:"lag_bytes"`
	WriteLag    *float64 `json:"write_seconds"`
	FlushLag    *float64 `json:"flush_seconds"`
	ReplayLag   *float64 `json:"replay_seconds"`
}

const sendersSQL = `SELECT json_agg(to_jsonb(r) || jsonb_build_object(
    'slot', (SELECT slot_name FROM pg_replication_slots WHERE active_pid = r.pid LIMIT 1),
    'lag_bytes', pg_wal_lsn_diff(` + walEnd + `, replay_lsn)::bigint,
    'write_seconds', extract(epoch FROM write_lag), 'flush_seconds', extract(epoch FROM flush_lag), 'replay_seconds', extract(epoch FROM replay_lag))
    ORDER BY application_name, pid)
  FROM pg_stat_replication r`

func (r senderRow) facts() facts.Sender {
	return facts.Sender{
		PID: r.PID, User: r.User, ApplicationName: r.Application, ClientAddr: r.Client, State: r.State,
		SentLSN: r.Sent, ReplayLSN: r.Replay, SyncState: r.Sync, LagBytes: r.LagBytes, SlotName: r.Slot,
		WriteLag: seconds(r.WriteLag), FlushLag: seconds(r.FlushLag), ReplayLag: seconds(r.ReplayLag),
	}
}

// receiverRow is the standby's own view.
type receiverRow struct {
	PID      int      `json:"pid"`
	Status   string   `json:"status"`
	Host     string   `json:"sender_host"`
	Port     int      `json:"sender_port"`
	Slot     string   `json:"slot_name"`
	Timeline int      `json:"received_tli"`
	Receive  string   `json:"receive_lsn"`
	Replay   string   `json:"replay_lsn"`
	Paused   bool     `json:"paused"`
	Delay    *float64 `json:"delay_seconds"`
}

// A standby that has replayed all that it received has no delay, however long ago
// the last commit was.
const receiverSQL = `SELECT CASE WHEN pg_is_in_recovery() THEN
    coalesce((SELECT to_jsonb(w) - 'conninfo' FROM pg_stat_wal_receiver w), '{}') || jsonb_build_object(
    'receive_lsn', pg_last_wal_receive_lsn(), 'replay_lsn', pg_last_wal_replay_lsn(), 'paused', pg_is_wal_replay_paused(),
    'delay_seconds', CASE WHEN pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() THEN 0
      ELSE extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) END) END`

func (r *receiverRow) facts() *facts.Receiver {
	return &facts.Receiver{
		PID: r.PID, Status: r.Status, SenderHost: r.Host, SenderPort: r.Port, SlotName: r.Slot, ReceivedTLI: r.Timeline,
		ReceiveLSN: r.Receive, ReplayLSN: r.Replay, ReplayPaused: r.Paused, ReplayDelay: seconds(r.Delay),
	}
}

func seconds(s *float64) *time.Duration {
	if s == nil {
		return nil
	}
	d := time.Duration(*s * float64(time.Second)).Round(time.Microsecond)
	return &d
}
