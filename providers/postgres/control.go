package postgres

import (
	"encoding/json"
	"strings"

	"github.com/repltool/repltool/facts"
)

// The server itself: version, identity, position.
//
// The timeline of a primary is that of the WAL file it writes: the control file
// tells of the last checkpoint, which after a promotion may be minutes old. A
// standby has no such file; it is on the newest timeline of which it holds WAL: that
// of the receiver's last record while one runs, else the newest that replay
// reached, which the control file's minimum recovery point or last restartpoint
// tells.
const controlSQL = `SELECT json_build_object(
    'version_num', current_setting('server_version_num')::int,
    'version', current_setting('server_version'),
    'in_recovery', pg_is_in_recovery(),
    'system_identifier', (SELECT system_identifier::text FROM pg_control_system()),
    'timeline', CASE WHEN pg_is_in_recovery() THEN greatest(
        (SELECT received_tli FROM pg_stat_wal_receiver),
        (SELECT min_recovery_end_timeline FROM pg_control_recovery()),
        (SELECT timeline_id FROM pg_control_checkpoint()))
      ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int END,
    'lsn', CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE (SELECT ends FROM wal) END,
    'prepared', (SELECT count(*) FROM pg_prepared_xacts),
    'origins', (SELECT count(*) FROM pg_replication_origin_status),
    'pages_unsafe', (SELECT NOT full_page_writes FROM pg_control_checkpoint()),
    'applying', (SELECT json_agg(json_build_object('database', datname, 'name', subname) ORDER BY datname, subname)
      FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE subenabled),
    'subscribing', (SELECT json_agg(DISTINCT datname) FROM pg_subscription JOIN pg_database d ON d.oid = subdbid),
    'applies', (SELECT json_agg(json_build_object('who', substr(application_name, 16), 'since', to_char(min AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"')) ORDER BY min)
      FROM (SELECT application_name, min(backend_start) FROM pg_stat_activity WHERE application_name LIKE 'repltool apply %' GROUP BY 1) a),
    'subscription_oids', (SELECT json_agg(oid::bigint ORDER BY oid) FROM pg_subscription),
    'conf_loaded', (extract(epoch FROM pg_conf_load_time()) * 1000000)::bigint)`

func control() section {
	return section{"control", controlSQL, func(answer json.RawMessage, s *facts.Server) error {
		var row struct {
			VersionNum       int `json:"version_num"`
			Version          string
			InRecovery       bool   `json:"in_recovery"`
			SystemIdentifier string `json:"system_identifier"`
			Timeline         int
			LSN              string
			Prepared         int
			Origins          int
			PagesUnsafe      bool `json:"pages_unsafe"`
			Applying         []facts.SubscriptionName
			SubscriptionOIDs []int64 `json:"subscription_oids"`
			Applies          []facts.Apply
			Subscribing      []string
			ConfLoaded       microseconds `json:"conf_loaded"`
		}
		if err := json.Unmarshal(answer, &row); err != nil {
			return err
		}
		s.VersionNum, s.InRecovery, s.SystemIdentifier = row.VersionNum, row.InRecovery, row.SystemIdentifier
		s.Version, _, _ = strings.Cut(row.Version, " ") // without the packager's name
		s.Prepared, s.Origins, s.Applying = row.Prepared, row.Origins, row.Applying
		s.Applies, s.Subscribing, s.PagesUnsafe = row.Applies, row.Subscribing, row.PagesUnsafe
		s.SubscriptionOIDs = row.SubscriptionOIDs
		s.Timeline, s.LSN, s.ConfLoaded = row.Timeline, row.LSN, float64(row.ConfLoaded)/1e6
		return nil
	}}
}
