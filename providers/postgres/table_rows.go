package postgres

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// rowsAtATime bounds the tables that one statement opens: each is a lock.
const rowsAtATime = 200

// readRows asks which of the wanted tables have a row; those with an empty file have
// none. The partitions of a table are asked, and answer for it.
func readRows(ctx context.Context, db *DB, l *facts.Logical, wanted []topology.TableName) error {
	var asked []*facts.Table
	for i := range l.Tables {
		if t := &l.Tables[i]; t.Rows && within(t, wanted) {
			asked = append(asked, t)
		}
	}
	var statements []string
	chunks := slices.Collect(slices.Chunk(asked, rowsAtATime))
	for _, chunk := range chunks {
		statements = append(statements, rowsSQL(chunk))
	}
	for i, a := range db.each(ctx, statements) {
		if a.err != nil {
			return a.err
		}
		var have []bool
		if err := json.Unmarshal([]byte(a.text), &have); err != nil || len(have) != len(chunks[i]) {
			return &Error{Kind: facts.BadData, Op: "read rows", Err: err}
		}
		for j, t := range chunks[i] {
			t.Rows = have[j]
		}
	}
	for _, t := range l.Tables {
		for _, p := range t.Parents {
			if parent := l.Table(p); parent != nil && t.Rows {
				parent.Rows = true
			}
		}
	}
	return nil
}

func within(t *facts.Table, wanted []topology.TableName) bool {
	return slices.Contains(wanted, t.Table) || slices.ContainsFunc(t.Parents, func(p topology.TableName) bool { return slices.Contains(wanted, p) })
}

func rowsSQL(tables []*facts.Table) string {
	sql := "SELECT json_build_array("
	for i, t := range tables {
		if i > 0 {
			sql += ", "
		}
		sql += "EXISTS (SELECT FROM " + tableIdent(t.Table) + ")"
	}
	return sql + ")"
}

func tableIdent(t topology.TableName) string { return ident(t.Schema) + "." + ident(t.Name) }

func ident(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
