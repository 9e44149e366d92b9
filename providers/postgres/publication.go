package postgres

import (
	"encoding/json"
	"slices"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Publications with their members, as pg_publication_rel has them:
// pg_publication_tables shows the partitions in their place. Columns, filters and
// schemas are of PostgreSQL 15.
func publications(version int) logicalPart {
	member, schemas := "NULL::text", "NULL::json"
	if version >= 15 {
		member = "pg_get_expr(r.prqual, r.prrelid)"
		schemas = "(SELECT json_agg(n.nspname ORDER BY n.nspname) FROM pg_publication_namespace x JOIN pg_namespace n ON n.oid = x.pnnspid WHERE x.pnpubid = p.oid)"
	}
	sql := `SELECT json_agg(to_jsonb(p) || jsonb_build_object('owner', pg_get_userbyid(p.pubowner), 'schemas', ` + schemas + `,
    'tables', (SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'where', ` + member + `,
        'columns', (SELECT json_agg(a.attname ORDER BY a.attname) FROM pg_attribute a WHERE a.attrelid = c.oid
          AND a.attnum::text = ANY (string_to_array(translate(to_jsonb(r) ->> 'prattrs', '[],"', ''), ' '))))
        ORDER BY n.nspname, c.relname)
      FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE r.prpubid = p.oid)) ORDER BY p.pubname)
    FROM pg_publication p`
	return logicalPart{"publications", sql, func(answer json.RawMessage, l *facts.Logical) error {
		return each(answer, func(r publicationRow) { l.Publications = append(l.Publications, r.publication()) })
	}}
}

type publicationRow struct {
	Name      string `json:"pubname"`
	Owner     string
	AllTables bool   `json:"puballtables"`
	Insert    bool   `json:"pubinsert"`
	Update    bool   `json:"pubupdate"`
	Delete    bool   `json:"pubdelete"`
	Truncate  bool   `json:"pubtruncate"`
	ViaRoot   bool   `json:"pubviaroot"`
	Generated string `json:"pubgencols"`
	Schemas   []string
	Tables    []struct {
		Schema, Name, Where string
		Columns             []string
	}
}

func (r publicationRow) publication() facts.Publication {
	p := facts.Publication{Publication: topology.Publication{
		Name: r.Name, Owner: r.Owner, AllTables: r.AllTables, ViaPartitionRoot: r.ViaRoot, Schemas: r.Schemas,
	}}
	for _, o := range []struct {
		name string
		yes  bool
	}{{"insert", r.Insert}, {"update", r.Update}, {"delete", r.Delete}, {"truncate", r.Truncate}} {
		if o.yes {
			p.Publish = append(p.Publish, o.name)
		}
	}
	for _, t := range r.Tables {
		slices.Sort(t.Columns) // by bytes, as the language sorts
		p.Tables = append(p.Tables, topology.PublishedTable{
			Table: topology.TableName{Schema: t.Schema, Name: t.Name}, Columns: t.Columns, Where: unwrapped(t.Where),
		})
	}
	switch r.Generated {
	case "n":
		p.GeneratedColumns = "none"
	case "s":
		p.GeneratedColumns = "stored"
	}
	return p
}

// unwrapped takes the outer parentheses off an expression, where they are a pair.
func unwrapped(expression string) string {
	if !strings.HasPrefix(expression, "(") || !strings.HasSuffix(expression, ")") {
		return expression
	}
	depth, quote := 0, byte(0)
	for i := range len(expression) {
		c := expression[i]
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == '(':
			depth++
		case c == ')':
			if depth--; depth == 0 && i < len(expression)-1 {
				return expression
			}
		}
	}
	return expression[1 : len(expression)-1]
}
