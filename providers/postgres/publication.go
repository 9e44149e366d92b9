package postgres

import (
	"encoding/json"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Publications, with their members as they were named: what the members come to,
// partitions and all, is pg_publication_tables, and is never asked. Schemas, column
// lists and row filters are of PostgreSQL 15.
const (
	publicationsSQL = `SELECT json_agg(to_jsonb(p) || jsonb_build_object('owner', pg_get_userbyid(p.pubowner), 'comment', obj_description(p.oid, 'pg_publication'),
      'ahead_of', (SELECT jsonb_agg(s.slot_name ORDER BY s.slot_name) FROM pg_replication_slots s WHERE s.database = current_database() AND age(p.xmin) <= age(s.catalog_xmin)),
      'tables', (SELECT jsonb_agg(jsonb_build_object('schema', n.nspname, 'name', c.relname`
	publishedSQL = `,
          'columns', (SELECT jsonb_agg(a.attname ORDER BY a.attname) FROM unnest(r.prattrs) AS k(attnum)
            JOIN pg_attribute a ON a.attrelid = r.prrelid AND a.attnum = k.attnum),
          'where', pg_get_expr(r.prqual, r.prrelid)`
	publicationsFromSQL = `) ORDER BY n.nspname, c.relname)
        FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE r.prpubid = p.oid)`
	publishedSchemasSQL = `,
      'schemas', (SELECT jsonb_agg(n.nspname ORDER BY n.nspname) FROM pg_publication_namespace s
        JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid)`
	publicationsEndSQL = `) ORDER BY p.pubname) FROM pg_publication p`
)

type publicationRow struct {
	Name      string   `json:"pubname"`
	AllTables bool     `json:"puballtables"`
	Insert    bool     `json:"pubinsert"`
	Update    bool     `json:"pubupdate"`
	Delete    bool     `json:"pubdelete"`
	Truncate  bool     `json:"pubtruncate"`
	ViaRoot   bool     `json:"pubviaroot"`
	Generated string   `json:"pubgencols"` // PostgreSQL 18
	AheadOf   []string `json:"ahead_of"`
	Comment   string
	Owner     string
	Schemas   []string
	Tables    []struct {
		topology.TableName
		Columns []string
		Where   string
	}
}

func publications(major int) logicalSection {
	sql := publicationsSQL
	if major >= 15 {
		sql += publishedSQL
	}
	sql += publicationsFromSQL
	if major >= 15 {
		sql += publishedSchemasSQL
	}
	return logicalSection{"publications", sql + publicationsEndSQL, func(answer json.RawMessage, l *facts.Logical) error {
		return each(answer, func(r publicationRow) { l.Publications = append(l.Publications, r.publication()) })
	}}
}

func (r publicationRow) publication() facts.Publication {
	p := facts.Publication{Publication: topology.Publication{
		Name: r.Name, AllTables: r.AllTables, Schemas: r.Schemas, ViaPartitionRoot: r.ViaRoot, Owner: r.Owner,
		GeneratedColumns: map[string]string{"n": topology.GeneratedNone, "s": topology.GeneratedStored}[r.Generated],
	}, Comment: r.Comment, AheadOf: r.AheadOf}
	for i, published := range []bool{r.Insert, r.Update, r.Delete, r.Truncate} {
		if published {
			p.Publish = append(p.Publish, topology.Operations()[i])
		}
	}
	for _, t := range r.Tables {
		slices.Sort(t.Columns) // by bytes, as the language sorts
		p.Tables = append(p.Tables, topology.PublishedTable{Table: t.TableName, Columns: t.Columns, Where: topology.WithoutParentheses(t.Where)})
	}
	return p
}
