package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
)

// sections are all kinds, in the order in which they are decoded.
func sections() []section {
	return []section{
		control(), settings(), fileSettings(), pendingConnInfo(), hba(), roles(), databases(), tablespaces(), slots(), senders(), receiver(),
		activity(),
	}
}

// beginning is what the query begins with.
const beginning = "WITH wal AS MATERIALIZED ("

// document is the whole query. Its first part is the end of the server's WAL: what
// a primary has written, or what a standby has received or replayed. Where an earlier reading is held up, longer
// than limit, it asks for that alone: a file that the server reads has no end, and nothing but
// another session would be held up as well.
func document(all []section, limit time.Duration) string {
	var b strings.Builder
	b.WriteString(beginning + `
  SELECT CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    ELSE pg_current_wal_lsn() END AS ends
), held_up AS MATERIALIZED (
  SELECT pid, query_start AS since FROM pg_stat_activity
  WHERE application_name = 'repltool' AND state = 'active' AND pid <> pg_backend_pid() AND starts_with(query, '` + beginning + `')
    AND query_start < clock_timestamp() - interval '`)
	fmt.Fprintf(&b, "%d ms'\n", limit.Milliseconds())
	b.WriteString(`  ORDER BY query_start LIMIT 1
)
SELECT CASE WHEN EXISTS (SELECT FROM held_up) THEN (SELECT json_build_object('held_up', held_up) FROM held_up) ELSE json_build_object(
  'ledger', to_regclass('repltool.managed') IS NOT NULL`)
	for _, s := range all {
		fmt.Fprintf(&b, ",\n  '%s', (%s)", s.name, s.sql)
	}
	b.WriteString(") END::text")
	return b.String()
}

// Read reads everything of facts.Server: with one query, and a second one for the
// ledger where there is one.
func Read(ctx context.Context, db *DB) (*facts.Server, error) {
	all := sections()
	text, err := db.document(ctx, document(all, limitOf(ctx)))
	if err == nil {
		err = heldUp(text)
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	server, hasLedger, err := decode(all, text)
	if err != nil {
		return nil, &Error{Kind: facts.BadData, Op: "read", Err: err}
	}
	if !hasLedger {
		return server, nil
	}
	if server.Ledger, err = readLedger(ctx, db); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	return server, nil
}

// limitOf is how long a reading may take that is as long as this one.
func limitOf(ctx context.Context) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		return time.Until(at)
	}
	return time.Minute
}

// heldUp returns that an earlier reading has not ended, if that is what the server says.
func heldUp(text string) error {
	var answer struct {
		HeldUp *struct {
			PID   int
			Since string
		} `json:"held_up"`
	}
	if err := json.Unmarshal([]byte(text), &answer); err != nil || answer.HeldUp == nil {
		return nil // what is no such answer is decoded next
	}
	return &Error{
		Kind: facts.ReadFailed, Op: "read",
		Err:  fmt.Errorf("PID %d, a session of an earlier reading, has not ended since %s; no further one is begun", answer.HeldUp.PID, answer.HeldUp.Since),
		Hint: heldUpHint,
	}
}

// heldUpHint says what holds up a session that no time limit ends.
const heldUpHint = "Probably a file that postgresql.conf or pg_hba.conf includes is a FIFO or a device: the server waits in it without end, " +
	"and neither pg_cancel_backend nor pg_terminate_backend ends that. Do not reload or restart the server. Look on its host: find " +
	"the file (find DIRECTORY ! -type f ! -type d), write to a FIFO once (echo > FILE), which ends the session, and replace it with a " +
	"regular file."

const (
	// badEncoding is a text that cannot be sent as UTF-8: in a database of encoding
	// SQL_ASCII, a name may be of any bytes.
	badEncoding = "22021"
	// promoted is what functions for standbys say on a primary.
	promoted = "55000"
)

// document runs a query for one JSON document. A standby that is promoted in the
// middle of it is asked again. Where texts cannot be sent as UTF-8 they are sent as
// they are; a strange byte becomes a replacement character then.
func (d *DB) document(ctx context.Context, sql string) (string, error) {
	text, err := d.value(ctx, sql)
	if pg := serverError(err); pg != nil && pg.Code == promoted {
		return d.value(ctx, sql)
	} else if pg == nil || pg.Code != badEncoding {
		return text, err
	}
	text, err = d.value(ctx, "SET client_encoding = SQL_ASCII; "+sql)
	if err != nil {
		return "", err
	}
	return text, d.Exec(ctx, "SET client_encoding = UTF8")
}

func decode(all []section, text string) (*facts.Server, bool, error) {
	answers := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		return nil, false, fmt.Errorf("decode: %w", err)
	}
	server := &facts.Server{}
	for _, s := range all {
		if err := s.decode(answers[s.name], server); err != nil {
			return nil, false, fmt.Errorf("decode %s: %w", s.name, err)
		}
	}
	return server, string(answers["ledger"]) == "true", nil
}

// utc writes a time in one way, whatever the session's zone and style: in UTC, with
// fractions of a second only where there are any. Infinity stays a word.
func utc(column string) string {
	return fmt.Sprintf(`CASE WHEN isfinite(%[1]s) THEN
      rtrim(rtrim(to_char(%[1]s AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS.US'), '0'), '.') || '+00' ELSE %[1]s::text END`, column)
}

// each decodes a JSON array, or null for none, and hands every row on.
func each[Row any](answer json.RawMessage, take func(Row)) error {
	var rows []Row
	if err := json.Unmarshal(answer, &rows); err != nil {
		return err
	}
	for _, row := range rows {
		take(row)
	}
	return nil
}

// Passing reports whether a query was not answered for what soon is over, and may be asked again.
// A standby ends one whose rows or locks what it replays takes away (PostgreSQL docs, 27.4.2
// "Handling Query Conflicts"); an administrator ends a session; a server that starts or stops
// ends all, and takes no new ones.
func Passing(err error) bool {
	pg := serverError(err)
	if pg == nil || noHotStandby(pg) {
		return false
	}
	switch pg.Code {
	case "40001", "40P01": // serialization_failure, deadlock_detected
		return true
	case "57P01", "57P02", "57P03": // admin_shutdown, crash_shutdown, cannot_connect_now
		return true
	}
	return false
}

// CutShort reports whether the server ended a statement because of a time limit of the session.
func CutShort(err error) bool {
	pg := serverError(err)
	return pg != nil && (pg.Code == "57014" || pg.Code == "55P03") // query_canceled, lock_not_available
}
