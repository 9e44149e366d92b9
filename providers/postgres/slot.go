package postgres

import (
	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// slotRow is a row of pg_replication_slots. Keys that a version lacks stay empty.
type slotRow struct {
	Name       string `json:"slot_name"`
	Type       string `json:"slot_type"`
	Plugin     string `json:"plugin"`
	Database   string `json:"database"`
	TwoPhase   bool   `json:"two_phase"` // from 14
	Failover   bool   `json:"failover"`  // from 17
	Synced     bool   `json:"synced"`    // from 17
	Temporary  bool   `json:"temporary"`
	Active     bool   `json:"active"`
	PID        int    `json:"active_pid"`
	RestartLSN string `json:"restart_lsn"`
	WALStatus  string `json:"wal_status"`
	Retained   *int64 `json:"retained"`
}

// walEnd is the end of the WAL that a server has: written, or received.
const walEnd = `CASE WHEN pg_is_in_recovery() THEN coalesce(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END`

const slotsSQL = `SELECT json_agg(to_jsonb(s) || jsonb_build_object('retained', pg_wal_lsn_diff(` + walEnd + `, restart_lsn)::bigint) ORDER BY slot_name)
  FROM pg_replication_slots s`

func (r slotRow) facts() facts.Slot {
	return facts.Slot{
		Slot:   topology.Slot{Name: r.Name, Type: r.Type, Plugin: r.Plugin, Database: r.Database, TwoPhase: r.TwoPhase, Failover: r.Failover},
		Active: r.Active, ActivePID: r.PID, RestartLSN: r.RestartLSN, RetainedBytes: r.Retained, WALStatus: r.WALStatus,
		Temporary: r.Temporary, Synced: r.Synced,
	}
}
