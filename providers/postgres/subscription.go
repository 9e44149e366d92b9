package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Subscriptions of this database: pg_subscription has those of all. A subscription
// has one apply worker, which may have others for large transactions
// (leader_pid, PostgreSQL 16), and one for every table that it copies right now
// (relid). Statistics are of 15.
const (
	subscriptionsSQL = `SELECT json_agg(to_jsonb(s) || jsonb_build_object('owner', pg_get_userbyid(s.subowner), 'comment', obj_description(s.oid, 'pg_subscription'),
      'tables', (SELECT jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname, 'state', r.srsubstate, 'slot',
          CASE WHEN r.srsubstate = 'f' THEN format('pg_%s_sync_%s_%s', s.oid, r.srrelid, (SELECT system_identifier FROM pg_control_system())) END) ORDER BY n.nspname, c.relname)
        FROM pg_subscription_rel r JOIN pg_class c ON c.oid = r.srrelid JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.srsubid = s.oid),
      'worker', (SELECT to_jsonb(w) || jsonb_build_object('silence',
          (extract(epoch FROM clock_timestamp() - w.last_msg_receipt_time) * 1000000)::bigint, 'age',
          (SELECT (extract(epoch FROM clock_timestamp() - a.backend_start) * 1000000)::bigint FROM pg_stat_activity a WHERE a.pid = w.pid),
          'applying', (SELECT a.xact_start IS NOT NULL FROM pg_stat_activity a WHERE a.pid = w.pid))
        FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.pid IS NOT NULL AND w.relid IS NULL AND to_jsonb(w)->>'leader_pid' IS NULL LIMIT 1),
      'applied', (SELECT o.remote_lsn FROM pg_replication_origin_status o WHERE o.external_id = 'pg_' || s.oid),
      'syncing', (SELECT count(*) FROM pg_stat_subscription w WHERE w.subid = s.oid AND w.pid IS NOT NULL AND w.relid IS NOT NULL)`
	subscriptionErrorsSQL = `,
      'errors', (SELECT to_jsonb(e) FROM pg_stat_subscription_stats e WHERE e.subid = s.oid)`
	subscriptionsEndSQL = `) ORDER BY s.subname)
    FROM pg_subscription s WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`
)

type subscriptionRow struct {
	OID              int64  `json:"oid,string"`
	Name             string `json:"subname"`
	Owner, Comment   string
	Applied          string
	Publications     []string `json:"subpublications"`
	ConnInfo         string   `json:"subconninfo"`
	Enabled          bool     `json:"subenabled"`
	SlotName         string   `json:"subslotname"`
	Commit           string   `json:"subsynccommit"`
	Binary           *bool    `json:"subbinary"`
	Streaming        any      `json:"substream"` // true and false before PostgreSQL 16
	TwoPhase         string   `json:"subtwophasestate"`
	DisableOnError   *bool    `json:"subdisableonerr"`
	PasswordRequired *bool    `json:"subpasswordrequired"`
	RunAsOwner       *bool    `json:"subrunasowner"`
	Origin           string   `json:"suborigin"`
	Failover         *bool    `json:"subfailover"`
	Tables           []struct {
		topology.TableName
		State, Slot string
	}
	Worker *struct {
		PID         int
		ReceivedLSN string `json:"received_lsn"`
		LatestLSN   string `json:"latest_end_lsn"`
		Silence     *microseconds
		Age         *microseconds
		Applying    bool
	}
	Syncing int
	Errors  struct {
		Apply int64 `json:"apply_error_count"`
		Sync  int64 `json:"sync_error_count"`
	}
}

func subscriptions(major int) logicalSection {
	sql := subscriptionsSQL
	if major >= 15 {
		sql += subscriptionErrorsSQL
	}
	return logicalSection{"subscriptions", sql + subscriptionsEndSQL, func(answer json.RawMessage, l *facts.Logical) error {
		return each(answer, func(r subscriptionRow) { l.Subscriptions = append(l.Subscriptions, r.subscription()) })
	}}
}

func (r subscriptionRow) subscription() facts.Subscription {
	s := facts.Subscription{
		Name: r.Name, OID: r.OID, Owner: r.Owner, Comment: r.Comment, Publications: r.Publications,
		ConnInfo: topology.NewSecret("subscription."+r.Name+".connection", r.ConnInfo),
		Options: topology.SubscriptionOptions{
			Enabled: r.Enabled, SlotName: r.SlotName, Binary: r.Binary, Streaming: streaming(r.Streaming), DisableOnError: r.DisableOnError,
			Origin: r.Origin, PasswordRequired: r.PasswordRequired, RunAsOwner: r.RunAsOwner, Failover: r.Failover, SynchronousCommit: r.Commit,
		},
		ApplyErrors: r.Errors.Apply, SyncErrors: r.Errors.Sync, Applied: r.Applied,
	}
	if r.TwoPhase != "" {
		asked := r.TwoPhase != "d"
		s.Options.TwoPhase = &asked
	}
	for _, t := range r.Tables {
		s.Tables = append(s.Tables, facts.SubscribedTable{Table: t.TableName, State: t.State, Slot: t.Slot})
	}
	if w := r.Worker; w != nil {
		s.Worker = &facts.SubscriptionWorker{
			PID: w.PID, ReceivedLSN: w.ReceivedLSN, LatestLSN: w.LatestLSN, Silence: w.Silence.duration(), Age: w.Age.duration(), Applying: w.Applying, Syncing: r.Syncing,
		}
	}
	return s
}

// streaming returns the option's word; "" for a version that has none.
func streaming(found any) string {
	switch found {
	case true, "t":
		return topology.StreamingOn
	case false, "f":
		return topology.StreamingOff
	case "p":
		return topology.StreamingParallel
	}
	return ""
}
