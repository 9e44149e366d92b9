package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

func SameEncoding(a, b string) bool { return topology.Encoding(a) == topology.Encoding(b) }

func RelationKind(kind string) string {
	switch kind {
	case "v":
		return "view"
	case "m":
		return "materialized view"
	case "f":
		return "foreign table"
	case "S":
		return "sequence"
	}
	return "relation of kind " + kind
}

// ChangesRows reports whether what needs a replica identity is published.
func ChangesRows(p *topology.Publication) bool { return p.Publishes("update") || p.Publishes("delete") }

func RangeOfTable(p *topology.Publication, name string) hcl.Range {
	for _, t := range p.Tables {
		if t.Table.String() == name && t.Range.Filename != "" {
			return t.Range
		}
	}
	return p.Range
}

func HasColumn(t *facts.Table, name string) bool { return Column(t, name) != nil }

func Column(t *facts.Table, name string) *facts.Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

func ColumnNames(t *facts.Table) []string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return names
}

// ColumnsIn returns the columns of t whose names stand in an SQL expression outside
// of strings: a superset of those it uses.
func ColumnsIn(expression string, t *facts.Table) []string {
	var names []string
	for _, word := range pg.Words(expression) {
		if HasColumn(t, word) && !slices.Contains(names, word) {
			names = append(names, word)
		}
	}
	return names
}

// TableIdent writes a table for SQL.
func TableIdent(t topology.TableName) string { return pg.Ident(t.Schema) + "." + pg.Ident(t.Name) }

func TableIdents(tables []topology.TableName) string { return pg.Commas(tables, TableIdent) }

// RenameTableSQL are the statements that give a table another name, or another schema, or both.
func RenameTableSQL(was, is topology.TableName) string {
	var all string
	if was.Schema != is.Schema {
		all = fmt.Sprintf("ALTER TABLE %s SET SCHEMA %s;", TableIdent(was), pg.Ident(is.Schema))
		was.Schema = is.Schema
	}
	if was.Name != is.Name {
		all = strings.TrimSpace(fmt.Sprintf("%s ALTER TABLE %s RENAME TO %s;", all, TableIdent(was), pg.Ident(is.Name)))
	}
	return all
}
