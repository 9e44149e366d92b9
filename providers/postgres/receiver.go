package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/facts"
)

// The receiver: a standby's own view, NULL on a primary. One that has replayed all that
// it received has no delay, however long ago the last commit was; a delay below nothing
// comes of clocks that differ. pg_stat_wal_receiver shows a receiver only once it was
// answered: until then it is in pg_stat_activity alone.
const receiverSQL = `SELECT CASE WHEN pg_is_in_recovery() THEN json_build_object(
    'pid', r.pid, 'status', r.status, 'sender_host', r.sender_host, 'sender_port', r.sender_port,
    'slot_name', r.slot_name, 'conninfo', r.conninfo, 'received_tli', r.received_tli,
    'receive_lsn', pg_last_wal_receive_lsn(), 'replay_lsn', pg_last_wal_replay_lsn(),
    'replay_paused', pg_is_wal_replay_paused(),
    'connecting', CASE WHEN r.pid IS NULL THEN
      (SELECT json_build_object('pid', a.pid, 'for', (extract(epoch FROM clock_timestamp() - a.backend_start) * 1000000)::bigint)
        FROM pg_stat_activity a WHERE a.backend_type = 'walreceiver' LIMIT 1) END,
    'replay_delay', CASE WHEN pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()
      AND pg_last_xact_replay_timestamp() IS NOT NULL
      THEN greatest((extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()) * 1000000)::bigint, 0) END) END
  FROM (SELECT) AS one LEFT JOIN pg_stat_wal_receiver r ON true`

func receiver() section {
	return section{"receiver", receiverSQL, func(answer json.RawMessage, s *facts.Server) error {
		var row *struct {
			PID          int
			Status       string
			SenderHost   string `json:"sender_host"`
			SenderPort   int    `json:"sender_port"`
			SlotName     string `json:"slot_name"`
			ConnInfo     string
			ReceivedTLI  int           `json:"received_tli"`
			ReceiveLSN   string        `json:"receive_lsn"`
			ReplayLSN    string        `json:"replay_lsn"`
			ReplayPaused bool          `json:"replay_paused"`
			ReplayDelay  *microseconds `json:"replay_delay"`
			Connecting   *struct {
				PID int
				For microseconds
			}
		}
		if err := json.Unmarshal(answer, &row); err != nil || row == nil {
			return err
		}
		s.Receiver = &facts.Receiver{
			PID: row.PID, Status: row.Status, SenderHost: row.SenderHost, SenderPort: row.SenderPort, SlotName: row.SlotName, ConnInfo: row.ConnInfo,
			ReceivedTLI: row.ReceivedTLI, ReceiveLSN: row.ReceiveLSN, ReplayLSN: row.ReplayLSN,
			ReplayPaused: row.ReplayPaused, Backlog: facts.Behind(row.ReplayLSN, row.ReceiveLSN), ReplayDelay: row.ReplayDelay.duration(),
		}
		if c := row.Connecting; c != nil {
			s.Receiver.Connecting = &facts.Connecting{PID: c.PID, For: *c.For.duration()}
		}
		return nil
	}}
}
