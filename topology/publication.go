package topology

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Publication is a publication, wanted or found (PostgreSQL docs, "CREATE
// PUBLICATION"). It stands on its cluster's primary, whichever node that is.
type Publication struct {
	// ID is the address: publication.orders or publication.orders["eu"].
	ID       string
	Earlier  []string // addresses that it had, by moved blocks, the latest first
	Name     string   // in PostgreSQL
	Cluster  *Cluster
	Database string

	AllTables bool
	Schemas   []string // TABLES IN SCHEMA; a set in order
	// Tables are a set in the order of their names: those of tables and of the
	// table blocks.
	Tables []PublishedTable
	// Publish is a set of "insert", "update", "delete", "truncate", in that order.
	Publish          []string
	ViaPartitionRoot bool
	// GeneratedColumns is publish_generated_columns (PostgreSQL 18); "" says nothing.
	GeneratedColumns string
	Owner            string // "" says nothing

	Lifecycle Lifecycle
	Range     hcl.Range
}

// The values of publish_generated_columns.
const (
	GeneratedNone   = "none"
	GeneratedStored = "stored"
)

// Table returns the table of that name that the publication lists, or nil.
func (p *Publication) Table(name TableName) *PublishedTable {
	// They are in order; where they are not, all are looked at.
	if i, found := slices.BinarySearchFunc(p.Tables, name, func(t PublishedTable, name TableName) int { return t.Table.Compare(name) }); found {
		return &p.Tables[i]
	}
	for i := range p.Tables {
		if p.Tables[i].Table == name {
			return &p.Tables[i]
		}
	}
	return nil
}

// Covers reports whether a table belongs to the publication by itself or its schema.
func (p *Publication) Covers(t TableName) bool {
	return p.AllTables || slices.Contains(p.Schemas, t.Schema) || p.Table(t) != nil
}

// Covering is Covers for who asks about many tables.
func (p *Publication) Covering() func(TableName) bool {
	tables := make(map[TableName]bool, len(p.Tables))
	for _, t := range p.Tables {
		tables[t.Table] = true
	}
	return func(t TableName) bool { return p.AllTables || slices.Contains(p.Schemas, t.Schema) || tables[t] }
}

// filters reports whether a table of the publication has a row filter.
func (p *Publication) filters() bool {
	return slices.ContainsFunc(p.Tables, func(t PublishedTable) bool { return t.Where != "" })
}

// PublishedTable is a table of a publication.
type PublishedTable struct {
	Table   TableName
	Columns []string // a set in order; nil for all
	Where   string   // the row filter without its outer parentheses; "" for none
	Range   hcl.Range
}

// TableName names a table of one database.
type TableName struct{ Schema, Name string }

// String writes schema.name as the language does: a part that has a dot or a
// double quote in it stands in double quotes. ParseTableName is the way back.
func (t TableName) String() string { return namePart(t.Schema) + "." + namePart(t.Name) }

func namePart(s string) string {
	if s != "" && !strings.ContainsAny(s, `".`) {
		return s
	}
	return `"` + strings.ReplaceAll(s, `"`, `""`) + `"`
}

// Compare orders tables by schema, then name.
func (t TableName) Compare(o TableName) int {
	return cmp.Or(strings.Compare(t.Schema, o.Schema), strings.Compare(t.Name, o.Name))
}

// Publishes reports whether an operation is among those published.
func (p *Publication) Publishes(operation string) bool { return slices.Contains(p.Publish, operation) }

// Operations are what a publication can publish, in their order.
func Operations() []string { return []string{"insert", "update", "delete", "truncate"} }

// ParseTableName reads schema.name, or a name alone, which is one of schema
// public. Letters are taken as they are: nothing is folded to lower case. A part
// that has a dot or a double quote in it stands in double quotes, with a double
// quote within them written twice.
func ParseTableName(text string) (TableName, error) {
	var parts []string
	for rest, more := text, true; more; {
		var part string
		var err error
		if part, rest, more, err = cutNamePart(rest); err != nil {
			return TableName{}, fmt.Errorf("%q is not a valid table name: %w", text, err)
		}
		parts = append(parts, part)
	}
	if len(parts) > 2 {
		return TableName{}, fmt.Errorf("%q is not a valid table name: it has %d parts. Write schema.table, with double quotes around a part that "+
			"contains a dot: \"\\\"my.schema\\\".table\"", text, len(parts))
	}
	for _, part := range parts {
		if why := objectName(part); why != "" {
			return TableName{}, fmt.Errorf("%q is not a valid table name: %s", text, strings.TrimSuffix(why, "."))
		}
	}
	if len(parts) == 1 {
		parts = []string{"public", parts[0]}
	}
	return TableName{Schema: parts[0], Name: parts[1]}, nil
}

// cutNamePart cuts the first part off; more reports whether a dot followed it.
func cutNamePart(text string) (part, rest string, more bool, err error) {
	if !strings.HasPrefix(text, `"`) {
		part, rest, more = strings.Cut(text, ".")
		if strings.Contains(part, `"`) {
			return "", "", false, errors.New("it has a double quote inside a part. Put the whole part in double quotes, and write the inner quote twice")
		}
		return part, rest, more, nil
	}
	for i := 1; i < len(text); i++ {
		if text[i] != '"' {
			continue
		}
		if i+1 < len(text) && text[i+1] == '"' {
			i++
			continue
		}
		part, rest = strings.ReplaceAll(text[1:i], `""`, `"`), text[i+1:]
		if rest == "" {
			return part, "", false, nil
		}
		if rest[0] != '.' {
			return "", "", false, errors.New("a part in double quotes must be followed by a dot or by nothing")
		}
		return part, rest[1:], true, nil
	}
	return "", "", false, errors.New("a double quote is not closed")
}
