package topology

import (
	"fmt"
	"strings"
)

// placed is one database of one cluster.
type placed struct {
	cluster  *Cluster
	database string
}

func (p placed) String() string { return fmt.Sprintf("database %q of %s", p.database, p.cluster.ID) }

func (p placed) known() bool { return p.cluster != nil && p.database != "" }

func (e *evaluator) checkPublications() {
	type name struct {
		at   placed
		name string
	}
	seen := map[name]*Publication{}
	for _, p := range e.top.Publications {
		e.checkPublished(p)
		key := name{placed{p.Cluster, p.Database}, p.Name}
		if !key.at.known() || p.Name == "" {
			continue
		}
		if first := seen[key]; first != nil {
			e.add(problem(e.places.of(p, "name", p.Range), "Two publications of one name",
				"%s and %s (at %s) are both called %q in %s. Give one of them another name.",
				p.ID, first.ID, where(first.Range), p.Name, key.at))
			continue
		}
		seen[key] = p
	}
}

// checkPublished: what PostgreSQL refuses in one publication, and what it
// passes over (its docs, "CREATE PUBLICATION", Notes).
func (e *evaluator) checkPublished(p *Publication) {
	if p.AllTables && len(p.Tables)+len(p.Schemas) > 0 {
		e.add(problem(e.places.of(p, "all_tables", p.Range), "All tables and some",
			"%s publishes every table, so that it cannot list tables or schemas. Take all_tables out, or the lists.", p.ID))
		return
	}
	whole := tableSet{schemas: map[string]bool{}}
	for _, schema := range p.Schemas {
		whole.schemas[schema] = true
	}
	for _, t := range p.Tables {
		switch {
		case len(p.Schemas) > 0 && t.Columns != nil:
			e.add(problem(t.Range, "Columns beside schemas",
				"PostgreSQL takes no list of columns in a publication that has schemas. Publish %s by a publication of its own, or list tables in place of schemas.", t.Table))
		case t.Where != "" && whole.covers(t.Table):
			e.add(problem(t.Range, "Row filter without effect",
				"Every row of %s is published, since schemas has %q. Take the table or the schema out.", t.Table, t.Table.Schema))
		}
	}
}

// checkEmptyPublications only says what is sure, as checkUnused does.
func (e *evaluator) checkEmptyPublications() {
	if e.diags.HasErrors() || e.unknowns > 0 {
		return
	}
	for _, p := range e.top.Publications {
		if !p.AllTables && len(p.Tables)+len(p.Schemas) == 0 {
			e.add(caution(p.Range, "Publication that publishes nothing",
				"%s has no tables. Name some in tables, in schemas or in table blocks, or say all_tables = true.", p.ID))
		}
	}
}

// checkDecoding: logical decoding needs wal_level = logical. What the topology
// does not say is looked up on the server by a plan.
func (e *evaluator) checkDecoding() {
	why := map[*Cluster]string{}
	for _, c := range e.top.Clusters {
		for _, s := range c.PermanentSlots {
			if s.Type == SlotLogical {
				why[c] = fmt.Sprintf("the logical slot %q", s.Name)
			}
		}
	}
	for _, s := range e.top.Subscriptions {
		if c := s.Publisher(); c != nil {
			why[c] = s.ID
		}
	}
	for _, c := range e.top.Clusters {
		if c.Primary == nil || why[c] == "" {
			continue
		}
		level, given := c.ParametersOf(c.Primary)["wal_level"]
		if given && !level.Secret.IsSet() && !strings.EqualFold(level.Value, "logical") {
			e.add(problem(level.Range, "WAL without what logical replication needs",
				"%s decodes the WAL of %s, which needs wal_level = \"logical\".", why[c], c.ID))
		}
	}
}
