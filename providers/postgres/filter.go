package postgres

import (
	"context"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Row filters. A catalog holds what an expression means, and writes it in its own
// way: `A  >  10 and b = 'x'` comes back as `((a > 10) AND (b = 'x'::text))`. Whether
// two texts mean the same is asked of the server, which makes nothing for it: EXPLAIN
// tells both expressions as it understands them.
//
// Rules:
//   - they are compared as the output of a SELECT, not as its condition: of a
//     condition the planner drops what the table's partitions, constraints and indexes
//     make superfluous, and then what differs would look alike;
//   - that a filter fits its table is asked with it as the condition, as the server has
//     it in a publication;
//   - what only a publication refuses (functions that are not built in or not immutable,
//     system columns, types and operators of users) is asked of a publication that is never
//     committed, and only of a filter that is yet to be set: nobody sees it, event triggers
//     do not fire for it, and it waits a second for the table at most, which it locks against
//     ALTER and VACUUM for a moment;
//   - each is one statement of the extended protocol, which takes no second one, in a
//     session that is read only.
//
// A filter that says the same in another order is taken for another one: it is set
// once, and found as it is written from then on (PostgreSQL docs, 29.4 "Row Filters").

// filterQuestion is a wanted filter and what is to be asked of it.
type filterQuestion struct {
	WantedFilter
	found string // "" for none
}

// readFilters reports every wanted filter, in the order given. PostgreSQL 15 has
// them; of a table that is not there nothing is reported.
func readFilters(ctx context.Context, db *DB, l *facts.Logical, wanted []WantedFilter) ([]facts.Filter, error) {
	if db.version() < 15 {
		return nil, nil
	}
	var questions []filterQuestion
	var statements []string
	for _, w := range wanted {
		t := l.Table(w.Table)
		if t == nil || t.Kind != "r" && t.Kind != "p" {
			continue
		}
		q := filterQuestion{w, foundFilter(l, w)}
		questions = append(questions, q)
		statements = append(statements, q.statements()...)
	}
	answers := db.each(ctx, statements)
	var all []facts.Filter
	for _, q := range questions {
		n := len(q.statements())
		f, err := q.judge(answers[:n])
		if err != nil {
			return nil, err
		}
		all, answers = append(all, f), answers[n:]
	}
	refused(ctx, db, all)
	return all, nil
}

// refused fills in what a publication would refuse of the filters that are not set yet. What
// keeps the server from telling, such as a lock or a missing privilege, is no error of the
// filter.
func refused(ctx context.Context, db *DB, all []facts.Filter) {
	var asked []*facts.Filter
	var statements []string
	for i := range all {
		if f := &all[i]; !f.Same && f.Error == "" {
			asked = append(asked, f)
			statements = append(statements, refusal(f.Table, f.Where)...)
		}
	}
	answers := db.each(ctx, statements)
	for _, f := range asked {
		one := answers[:len(statements)/len(asked)]
		answers = answers[len(one):]
		if err := one[createsPublication].err; serverError(err) != nil && fits(serverError(err).Code) {
			f.Error = cause(err)
		}
	}
}

// createsPublication is the place of the statement that tells among those of refusal.
const createsPublication = 3

// refusal are the statements that ask whether a publication takes a filter. A partitioned
// table has one only by its root.
func refusal(table topology.TableName, where string) []string {
	return []string{
		"BEGIN READ WRITE",
		"SET LOCAL lock_timeout = '1s'",
		"SET LOCAL session_replication_role = replica", // event triggers
		"CREATE PUBLICATION repltool_checks_a_row_filter FOR TABLE ONLY " + tableIdent(table) + " WHERE (" + where + ") WITH (publish = 'insert', publish_via_partition_root = true)",
		"ROLLBACK",
	}
}

func foundFilter(l *facts.Logical, w WantedFilter) string {
	if p := l.Publication(w.Publication); p != nil {
		if t := p.Table(w.Table); t != nil {
			return t.Where
		}
	}
	return ""
}

// statements are none where the filter is written as it was found.
func (q filterQuestion) statements() []string {
	if q.found == q.Where {
		return nil
	}
	const explain = "EXPLAIN (VERBOSE, COSTS OFF, FORMAT JSON) SELECT "
	from := " FROM " + tableIdent(q.Table)
	all := []string{explain + from + " WHERE (" + q.Where + ")", explain + "(" + q.Where + ") AS filter" + from}
	if q.found != "" {
		all = append(all, explain+"("+q.found+") AS filter"+from)
	}
	return all
}

func (q filterQuestion) judge(answers []answer) (facts.Filter, error) {
	f := facts.Filter{Publication: q.ID, Table: q.Table, Where: q.Where, Same: len(answers) == 0}
	for i, a := range answers {
		pg := serverError(a.err)
		switch {
		case a.err == nil:
		case pg == nil, !fits(pg.Code):
			return f, a.err
		case i < 2:
			f.Error = cause(a.err)
			return f, nil
		}
	}
	if len(answers) > 1 && hasSubquery(answers[1].text) {
		f.Error = "subqueries are not allowed in a row filter"
	}
	f.Same = f.Same || len(answers) == 3 && answers[2].err == nil && answers[1].text == answers[2].text
	return f, nil
}

// fits says of an error whether the filter's text can be its cause: a lock that was
// not to be had, a server that shuts down or a lack of memory are not.
func fits(code string) bool {
	switch code[:2] {
	case "0A", "22", "42", "2F", "3F", "P0":
		return code != "42501" && code != "42710"
	}
	return false
}

// hasSubquery looks for the plan node of one; quotes within strings are escaped there.
func hasSubquery(plan string) bool {
	return strings.Contains(plan, `"Parent Relationship": "SubPlan"`) || strings.Contains(plan, `"Parent Relationship": "InitPlan"`)
}
