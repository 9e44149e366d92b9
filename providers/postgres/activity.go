package postgres

import (
	"encoding/json"
	"time"

	"github.com/repltool/repltool/facts"
)

// What is under way, as far as an end of the server matters to it: the oldest transactions of
// clients, and the archiver while its command fails (PostgreSQL docs, 27.2 "The Cumulative
// Statistics System").
const activitySQL = `SELECT json_build_object(
    'transactions', (SELECT json_agg(t) FROM (
      SELECT pid, coalesce(usename, '') AS "user", coalesce(datname, '') AS database, application_name AS application,
          (extract(epoch FROM clock_timestamp() - xact_start) * 1000000)::bigint AS age
        FROM pg_stat_activity
        WHERE backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
        ORDER BY xact_start, pid LIMIT 20) t),
    'unarchived', (SELECT json_build_object('segment', last_failed_wal, 'since', to_char(last_failed_time AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"'))
      FROM pg_stat_archiver
      WHERE current_setting('archive_mode') <> 'off' AND last_failed_time > coalesce(last_archived_time, '-infinity')))`

func activity() section {
	return section{"activity", activitySQL, func(answer json.RawMessage, s *facts.Server) error {
		var row struct {
			Transactions []struct {
				PID                         int
				User, Database, Application string
				Age                         int64
			}
			Unarchived *facts.Unarchived
		}
		if err := json.Unmarshal(answer, &row); err != nil {
			return err
		}
		for _, t := range row.Transactions {
			age := time.Duration(t.Age) * time.Microsecond
			s.Transactions = append(s.Transactions, facts.Transaction{PID: t.PID, User: t.User, Database: t.Database, Application: t.Application, Age: age})
		}
		s.Unarchived = row.Unarchived
		return nil
	}}
}
