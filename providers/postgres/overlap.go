package postgres

import (
	"context"
	"fmt"

	"github.com/repltool/repltool/facts"
)

// A table that several publishers fill has rows when one of them is copied. Whether the
// rows of that one are among them is asked by its row filter, which the publisher has
// checked: no function of a user's is in it.

// overlapLimit bounds each question: a filter that no index helps reads the whole table.
const overlapLimit = "5s"

// readOverlaps asks, of the wanted tables that have rows, whether their filters match
// any. It is the last question of a session.
func readOverlaps(ctx context.Context, db *DB, l *facts.Logical, wanted []WantedOverlap) ([]facts.Overlap, error) {
	var all []facts.Overlap
	statements := []string{"SELECT set_config('statement_timeout', '" + overlapLimit + "', false)"}
	for _, w := range wanted {
		if t := l.Table(w.Table); t == nil || !t.Rows {
			continue
		}
		all = append(all, facts.Overlap{Subscription: w.ID, Table: w.Table})
		statements = append(statements, "SELECT EXISTS (SELECT FROM "+tableIdent(w.Table)+" WHERE "+w.Where+")")
	}
	if len(all) == 0 {
		return nil, nil
	}
	answers := db.each(ctx, statements)
	if answers[0].err != nil {
		return nil, answers[0].err
	}
	for i, a := range answers[1:] {
		switch pg := serverError(a.err); {
		case a.err == nil:
			all[i].Rows = a.text == "t"
		case pg == nil:
			return nil, a.err
		case pg.Code == "57014":
			all[i].Error = fmt.Sprintf("the query took longer than %s; an index on the columns of the row filter helps", overlapLimit)
		default:
			all[i].Error = cause(a.err)
		}
	}
	return all, nil
}
