package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Logical replication of one database: one query, however many tables there are.
// What is asked about goes along as its only parameter, so that no name is ever
// part of a statement. A second round trip is made for row filters that are written
// otherwise than they were found (filter.go), and for the tables that a subscriber
// is yet to copy (table_rows.go).

// LogicalWant is what a topology asks about in one database.
type LogicalWant struct {
	// Tables, those of Schemas or All: what publications name.
	Tables  []topology.TableName
	Schemas []string
	All     bool
	// Roles are those that subscriptions connect as.
	Roles []string
	// Filters are the row filters wanted, of publications that may be there already.
	Filters []WantedFilter
	// Subscriptions are those wanted here: their tables are read too.
	Subscriptions []string
	// Rows are the tables of which it is asked, for themselves and their partitions,
	// whether they have any row. Of others it is told whether their files have room
	// for some.
	Rows []topology.TableName
	// Overlaps are the row filters of which it is asked, of tables that have rows, whether
	// they match any.
	Overlaps []WantedOverlap
}

// WantedOverlap is a table that a subscription is to copy through a row filter.
type WantedOverlap struct {
	ID    string // of the subscription in the topology
	Table topology.TableName
	Where string
}

// WantedFilter is a row filter as the topology has it.
type WantedFilter struct {
	ID          string // of the publication in the topology
	Publication string // its name
	Table       topology.TableName
	Where       string
}

// logicalSection is one kind: a query that returns one JSON value, and what makes
// facts of it.
type logicalSection struct {
	name   string
	sql    string
	decode func(answer json.RawMessage, l *facts.Logical) error
}

func logicalSections(major int) []logicalSection {
	return []logicalSection{publications(major), subscriptions(major), tables(), access(major), unknown()}
}

// logicalQuery is the whole query. Of what a version does not have, no name may
// stand in it; columns of other versions do not matter, since whole rows are asked. A standby
// looks at nothing.
func logicalQuery(major int) string {
	var b strings.Builder
	b.WriteString(wantedTablesSQL + "SELECT CASE WHEN pg_is_in_recovery() THEN '{\"in_recovery\": true}' ELSE json_build_object(\n  'in_recovery', false, 'database', current_database(), 'closed', (SELECT NOT EXISTS (SELECT FROM aclexplode(coalesce(d.datacl, acldefault('d', d.datdba))) p\n    WHERE p.grantee = 0 AND p.privilege_type = 'CONNECT') FROM pg_database d WHERE d.datname = current_database()),\n  'lacked_schemas', (SELECT json_agg(w) FROM want, jsonb_array_elements_text(j->'schemas') AS w WHERE NOT EXISTS (SELECT FROM pg_namespace WHERE nspname = w))")
	for _, s := range logicalSections(major) {
		fmt.Fprintf(&b, ",\n  '%s', (%s)", s.name, s.sql)
	}
	b.WriteString(")::text END")
	return b.String()
}

// logicalHead is what is not a kind of its own.
type logicalHead struct {
	InRecovery bool `json:"in_recovery"`
	Database   string
	Closed     bool
	Lacked     []string `json:"lacked_schemas"`
}

// ReadLogical reads what the database of the session holds; nil on a standby, which
// tells the same as its primary.
func ReadLogical(ctx context.Context, db *DB, w LogicalWant) (*facts.Logical, error) {
	parameter, err := json.Marshal(w.parameter())
	if err != nil {
		return nil, &Error{Kind: facts.BadData, Op: "read", Err: err}
	}
	l, err := readSettled(ctx, db, parameter)
	if err != nil || l == nil {
		return nil, err
	}
	if l.Filters, err = readFilters(ctx, db, l, w.Filters); err != nil {
		return nil, fmt.Errorf("read row filters: %w", err)
	}
	if err := readRows(ctx, db, l, w.Rows); err != nil {
		return nil, fmt.Errorf("read tables: %w", err)
	}
	if l.Overlaps, err = readOverlaps(ctx, db, l, w.Overlaps); err != nil {
		return nil, fmt.Errorf("read rows: %w", err)
	}
	return l, nil
}

// retryInterval is wal_retrieve_retry_interval, by its default: no sooner than that after
// its start a worker that failed comes back. Up to PostgreSQL 15 it counts from the start of
// any other.
const retryInterval = 5 * time.Second

// uncounted is how old a worker that applies a change may be and still be watched, up to PostgreSQL
// 14, which counts no errors: one that fails is in a transaction for most of its life.
const uncounted = 20 * time.Second

