package postgres

import (
	"encoding/json"
	"time"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Subscriptions of the session's database, with their tables and workers. The
// counters of errors are of PostgreSQL 15; a worker that applies for another one has a
// leader, from 16 on.
func subscriptions(version int) logicalPart {
	stats := "NULL::jsonb"
	if version >= 15 {
		stats = "(SELECT to_jsonb(x) FROM pg_stat_subscription_stats x WHERE x.subid = s.oid)"
	}
	sql := `SELECT json_agg(to_jsonb(s) || jsonb_build_object('owner', pg_get_userbyid(s.subowner), 'stats', ` + stats + `,
    'tables', (SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'state', r.srsubstate) ORDER BY n.nspname, c.relname)
      FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.srsubid = s.oid),
    'worker', (SELECT json_build_object('pid', w.pid, 'received', w.received_lsn, 'latest', w.latest_end_lsn,
        'silence', extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time))
      FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NULL AND w.pid IS NOT NULL AND to_jsonb(w) ->> 'leader_pid' IS NULL LIMIT 1),
    'syncing', (SELECT count(*) FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.relid IS NOT NULL AND w.pid IS NOT NULL)) ORDER BY s.subname)
    FROM pg_subscription s WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`
	return logicalPart{"subscriptions", sql, func(answer json.RawMessage, l *facts.Logical) error {
		return each(answer, func(r subscriptionRow) { l.Subscriptions = append(l.Subscriptions, r.subscription()) })
	}}
}

type subscriptionRow struct {
	Name             string `json:"subname"`
	Owner            string
	Enabled          bool            `json:"subenabled"`
	ConnInfo         string          `json:"subconninfo"`
	SlotName         string          `json:"subslotname"`
	Commit           string          `json:"subsynccommit"`
	Publications     []string        `json:"subpublications"`
	Binary           *bool           `json:"subbinary"`
	Streaming        json.RawMessage `json:"substream"`
	TwoPhase         string          `json:"subtwophasestate"`
	DisableOnError   *bool           `json:"subdisableonerr"`
	PasswordRequired *bool           `json:"subpasswordrequired"`
	RunAsOwner       *bool           `json:"subrunasowner"`
	Origin           string          `json:"suborigin"`
	Failover         *bool           `json:"subfailover"`
	Stats            struct {
		Apply int64 `json:"apply_error_count"`
		Sync  int64 `json:"sync_error_count"`
	}
	Tables []struct{ Schema, Name, State string }
	Worker *struct {
		PID              int
		Received, Latest string
		Silence          *float64
	}
	Syncing int
}

func (r subscriptionRow) subscription() facts.Subscription {
	s := facts.Subscription{
		Name: r.Name, Owner: r.Owner, Publications: r.Publications, ConnInfo: topology.NewSecret("", r.ConnInfo),
		Options: topology.SubscriptionOptions{
			Enabled: r.Enabled, SlotName: r.SlotName, Binary: r.Binary, Streaming: streaming(r.Streaming), DisableOnError: r.DisableOnError,
			Origin: r.Origin, PasswordRequired: r.PasswordRequired, RunAsOwner: r.RunAsOwner, Failover: r.Failover, SynchronousCommit: r.Commit,
		},
		TwoPhasePending: r.TwoPhase == "p", ApplyErrors: r.Stats.Apply, SyncErrors: r.Stats.Sync,
	}
	if r.TwoPhase != "" {
		yes := r.TwoPhase != "d"
		s.Options.TwoPhase = &yes
	}
	for _, t := range r.Tables {
		s.Tables = append(s.Tables, facts.SubscribedTable{Table: topology.TableName{Schema: t.Schema, Name: t.Name}, State: t.State})
	}
	if w := r.Worker; w != nil {
		s.Worker = &facts.SubscriptionWorker{PID: w.PID, ReceivedLSN: w.Received, LatestLSN: w.Latest, Syncing: r.Syncing}
		if w.Silence != nil {
			silence := time.Duration(*w.Silence * float64(time.Second))
			s.Worker.Silence = &silence
		}
	}
	return s
}

// streaming reads substream: a flag in PostgreSQL 14 and 15, a letter since.
func streaming(value json.RawMessage) string {
	switch string(value) {
	case "true", `"t"`:
		return topology.StreamingOn
	case `"p"`:
		return topology.StreamingParallel
	case "false", `"f"`:
		return topology.StreamingOff
	}
	return ""
}
