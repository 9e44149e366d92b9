package postgres

import (
	"context"
	"slices"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// A row filter comes back from the server in the server's own words. Whether two
// texts mean the same the server says itself: if it would do the same to find the
// rows of either, they are the same. Nothing is written for that, and a text goes
// over the extended protocol, which takes one statement and no more.

// judgeFilters answers what the server makes of the wanted filters. Only those that are
// not word for word as they are there take a question.
func judgeFilters(ctx context.Context, db *DB, wanted []WantedFilter, l *facts.Logical) ([]facts.Filter, error) {
	var all []facts.Filter
	for _, w := range wanted {
		if l.Table(w.Table) == nil {
			continue // told as missing
		}
		f := facts.Filter{Publication: w.ID, Table: w.Table, Where: w.Where}
		is := filterOf(l.Publication(w.Publication), w.Table)
		if f.Same = is == w.Where; f.Same {
			all = append(all, f)
			continue
		}
		planned, err := explain(ctx, db, w.Table, w.Where)
		switch {
		case err == nil && is != "":
			theirs, err := explain(ctx, db, w.Table, is)
			f.Same = err == nil && theirs == planned
		case serverError(err) != nil:
			f.Error = serverError(err).Message
		case err != nil:
			return nil, err
		}
		all = append(all, f)
	}
	return all, nil
}

func filterOf(p *facts.Publication, table topology.TableName) string {
	if p == nil {
		return ""
	}
	i := slices.IndexFunc(p.Tables, func(t topology.PublishedTable) bool { return t.Table == table })
	if i < 0 {
		return ""
	}
	return p.Tables[i].Where
}

// explain answers what the server would do to find the rows of a filter.
func explain(ctx context.Context, db *DB, table topology.TableName, where string) (string, error) {
	sql := "EXPLAIN (COSTS OFF, VERBOSE) SELECT FROM " + quoteTable(table) + " WHERE (" + where + "\n)"
	result := db.conn.ExecParams(ctx, sql, nil, nil, nil, nil).Read()
	if result.Err != nil {
		return "", wrap("explain a filter", result.Err)
	}
	var lines []string
	for _, row := range result.Rows {
		lines = append(lines, string(row[0]))
	}
	return strings.Join(lines, "\n"), nil
}
