package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/repltool/repltool/facts"
)

// sections are all kinds, in the order in which they are decoded.
func sections() []section {
	return []section{
		control(), settings(), fileSettings(), pendingConnInfo(), hba(), roles(), databases(), tablespaces(), slots(), senders(), receiver(),
		activity(),
	}
}

// document is the whole query. Its first part is the end of the server's WAL: what
// a primary has written, or what a standby has received or replayed.
func document(all []section) string {
	var b strings.Builder
	b.WriteString(`WITH wal AS MATERIALIZED (
  SELECT CASE WHEN pg_is_in_recovery() THEN greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
    ELSE pg_current_wal_lsn() END AS ends
)
SELECT json_build_object(
  'ledger', to_regclass('repltool.managed') IS NOT NULL`)
	for _, s := range all {
		fmt.Fprintf(&b, ",\n  '%s', (%s)", s.name, s.sql)
	}
	b.WriteString(")::text")
	return b.String()
}

// Read reads everything of facts.Server: with one query, and a second one for the
// ledger where there is one.
func Read(ctx context.Context, db *DB) (*facts.Server, error) {
	all := sections()
	text, err := db.document(ctx, document(all))
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

// Conflicted reports whether a standby ended a statement since what it replays takes away what
// the statement needs. It was rolled back whole, and may be run again (PostgreSQL docs, 27.4.2
// "Handling Query Conflicts").
func Conflicted(err error) bool {
	pg := serverError(err)
	return pg != nil && (pg.Code == "40001" || pg.Code == "40P01") // serialization_failure, deadlock_detected
}

// CutShort reports whether the server ended a statement because of a time limit of the session.
func CutShort(err error) bool {
	pg := serverError(err)
	return pg != nil && (pg.Code == "57014" || pg.Code == "55P03") // query_canceled, lock_not_available
}
