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
			e.add(problem(e.places.of(p, "name", p.Range), "Duplicate publication name",
				"%s and %s (at %s) are both named %q in %s. Rename one of them.",
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
		e.add(problem(e.places.of(p, "all_tables", p.Range), "Conflicting table selection",
			"%s publishes all tables, so it cannot list tables or schemas. Remove all_tables, or remove the lists.", p.ID))
		return
	}
	whole := tableSet{schemas: map[string]bool{}}
	for _, schema := range p.Schemas {
		whole.schemas[schema] = true
	}
	for _, t := range p.Tables {
		switch {
		case len(p.Schemas) > 0 && t.Columns != nil:
			e.add(problem(t.Range, "Column list with schemas",
				"PostgreSQL does not allow column lists in a publication that also publishes schemas. Publish %s in a "+
					"publication of its own, or list tables instead of schemas.", t.Table))
		case t.Where != "" && whole.covers(t.Table):
			e.add(problem(t.Range, "Row filter without effect",
				"Every row of %s is published, because schemas includes %q. Remove the table or the schema.", t.Table, t.Table.Schema))
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
			e.add(caution(p.Range, "Empty publication",
				"%s publishes no tables. List some with tables, schemas, or table blocks, or set all_tables = true.", p.ID))
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
			e.add(problem(level.Range, "wal_level too low for logical decoding",
				"%s decodes the WAL of %s, which requires wal_level = \"logical\".", why[c], c.ID))
		}
	}
}
