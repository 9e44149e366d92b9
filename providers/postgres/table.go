package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Tables: those asked for by name, by schema or all, those that the wanted
// subscriptions have, and the partitions of any. What can be published at all is
// what is_publishable_class in pg_publication.c lets through; of the tables named,
// others are reported as well, so that someone can say why not.
const wantedTablesSQL = `WITH RECURSIVE want AS MATERIALIZED (SELECT $1::jsonb AS j),
named(oid) AS (
  SELECT c.oid FROM want, jsonb_to_recordset(j->'tables') AS w(schema text, name text)
    JOIN pg_namespace n ON n.nspname = w.schema::name JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name::name
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
  UNION SELECT c.oid FROM want, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND c.oid >= 16384 AND ((j->>'all')::bool OR j->'schemas' ? n.nspname::text)
  UNION SELECT r.srrelid FROM want, pg_subscription_rel r JOIN pg_subscription s ON s.oid = r.srsubid
    WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database()) AND j->'subscriptions' ? s.subname::text
  UNION SELECT c.oid FROM named m JOIN pg_inherits i ON i.inhparent = m.oid JOIN pg_class c ON c.oid = i.inhrelid
    WHERE c.relispartition AND c.relkind IN ('r', 'p', 'f')),
member AS MATERIALIZED (
  SELECT c.*, n.nspname FROM named JOIN pg_class c USING (oid) JOIN pg_namespace n ON n.oid = c.relnamespace)
`

// The replica identity is an index that identifies a row now: valid and not
// deferrable. The size of a partitioned table is that of its partitions.
const tablesSQL = `SELECT json_agg(json_build_object('schema', c.nspname, 'name', c.relname, 'kind', c.relkind,
    'persistent', c.relpersistence = 'p', 'identity', c.relreplident,
    'owner', pg_get_userbyid(c.relowner), 'row_security', c.relrowsecurity, 'force_row_security', c.relforcerowsecurity,
    'fills', EXISTS (SELECT FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgenabled IN ('R', 'A') AND g.tgtype & 7 = 7),
    'bytes', CASE WHEN c.relkind IN ('r', 'm') THEN pg_total_relation_size(c.oid) ELSE 0 END,
    'rows', CASE WHEN c.relkind = 'r' THEN pg_relation_size(c.oid) > 0 ELSE false END,
    'parents', (SELECT json_agg(json_build_object('schema', n.nspname, 'name', p.relname) ORDER BY a.place)
      FROM pg_partition_ancestors(c.oid) WITH ORDINALITY AS a(relid, place) JOIN pg_class p ON p.oid = a.relid
      JOIN pg_namespace n ON n.oid = p.relnamespace WHERE c.relispartition AND a.place > 1),
    'columns', (SELECT json_agg(json_build_object('name', a.attname, 'type', format_type(a.atttypid, a.atttypmod), 'notnull', a.attnotnull,
        'enum', (SELECT json_agg(e.enumlabel ORDER BY e.enumsortorder) FROM pg_enum e WHERE e.enumtypid = t.oid),
        'made', CASE t.typtype
          WHEN 'd' THEN concat_ws(' ', format_type(t.typbasetype, t.typtypmod), CASE WHEN t.typnotnull THEN 'NOT NULL' END,
            (SELECT string_agg(pg_get_constraintdef(k.oid), ' ' ORDER BY pg_get_constraintdef(k.oid)) FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
          WHEN 'c' THEN (SELECT string_agg(concat_ws(' ', f.attname, format_type(f.atttypid, f.atttypmod)), ', ' ORDER BY f.attnum)
            FROM pg_attribute f WHERE f.attrelid = t.typrelid AND f.attnum > 0 AND NOT f.attisdropped)
          ELSE '' END,
        'generated', a.attgenerated <> '', 'virtual', a.attgenerated = 'v', 'default', a.atthasdef AND a.attgenerated = '' OR a.attidentity <> '') ORDER BY a.attnum)
      FROM pg_attribute a JOIN pg_type y ON y.oid = a.atttypid
        JOIN pg_type t ON t.oid = CASE WHEN y.typcategory = 'A' AND y.typelem <> 0 THEN y.typelem ELSE y.oid END
      WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped),
    'rules', (SELECT json_agg(r.def ORDER BY r.def) FROM (
        SELECT pg_get_constraintdef(k.oid) AS def FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype IN ('c', 'x')
        UNION SELECT 'UNIQUE (' || (SELECT string_agg(pg_get_indexdef(i.indexrelid, g.n, false), ', ' ORDER BY g.n) FROM generate_series(1, i.indnkeyatts) AS g(n)) || ')' || coalesce(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), '')
          FROM pg_index i WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid) r),
    'referenced', (SELECT json_agg(DISTINCT jsonb_build_object('schema', n.nspname, 'name', f.relname)) FROM pg_constraint k JOIN pg_class f ON f.oid = k.conrelid
      JOIN pg_namespace n ON n.oid = f.relnamespace WHERE k.confrelid = c.oid AND k.contype = 'f' AND k.conrelid <> c.oid),
    'key', (SELECT json_agg(a.attname ORDER BY k.place) FROM pg_index i, unnest(i.indkey) WITH ORDINALITY AS k(attnum, place), pg_attribute a
      WHERE i.indrelid = c.oid AND a.attrelid = c.oid AND a.attnum = k.attnum AND k.place <= i.indnkeyatts
        AND i.indisunique AND i.indisvalid AND i.indimmediate
        AND CASE c.relreplident WHEN 'd' THEN i.indisprimary WHEN 'i' THEN i.indisreplident ELSE false END)
  ) ORDER BY c.nspname, c.relname) FROM member c`

type tableRow struct {
	topology.TableName
	Kind       string
	Persistent bool
	Owner      string
	Row        bool `json:"row_security"`
	Force      bool `json:"force_row_security"`
	Identity   string
	Fills      bool
	Bytes      int64
	Rows       bool
	Parents    []topology.TableName
	Columns    []facts.Column
	Rules      []string
	Referenced []topology.TableName
	Key        []string
}

func tables() logicalSection {
	return logicalSection{"tables", tablesSQL, func(answer json.RawMessage, l *facts.Logical) error {
		return each(answer, func(r tableRow) { l.Tables = append(l.Tables, r.facts()) })
	}}
}

func (r tableRow) facts() facts.Table {
	t := facts.Table{
		Table: r.TableName, Kind: r.Kind, Persistent: r.Persistent, Owner: r.Owner, RowSecurity: r.Row, ForceRowSecurity: r.Force, Columns: r.Columns, Identity: r.Identity,
		IdentityColumns: r.Key, Fills: r.Fills, Bytes: r.Bytes, Rows: r.Rows, Parents: r.Parents, Rules: r.Rules, Referenced: r.Referenced,
	}
	if len(t.Parents) > 0 {
		t.Root = &t.Parents[len(t.Parents)-1]
	}
	if r.Identity == "f" {
		for _, c := range r.Columns {
			t.IdentityColumns = append(t.IdentityColumns, c.Name)
		}
	}
	return t
}
