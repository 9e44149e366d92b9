package topology

import (
	"fmt"
	"maps"
	"slices"
)

// tableSet is tables of one database as publications name them: every one, all
// of some schemas, single ones.
type tableSet struct {
	all     bool
	schemas map[string]bool
	tables  map[TableName]bool
}

func newTableSet() tableSet {
	return tableSet{schemas: map[string]bool{}, tables: map[TableName]bool{}}
}

// tablesOf returns what any of the publications has.
func tablesOf(publications ...*Publication) tableSet {
	out := newTableSet()
	for _, p := range publications {
		out.all = out.all || p.AllTables
		for _, schema := range p.Schemas {
			out.schemas[schema] = true
		}
		for _, t := range p.Tables {
			out.tables[t.Table] = true
		}
	}
	return out
}

func (s tableSet) covers(t TableName) bool { return s.all || s.schemas[t.Schema] || s.tables[t] }

func (s tableSet) empty() bool { return !s.all && len(s.schemas)+len(s.tables) == 0 }

// contains reports whether s has all that other has, by name.
func (s tableSet) contains(other tableSet) bool {
	if other.all && !s.all {
		return false
	}
	for schema := range other.schemas {
		if !s.all && !s.schemas[schema] {
			return false
		}
	}
	for t := range other.tables {
		if !s.covers(t) {
			return false
		}
	}
	return true
}

// and returns what is in both.
func (s tableSet) and(other tableSet) tableSet {
	out := newTableSet()
	out.all = s.all && other.all
	for _, pair := range [][2]tableSet{{s, other}, {other, s}} {
		for schema := range pair[0].schemas {
			if pair[1].all || pair[1].schemas[schema] {
				out.schemas[schema] = true
			}
		}
		for t := range pair[0].tables {
			if pair[1].covers(t) {
				out.tables[t] = true
			}
		}
	}
	return out
}

// or returns what is in either.
func (s tableSet) or(other tableSet) tableSet {
	out := tableSet{all: s.all || other.all, schemas: maps.Clone(s.schemas), tables: maps.Clone(s.tables)}
	maps.Copy(out.schemas, other.schemas)
	maps.Copy(out.tables, other.tables)
	return out
}

// String names the set by its largest member.
func (s tableSet) String() string {
	if s.all {
		return "every table"
	}
	if len(s.schemas) > 0 {
		return fmt.Sprintf("the tables of schema %q", slices.Sorted(maps.Keys(s.schemas))[0])
	}
	tables := slices.SortedFunc(maps.Keys(s.tables), TableName.Compare)
	if len(tables) == 0 {
		return "no table"
	}
	if len(tables) > 1 {
		return fmt.Sprintf("table %s and %d more", tables[0], len(tables)-1)
	}
	return "table " + tables[0].String()
}
