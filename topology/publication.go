package topology

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// Publication is a publication, wanted or found (PostgreSQL docs, "CREATE
// PUBLICATION"). It stands on its cluster's primary, whichever node that is.
type Publication struct {
	// ID is the address: publication.orders or publication.orders["eu"].
	ID       string
	Name     string // in PostgreSQL
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
	Owner            string // "" says nothing

	Lifecycle Lifecycle
	Range     hcl.Range
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

// Publishes tells whether an operation is among those published.
func (p *Publication) Publishes(operation string) bool {
	for _, o := range p.Publish {
		if o == operation {
			return true
		}
	}
	return false
}

// Operations are what a publication can publish, in their order.
func Operations() []string { return []string{"insert", "update", "delete", "truncate"} }
