package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Logical replication is read in the database that it stands in: one query for all of
// it, and a second round trip only where something is to be judged by the server.

// LogicalWant says what of a database is asked about.
type LogicalWant struct {
	// Tables, with their partitions; all tables of Schemas; all of the database with All.
	Tables  []topology.TableName
	Schemas []string
	All     bool
	// Roles are those whose privileges are told.
	Roles []string
	// Filters are the wanted row filters.
	Filters []WantedFilter
	// Copied are the subscriptions, by name, of whose tables it is asked whether they hold
	// rows, unless they are subscribed to already.
	Copied bool
}

// WantedFilter is a row filter as the topology has it.
type WantedFilter struct {
	ID          string // of the publication in the topology
	Publication string // its name
	Table       topology.TableName
	Where       string
}

// logicalPart is one kind: what the query asks, and what makes facts of the answer.
type logicalPart struct {
	name   string
	sql    string
	decode func(answer json.RawMessage, l *facts.Logical) error
}

// ReadLogical reads what the session's database holds of logical replication.
func ReadLogical(ctx context.Context, db *DB, w LogicalWant) (*facts.Logical, error) {
	version := db.version()
	parts := []logicalPart{publications(version), subscriptions(version), tables(w), access(w)}
	var b strings.Builder
	b.WriteString("WITH " + relationsSQL(w) + "\nSELECT json_build_object(")
	for i, p := range parts {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "  '%s', (%s)", p.name, p.sql)
	}
	b.WriteString(")::text")
	text, err := db.document(ctx, b.String())
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	answers := map[string]json.RawMessage{}
	if err := json.Unmarshal([]byte(text), &answers); err != nil {
		return nil, &Error{Kind: facts.BadData, Op: "read", Err: fmt.Errorf("decode: %w", err)}
	}
	l := &facts.Logical{}
	for _, p := range parts {
		if err := p.decode(answers[p.name], l); err != nil {
			return nil, &Error{Kind: facts.BadData, Op: "read", Err: fmt.Errorf("decode %s: %w", p.name, err)}
		}
	}
	if l.Filters, err = judgeFilters(ctx, db, w.Filters, l); err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	if w.Copied {
		err = askRows(ctx, db, l)
	}
	return l, err
}

// version is the server's major version, as it said when the session began.
func (d *DB) version() int {
	text := d.conn.ParameterStatus("server_version")
	digits := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if digits >= 0 {
		text = text[:digits]
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// quoteLiteral and quoteIdent write SQL; a reading session's settings are the server's
// own, so that a backslash is written in a way that means the same under all of them.
func quoteLiteral(s string) string {
	quoted := "'" + strings.ReplaceAll(s, "'", "''") + "'"
	if strings.Contains(s, `\`) {
		return " E" + strings.ReplaceAll(quoted, `\`, `\\`)
	}
	return quoted
}

func quoteIdent(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func quoteTable(t topology.TableName) string { return quoteIdent(t.Schema) + "." + quoteIdent(t.Name) }

// NoSuchDatabase tells that a login failed since the database is not there.
func NoSuchDatabase(err error) bool {
	e := serverError(err)
	return e != nil && e.Code == "3D000"
}
