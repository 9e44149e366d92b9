package postgres

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// relationsSQL is the part of the query that finds the tables asked about: by name, by
// schema, and all partitions below either.
func relationsSQL(w LogicalWant) string {
	var names []string
	for _, t := range w.Tables {
		names = append(names, "("+quoteLiteral(t.Schema)+","+quoteLiteral(t.Name)+")")
	}
	conditions := []string{"false"}
	if len(names) > 0 {
		conditions = append(conditions, "(n.nspname::text, c.relname::text) IN ("+strings.Join(names, ", ")+")")
	}
	if len(w.Schemas) > 0 {
		conditions = append(conditions, "n.nspname IN ("+literals(w.Schemas)+") AND c.relkind IN ('r', 'p')")
	}
	if w.All {
		conditions = append(conditions, `c.relkind IN ('r', 'p') AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'`)
	}
	return `named AS MATERIALIZED (
  SELECT c.oid, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND (` + strings.Join(conditions, " OR ") + `)
), relations AS MATERIALIZED (
  SELECT oid FROM named
  UNION SELECT t.relid FROM named, LATERAL pg_partition_tree(named.oid) t WHERE named.relkind = 'p'
)`
}

func literals(list []string) string {
	var all []string
	for _, s := range list {
		all = append(all, quoteLiteral(s))
	}
	return strings.Join(all, ", ")
}

// Tables with their columns and their replica identity.
const tablesSQL = `SELECT json_agg(json_build_object('schema', n.nspname, 'name', c.relname, 'kind', c.relkind,
    'persistent', c.relpersistence = 'p', 'identity', c.relreplident, 'rows', c.relkind = 'r' AND pg_relation_size(c.oid) > 0, 'bytes', CASE WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) ELSE 0 END,
    'root', (SELECT json_build_object('schema', rn.nspname, 'name', rc.relname) FROM pg_class rc JOIN pg_namespace rn ON rn.oid = rc.relnamespace
      WHERE c.relispartition AND rc.oid = pg_partition_root(c.oid)),
    'columns', (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notnull', a.attnotnull,
        'generated', a.attgenerated <> '', 'default', a.atthasdef OR a.attidentity <> '') ORDER BY a.attnum)
      FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'identity_columns', CASE c.relreplident
      WHEN 'f' THEN (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '')
      ELSE (SELECT json_agg(a.attname ORDER BY a.attnum) FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
        WHERE i.indrelid = c.oid AND (c.relreplident = 'd' AND i.indisprimary OR c.relreplident = 'i' AND i.indisreplident)) END
  ) ORDER BY n.nspname, c.relname)
  FROM relations JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace`

type tableRow struct {
	Schema, Name, Kind, Identity string
	Persistent, Rows             bool
	Bytes                        int64
	Root                         *struct{ Schema, Name string }
	Columns                      []facts.Column
	IdentityColumns              []string `json:"identity_columns"`
}

func tables(LogicalWant) logicalPart {
	return logicalPart{"tables", tablesSQL, func(answer json.RawMessage, l *facts.Logical) error {
		return each(answer, func(r tableRow) { l.Tables = append(l.Tables, r.table()) })
	}}
}

func (r tableRow) table() facts.Table {
	t := facts.Table{
		Table: topology.TableName{Schema: r.Schema, Name: r.Name}, Kind: r.Kind, Persistent: r.Persistent,
		Columns: r.Columns, Identity: r.Identity, IdentityColumns: r.IdentityColumns, Bytes: r.Bytes, Rows: r.Rows,
	}
	if r.Root != nil {
		t.Root = &topology.TableName{Schema: r.Root.Schema, Name: r.Root.Name}
	}
	return t
}

// askRows asks which tables that have room for rows, and that no subscription has, hold
// any. What is subscribed to is not asked: it is expected to.
func askRows(ctx context.Context, db *DB, l *facts.Logical) error {
	subscribed := map[topology.TableName]bool{}
	for _, s := range l.Subscriptions {
		for _, t := range s.Tables {
			subscribed[t.Table] = true
		}
	}
	var asked []*facts.Table
	var parts []string
	for i := range l.Tables {
		if t := &l.Tables[i]; t.Rows && !subscribed[t.Table] {
			asked = append(asked, t)
			parts = append(parts, "(SELECT EXISTS (SELECT FROM "+quoteTable(t.Table)+"))")
		}
	}
	if len(asked) > 0 {
		rows, err := db.Rows(ctx, "SELECT "+strings.Join(parts, ", "))
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		for i, t := range asked {
			t.Rows = rows[0][i] != nil && *rows[0][i] == "t"
		}
	}
	for i := range l.Tables {
		if root := l.Table(rootOf(&l.Tables[i])); root != nil && l.Tables[i].Rows {
			root.Rows = true
		}
	}
	return nil
}

func rootOf(t *facts.Table) topology.TableName {
	if t.Root == nil {
		return t.Table
	}
	return *t.Root
}