// readSettled reads the database, once more for as long as a worker may be between two
// lives: it ends at every change of its subscription, and at every change that it cannot
// apply. What ended or failed from one reading to the next is counted. One that comes after
// a while without any is watched as long as one that was there.
func readSettled(ctx context.Context, db *DB, parameter []byte) (*facts.Logical, error) {
	const pause = time.Second
	major, seen := db.version(), map[string]life{}
	var before *facts.Logical
	for waited := time.Duration(0); ; waited += pause {
		text, err := db.parametrized(ctx, logicalQuery(major), parameter)
		if err != nil {
			return nil, fmt.Errorf("read: %w", err)
		}
		l, err := decodeLogical(text, major)
		if err != nil {
			return nil, &Error{Kind: facts.BadData, Op: "read", Err: err}
		}
		if l == nil {
			return nil, nil
		}
		for i := range l.Subscriptions {
			s := &l.Subscriptions[i]
			seen[s.Name] = seen[s.Name].next(before.Subscription(s.Name), s, waited)
			s.Restarts = seen[s.Name].restarts
		}
		before = l
		unsettled := func(s facts.Subscription) bool { return seen[s.Name].unsettled(s, major, waited) }
		if waited > uncounted || !slices.ContainsFunc(l.Subscriptions, unsettled) {
			return l, nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return l, nil
		}
	}
}

// life is what the readings showed of a subscription's workers.
type life struct {
	pid      int           // of the one that runs; 0 for none
	since    time.Duration // of that, from the first reading
	restarts int
}

// next is life after one more reading.
func (l life) next(was, is *facts.Subscription, waited time.Duration) life {
	l.restarts += restarted(was, is)
	pid := 0
	if is.Worker != nil {
		pid = is.Worker.PID
	}
	if pid != l.pid {
		l.pid, l.since = pid, waited
	}
	return l
}

// open reports whether a further reading may show more.
func (l life) open(waited time.Duration) bool {
	return waited <= retryInterval || l.restarts == 0 && waited-l.since <= retryInterval
}

// unsettled reports whether a subscription is to be read once more.
func (l life) unsettled(s facts.Subscription, major int, waited time.Duration) bool {
	return (unattended(s, major) || unproven(s, major)) && l.open(waited) || unsure(s, major) && l.restarts == 0
}

// unattended tells of a subscription that should have a worker and may be given one yet.
func unattended(s facts.Subscription, major int) bool {
	return s.Options.Enabled && s.Worker == nil && major <= 15
}

// unproven tells of a worker so young that it may be one of a row of workers that fail, each
// at the same change: it has not heard of the publisher, or there were errors, which
// PostgreSQL counts from 15 on.
func unproven(s facts.Subscription, major int) bool {
	w := s.Worker
	young := w != nil && (w.Age == nil || *w.Age <= retryInterval) // none of one that is only starting
	return young && (w.ReceivedLSN == "" || s.ApplyErrors > 0 || major < 15)
}

// unsure tells of a worker that may yet fail at the change that it applies, where nobody counts
// that.
func unsure(s facts.Subscription, major int) bool {
	w := s.Worker
	return major < 15 && w != nil && w.Applying && w.Age != nil && *w.Age <= uncounted
}

// restarted returns 1 where the worker of the earlier reading is gone or has failed.
func restarted(was, is *facts.Subscription) int {
	if was == nil || was.Worker == nil || !was.Options.Enabled {
		return 0
	}
	if is.Worker == nil || is.Worker.PID != was.Worker.PID || is.ApplyErrors > was.ApplyErrors {
		return 1
	}
	return 0
}

func (w LogicalWant) parameter() any {
	tables := []map[string]string{}
	for _, t := range w.Tables {
		tables = append(tables, map[string]string{"schema": t.Schema, "name": t.Name})
	}
	return map[string]any{
		"tables": tables, "schemas": orEmpty(w.Schemas), "all": w.All, "roles": orEmpty(w.Roles), "subscriptions": orEmpty(w.Subscriptions),
	}
}

func orEmpty(list []string) []string {
	if list == nil {
		return []string{}
	}
	return list
}

func decodeLogical(text string, major int) (*facts.Logical, error) {
	answers := map[string]json.RawMessage{}
	var head logicalHead
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if err := json.Unmarshal([]byte(text), &head); err != nil {
		return nil, fmt.Errorf("decode: %w", err)
	}
	if head.InRecovery {
		return nil, nil
	}
	l := &facts.Logical{Closed: head.Closed, LackedSchemas: head.Lacked}
	for _, s := range logicalSections(major) {
		if err := s.decode(answers[s.name], l); err != nil {
			return nil, fmt.Errorf("decode %s: %w", s.name, err)
		}
	}
	for i := range l.Publications {
		l.Publications[i].Database = head.Database
	}
	return l, nil
}

// NoSuchDatabase reports whether a login failed since the database is not there.
func NoSuchDatabase(err error) bool {
	e := serverError(err)
	return e != nil && e.Code == "3D000"
}
