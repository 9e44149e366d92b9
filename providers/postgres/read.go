package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// document is what the one query answers. Views come as whole rows (to_jsonb), so
// that a column which a version lacks is a key that is absent.
type document struct {
	Server       serverRow        `json:"server"`
	Settings     []settingRow     `json:"settings"`
	FileSettings []fileSettingRow `json:"file_settings"`
	HBA          []hbaRow         `json:"hba"`
	Roles        []roleRow        `json:"roles"`
	Databases    []databaseRow    `json:"databases"`
	Tablespaces  []tablespaceRow  `json:"tablespaces"`
	Slots        []slotRow        `json:"slots"`
	Senders      []senderRow      `json:"senders"`
	Receiver     *receiverRow     `json:"receiver"`
}

// Read reads a server: one query, and a second where there is a ledger.
func Read(ctx context.Context, db *DB) (*facts.Server, error) {
	doc, err := readDocument(ctx, db)
	if err != nil {
		return nil, fmt.Errorf("read the server: %w", err)
	}
	s := doc.facts()
	if doc.Server.Ledger {
		if s.Ledger, err = readLedger(ctx, db); err != nil {
			return nil, fmt.Errorf("read the ledger: %w", err)
		}
	}
	return s, nil
}

func readDocument(ctx context.Context, db *DB) (*document, error) {
	rows, err := db.Rows(ctx, query())
	if err != nil {
		return nil, err
	}
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		return nil, fmt.Errorf("expected one document, got %d rows", len(rows))
	}
	doc := &document{}
	if err := json.Unmarshal([]byte(*rows[0][0]), doc); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	return doc, nil
}

// query puts the kinds' parts together.
func query() string {
	parts := []struct{ key, sql string }{
		{"server", serverSQL}, {"settings", settingsSQL}, {"file_settings", fileSettingsSQL}, {"hba", hbaSQL},
		{"roles", rolesSQL}, {"databases", databasesSQL}, {"tablespaces", tablespacesSQL},
		{"slots", slotsSQL}, {"senders", sendersSQL}, {"receiver", receiverSQL},
	}
	var b strings.Builder
	b.WriteString("SELECT json_build_object(")
	for i, p := range parts {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("'" + p.key + "', (" + p.sql + ")")
	}
	b.WriteString(")")
	return b.String()
}

// serverRow is the server itself.
type serverRow struct {
	VersionNum       int     `json:"version_num"`
	Version          string  `json:"version"`
	InRecovery       bool    `json:"in_recovery"`
	SystemIdentifier string  `json:"system_identifier"`
	Timeline         int     `json:"timeline"`
	LSN              string  `json:"lsn"`
	DataBytes        int64   `json:"data_bytes"`
	ConfLoaded       float64 `json:"conf_loaded"`
	DataDirectory    string  `json:"data_directory"`
	ConnInfo         string  `json:"conninfo"`
	Ledger           bool    `json:"ledger"`
}

// A primary's timeline is that of the WAL it writes: pg_control has the new one
// only after the checkpoint that follows a promotion.
const serverSQL = `SELECT json_build_object(
  'version_num', current_setting('server_version_num')::int,
  'version', split_part(current_setting('server_version'), ' ', 1),
  'in_recovery', pg_is_in_recovery(),
  'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
  'timeline', CASE WHEN pg_is_in_recovery()
    THEN coalesce((SELECT received_tli FROM pg_stat_get_wal_receiver()), (SELECT timeline_id FROM pg_control_checkpoint()))
    ELSE ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END,
  'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,
  'data_bytes', (SELECT sum(pg_database_size(oid)) FROM pg_database),
  'conf_loaded', extract(epoch FROM pg_conf_load_time()),
  'data_directory', current_setting('data_directory'),
  'conninfo', current_setting('primary_conninfo'),
  'ledger', to_regclass('repltool.managed') IS NOT NULL)`

func (d *document) facts() *facts.Server {
	r := d.Server
	s := &facts.Server{
		VersionNum: r.VersionNum, Version: r.Version, InRecovery: r.InRecovery, SystemIdentifier: r.SystemIdentifier,
		Timeline: r.Timeline, LSN: r.LSN, DataBytes: r.DataBytes, ConfLoaded: r.ConfLoaded, DataDirectory: r.DataDirectory,
		ConnInfo: topology.NewSecret("", r.ConnInfo),
		Settings: map[string]facts.Setting{},
	}
	for _, row := range d.Settings {
		s.Settings[row.Name] = row.facts()
	}
	s.FileSettings = convert(d.FileSettings, fileSettingRow.facts)
	s.HBA = convert(d.HBA, hbaRow.facts)
	s.Roles = convert(d.Roles, roleRow.facts)
	s.Databases = convert(d.Databases, databaseRow.facts)
	s.Tablespaces = convert(d.Tablespaces, tablespaceRow.facts)
	s.Slots = convert(d.Slots, slotRow.facts)
	s.Senders = convert(d.Senders, senderRow.facts)
	if d.Receiver != nil && r.InRecovery {
		s.Receiver = d.Receiver.facts()
	}
	return s
}

func convert[From, To any](rows []From, one func(From) To) []To {
	var all []To
	for _, r := range rows {
		all = append(all, one(r))
	}
	return all
}
