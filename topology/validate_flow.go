package topology

import (
	"slices"
	"strings"
)

// These checks follow tables from database to database over the subscriptions
// that are enabled: what comes twice or comes back is applied twice, and the
// second time fails with a duplicate key.

func (e *evaluator) checkFlow() {
	var flows []*Subscription
	for _, s := range e.top.Subscriptions {
		e.checkLedger(s)
		into, from := s.into(), s.from()
		if s.Options.Enabled && into.known() && from.known() && into != from {
			flows = append(flows, s)
		}
	}
	e.checkTwice(flows)
	e.checkCircles(flows)
}

// The ledger is schema repltool of the database postgres, on every primary: what repltool
// created there, and may drop. A subscriber that received it would take the publisher's rows
// for its own.
const (
	ledgerDatabase = "postgres"
	ledgerSchema   = "repltool"
)

// checkLedger refuses a subscription to it.
func (e *evaluator) checkLedger(s *Subscription) {
	for i, p := range s.Publications {
		named := slices.ContainsFunc(p.Tables, func(t PublishedTable) bool { return t.Table.Schema == ledgerSchema })
		if p.Database == ledgerDatabase && (p.AllTables || named || slices.Contains(p.Schemas, ledgerSchema)) {
			e.add(problem(e.places.of(s, publicationPlace(i), s.Range), "Ledger in a subscription",
				"%s publishes schema %s of database %s, where repltool records what it created on the publisher: a subscriber that receives these rows "+
					"would take them for its own. Publish the other schemas by their names, with schemas.", p.ID, ledgerSchema, ledgerDatabase))
		}
	}
}

func (s *Subscription) into() placed { return placed{s.Cluster, s.Database} }

// from returns the publisher's database; unknown for one outside.
func (s *Subscription) from() placed {
	if s.Publisher() == nil {
		return placed{}
	}
	return placed{s.Publisher(), s.SourceDatabase()}
}

// checkTwice: two subscriptions bring the same rows of one table from one
// database into another.
func (e *evaluator) checkTwice(flows []*Subscription) {
	type way struct{ from, into placed }
	seen := map[way][]*Subscription{}
	for _, s := range flows {
		key := way{s.from(), s.into()}
		for _, other := range seen[key] {
			if i, tables := firstCommon(s, other); !tables.empty() {
				e.add(problem(e.places.of(s, publicationPlace(i), s.Range), "Table replicated twice",
					"%s replicates %s of %s into %s, and so does %s (at %s), so each change would be applied twice. List all "+
						"publications in one subscription, or remove the table from one of them.",
					s.ID, tables, key.from, key.into, other.ID, where(other.Range)))
				break
			}
		}
		seen[key] = append(seen[key], s)
	}
}

// firstCommon returns the first publication of s that shares rows with one of
// other, and the tables that they share.
func firstCommon(s, other *Subscription) (int, tableSet) {
	for i, p := range s.Publications {
		for _, q := range other.Publications {
			if tables := commonRows(p, q); !tables.empty() {
				return i, tables
			}
		}
	}
	return 0, newTableSet()
}

// commonRows returns the tables of both. Two that publish different operations
// share nothing, and of a table that both filter it is not known.
func commonRows(p, q *Publication) tableSet {
	common := tablesOf(p).and(tablesOf(q))
	if !slices.ContainsFunc(p.Publish, q.Publishes) {
		return newTableSet()
	}
	for _, t := range p.Tables {
		if other := q.Table(t.Table); t.Where != "" && other != nil && other.Where != "" {
			delete(common.tables, t.Table)
		}
	}
	return common
}

// checkCircles: a table comes back to the database that it came from.
func (e *evaluator) checkCircles(flows []*Subscription) {
	flows = withoutEnds(flows)
	leaving := map[placed][]*Subscription{}
	for _, s := range flows {
		leaving[s.from()] = append(leaving[s.from()], s)
	}
	reported := map[*Subscription]bool{}
	for _, s := range flows {
		if reported[s] {
			continue
		}
		circle, tables := circleOf(s, leaving)
		var names []string
		for _, member := range circle {
			reported[member] = true
			names = append(names, member.ID)
		}
		if circle == nil {
			continue
		}
		e.add(unsupported(s.Range, "Changes to %s of %s come back to it through %s. Bidirectional replication is not supported yet (the word "+
			"bidirectional is reserved). Replicate a table in one direction only: remove it from one of the "+
			"publications, or set enabled = false.",
			tables, s.from(), strings.Join(names, " -> ")))
	}
}

// withoutEnds leaves out what cannot be part of a circle: again and again, flows
// from where none arrives and to where none leaves.
func withoutEnds(flows []*Subscription) []*Subscription {
	for {
		arrives, leaves := map[placed]bool{}, map[placed]bool{}
		for _, s := range flows {
			arrives[s.into()], leaves[s.from()] = true, true
		}
		var rest []*Subscription
		for _, s := range flows {
			if arrives[s.from()] && leaves[s.into()] {
				rest = append(rest, s)
			}
		}
		if len(rest) == len(flows) {
			return rest
		}
		flows = rest
	}
}

// circleOf returns the subscriptions over which tables of s come back to where
// it takes them from, s first; nil when none do. A database is looked at again
// only when tables arrive that did not arrive there before.
func circleOf(s *Subscription, leaving map[placed][]*Subscription) ([]*Subscription, tableSet) {
	type arrival struct {
		path   []*Subscription
		tables tableSet
	}
	reached := map[placed]tableSet{}
	queue := []arrival{{[]*Subscription{s}, tablesOf(s.Publications...)}}
	for len(queue) > 0 {
		a := queue[0]
		queue = queue[1:]
		at := a.path[len(a.path)-1].into()
		if at == s.from() {
			return a.path, a.tables
		}
		before, ok := reached[at]
		if !ok {
			before = newTableSet()
		}
		if a.tables.empty() || before.contains(a.tables) {
			continue
		}
		reached[at] = before.or(a.tables)
		for _, next := range leaving[at] {
			if tables := a.tables.and(tablesOf(next.Publications...)); !tables.empty() {
				queue = append(queue, arrival{append(slices.Clone(a.path), next), tables})
			}
		}
	}
	return nil, tableSet{}
}
