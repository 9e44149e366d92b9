package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/pgdump"
	"github.com/repltool/repltool/topology"
)

// Objects of a dump by name: what one database knows by OID, another one knows by
// class, schema and name. A function is there when one of its name is: which of them a
// default calls, the server finds out.
const (
	objectNamesSQL = `SELECT coalesce(json_agg(json_build_object('class', o.class, 'oid', o.oid, 'kind', x.kind, 'schema', x.schema, 'name', x.name,
      'quoted', CASE WHEN x.schema <> '' THEN quote_ident(x.schema) || '.' ELSE '' END || quote_ident(x.name), 'owner', x.owner)), '[]')::text
    FROM jsonb_to_recordset($1::jsonb) AS o(class bigint, oid bigint), LATERAL (
      SELECT CASE WHEN c.relkind IN ('r', 'p') THEN 'table' ELSE 'relation' END, n.nspname::text, c.relname::text, 0::bigint FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE o.class = 1259 AND c.oid = o.oid
      UNION ALL SELECT 'type', n.nspname, t.typname, 0 FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE o.class = 1247 AND t.oid = o.oid
      UNION ALL SELECT 'collation', n.nspname, t.collname, 0 FROM pg_collation t JOIN pg_namespace n ON n.oid = t.collnamespace WHERE o.class = 3456 AND t.oid = o.oid
      UNION ALL SELECT 'function', n.nspname, t.proname, 0 FROM pg_proc t JOIN pg_namespace n ON n.oid = t.pronamespace WHERE o.class = 1255 AND t.oid = o.oid
      UNION ALL SELECT 'schema', '', n.nspname, 0 FROM pg_namespace n WHERE o.class = 2615 AND n.oid = o.oid
      UNION ALL SELECT 'extension', '', e.extname, 0 FROM pg_extension e WHERE o.class = 3079 AND e.oid = o.oid
      UNION ALL SELECT 'foreign key', '', k.conname, k.conrelid::bigint FROM pg_constraint k WHERE o.class = 2606 AND k.contype = 'f' AND k.oid = o.oid
    ) AS x(kind, schema, name, owner)`
	objectsThereSQL = `SELECT coalesce(json_agg(json_build_object('class', o.class, 'oid', o.oid, 'partitioned',
      EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'p' AND o.kind = 'table' AND c.relname = o.name AND n.nspname = o.schema))), '[]')::text
    FROM jsonb_to_recordset($1::jsonb) AS o(class bigint, oid bigint, kind text, schema text, name text)
    WHERE CASE o.kind
      WHEN 'table' THEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = o.name AND n.nspname = o.schema)
      WHEN 'relation' THEN EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relname = o.name AND n.nspname = o.schema)
      WHEN 'type' THEN EXISTS (SELECT FROM pg_type c JOIN pg_namespace n ON n.oid = c.typnamespace WHERE c.typname = o.name AND n.nspname = o.schema)
      WHEN 'collation' THEN EXISTS (SELECT FROM pg_collation c JOIN pg_namespace n ON n.oid = c.collnamespace WHERE c.collname = o.name AND n.nspname = o.schema)
      WHEN 'function' THEN EXISTS (SELECT FROM pg_proc c JOIN pg_namespace n ON n.oid = c.pronamespace WHERE c.proname = o.name AND n.nspname = o.schema)
      WHEN 'schema' THEN EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = o.name)
      WHEN 'extension' THEN EXISTS (SELECT FROM pg_extension e WHERE e.extname = o.name)
      ELSE false END`
)

// ObjectName is an object of a database by its name.
type ObjectName struct {
	pgdump.Object
	Kind   string `json:"kind"` // table, relation, type, collation, function, schema, extension, foreign key
	Schema string `json:"schema"`
	Name   string `json:"name"`
	Quoted string `json:"quoted"` // both, for SQL
	Owner  uint32 `json:"owner"`  // the table of a foreign key
}

// Table returns the name as that of a table.
func (o ObjectName) Table() topology.TableName {
	return topology.TableName{Schema: o.Schema, Name: o.Name}
}

// ObjectThere is an object that another database has too.
type ObjectThere struct {
	pgdump.Object
	Partitioned bool
}

// ObjectNames returns those of the objects that have a name of these kinds.
func ObjectNames(ctx context.Context, db *DB, objects []pgdump.Object) ([]ObjectName, error) {
	var names []ObjectName
	return names, db.decoded(ctx, objectNamesSQL, objects, &names)
}

// ObjectsThere returns those that this database has under the same names.
func ObjectsThere(ctx context.Context, db *DB, names []ObjectName) ([]ObjectThere, error) {
	var there []ObjectThere
	return there, db.decoded(ctx, objectsThereSQL, names, &there)
}

// decoded runs a query whose one parameter and one value are JSON.
func (d *DB) decoded(ctx context.Context, sql string, parameter, value any) error {
	text, err := json.Marshal(parameter)
	if err != nil {
		return &Error{Kind: facts.BadData, Op: "read", Err: err}
	}
	answer, err := d.parametrized(ctx, sql, text)
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if err := json.Unmarshal([]byte(answer), value); err != nil {
		return &Error{Kind: facts.BadData, Op: "read", Err: err}
	}
	return nil
}
