package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Slots. Retained is the WAL from what the slot still needs to the end of the
// server's WAL. two_phase is of PostgreSQL 14, failover and synced are of 17. On a
// primary synced tells only that it was a standby once.
const slotsSQL = `SELECT json_agg(to_jsonb(s) || jsonb_build_object(
    'retained', greatest(pg_wal_lsn_diff(wal.ends, s.restart_lsn), 0)::bigint,
    'synced', pg_is_in_recovery() AND to_jsonb(s)->>'synced' = 'true') ORDER BY s.slot_name)
  FROM pg_replication_slots s, wal`

type slotRow struct {
	Name       string `json:"slot_name"`
	Type       string `json:"slot_type"`
	Plugin     string
	Database   string
	TwoPhase   bool `json:"two_phase"`
	Failover   bool
	Active     bool
	ActivePID  int    `json:"active_pid"`
	RestartLSN string `json:"restart_lsn"`
	Retained   *int64
	WALStatus  string `json:"wal_status"`
	SafeSize   *int64 `json:"safe_wal_size"`
	Temporary  bool
	Synced     bool
}

func slots() section {
	return section{"slots", slotsSQL, func(answer json.RawMessage, s *facts.Server) error {
		return each(answer, func(r slotRow) { s.Slots = append(s.Slots, r.slot()) })
	}}
}

func (r slotRow) slot() facts.Slot {
	slot := facts.Slot{
		Slot: topology.Slot{
			Name: r.Name, Type: r.Type, Plugin: r.Plugin, Database: r.Database, TwoPhase: r.TwoPhase, Failover: r.Failover,
		},
		Active: r.Active, ActivePID: r.ActivePID, RestartLSN: r.RestartLSN, WALStatus: r.WALStatus, SafeWALSize: r.SafeSize,
		Temporary: r.Temporary, Synced: r.Synced,
	}
	if r.RestartLSN != "" {
		slot.RetainedBytes = r.Retained
	}
	return slot
}
