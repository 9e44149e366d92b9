package pgdump

import (
	"fmt"
	"slices"
	"strings"
)

// Catalog is what must be known of the two databases beside the dump.
type Catalog struct {
	// Wanted are the tables to make.
	Wanted map[Object]bool
	// There are the objects that the target has, by the source's OIDs.
	There map[Object]bool
	// Partitioned are those of There that are partitioned tables.
	Partitioned map[Object]bool
	// Owner is the table of a foreign key.
	Owner map[Object]Object
	// Name is an object's name for SQL.
	Name map[Object]string
}

// What an entry is to the tables that are made.
var (
	// made are objects that are made for a table that needs them.
	made = []string{"TABLE", "TYPE", "DOMAIN", "SEQUENCE", "COLLATION"}
	// parts belong to one table and are made with it.
	parts = []string{"DEFAULT", "CONSTRAINT", "CHECK CONSTRAINT", "INDEX", "STATISTICS"}
	// left stay behind: they do not fire or hold where changes are applied, or name
	// roles (PostgreSQL docs, 29.12 "Configuration Settings", session_replication_role).
	left = []string{"TRIGGER", "RULE", "POLICY", "ROW SECURITY", "VIEW", "MATERIALIZED VIEW"}
	// beside are objects that belong to no table. They are reported where all tables of the
	// database come, which is how one moves a database.
	beside = []string{
		"VIEW", "MATERIALIZED VIEW", "FUNCTION", "PROCEDURE", "AGGREGATE", "SEQUENCE", "EXTENSION", "TYPE", "DOMAIN", "FOREIGN TABLE",
		"EVENT TRIGGER", "OPERATOR", "CAST", "COLLATION", "TEXT SEARCH CONFIGURATION", "TEXT SEARCH DICTIONARY", "SERVER",
	}
)

// chooser walks from the wanted tables to what they need.
type chooser struct {
	Catalog
	entries  map[int]*Entry
	parent   map[int]int // of a partition, by TABLE ATTACH
	chosen   map[int]bool
	schemas  map[string]bool
	problems []string
}

// Choose returns the statements that make the wanted tables with what they need, and
// the objects that these make. It is an error when they need what is neither there
// nor made.
func Choose(entries []Entry, c Catalog) (sql string, objects []Object, err error) {
	w := chooser{Catalog: c, entries: map[int]*Entry{}, parent: map[int]int{}, chosen: map[int]bool{}, schemas: map[string]bool{}}
	for i := range entries {
		w.entries[entries[i].ID] = &entries[i]
	}
	for _, e := range entries {
		if e.Kind == "TABLE ATTACH" {
			w.attach(&e)
		}
	}
	found := 0
	for _, e := range entries {
		if e.Kind == "TABLE" && c.Wanted[e.Object] {
			found++
			w.need(e.ID, e.ID)
		}
	}
	if found < len(c.Wanted) {
		return "", nil, fmt.Errorf("pg_dump wrote no definition of %d of the %d tables", len(c.Wanted)-found, len(c.Wanted))
	}
	for before := -1; before < len(w.chosen); { // a part may need a type that has parts
		before = len(w.chosen)
		for i := range entries {
			w.part(&entries[i])
		}
	}
	if len(w.problems) > 0 {
		slices.Sort(w.problems)
		return "", nil, fmt.Errorf("%s", strings.Join(slices.Compact(w.problems), "; "))
	}
	for _, e := range entries {
		if w.chosen[e.ID] && e.Object.OID != 0 {
			objects = append(objects, e.Object)
		}
	}
	return w.write(entries), objects, nil
}

// attach notes whose partition a table is.
func (w *chooser) attach(e *Entry) {
	var tables []int
	for _, id := range e.DependsOn {
		if d := w.entries[id]; d != nil && d.Kind == "TABLE" && !slices.Contains(tables, id) {
			tables = append(tables, id)
		}
	}
	if len(tables) != 2 {
		return
	}
	child, parent := tables[0], tables[1]
	if slices.Contains(w.entries[parent].DependsOn, child) {
		child, parent = parent, child
	}
	w.parent[child] = parent
}

// need chooses an object, unless it is there, with all that it depends on.
func (w *chooser) need(id, by int) {
	e := w.entries[id]
	switch {
	case e == nil || w.chosen[id] || w.There[e.Object] && !w.Wanted[e.Object]:
		return
	case e.Kind == "SCHEMA":
		w.schemas[w.Name[e.Object]] = true
		return
	case e.Kind == "EXTENSION":
		w.problems = append(w.problems, fmt.Sprintf("extension %s is required on the subscriber: CREATE EXTENSION %s;", e.Label, w.Name[e.Object]))
		return
	case !slices.Contains(made, e.Kind):
		w.problems = append(w.problems, fmt.Sprintf("%s %s is required by %s: create it on the subscriber first", strings.ToLower(e.Kind), e.Label, w.entries[by].Label))
		return
	}
	w.chosen[id] = true
	for _, d := range e.DependsOn {
		if !w.beside(e, d) {
			w.need(d, id)
		}
	}
}

// beside recognizes a dependency that an object is made without: a partition is made
// as a table, and a sequence before the table that owns it.
func (w *chooser) beside(e *Entry, id int) bool {
	d := w.entries[id]
	return d == nil || d.Kind == "TABLE" && (e.Kind == "SEQUENCE" || w.parent[e.ID] == id)
}

// part chooses what belongs to a chosen object.
func (w *chooser) part(e *Entry) {
	if w.chosen[e.ID] {
		return
	}
	switch {
	case e.Kind == "SEQUENCE":
		if w.count(e, "TABLE", w.isChosen) > 0 && !w.There[e.Object] {
			w.need(e.ID, e.ID)
		}
		return
	case slices.Contains(parts, e.Kind):
		if n := w.count(e, "TABLE", w.isChosen); n == 0 || n < w.count(e, "TABLE", every) {
			return
		}
	case !w.hangsOn(e):
		return
	}
	w.chosen[e.ID] = true
	for _, id := range e.DependsOn {
		if d := w.entries[id]; d != nil && (!slices.Contains(append(parts, "TABLE", "FK CONSTRAINT"), d.Kind)) {
			w.need(id, e.ID)
		}
	}
}

// hangsOn recognizes an entry that ties two objects, or says something of one.
func (w *chooser) hangsOn(e *Entry) bool {
	all := len(e.DependsOn)
	switch e.Kind {
	case "COMMENT", "INDEX ATTACH":
		return all > 0 && w.count(e, "", w.isChosen) == all
	case "SEQUENCE OWNED BY":
		return all > 0 && w.count(e, "", w.isChosen) == all && w.owned(e)
	case "TABLE ATTACH":
		for _, id := range e.DependsOn {
			if parent, is := w.parent[id]; is && w.chosen[id] && slices.Contains(e.DependsOn, parent) {
				return w.chosen[parent] || w.Partitioned[w.entries[parent].Object]
			}
		}
	case "FK CONSTRAINT":
		usable := func(id int) bool { return w.chosen[id] || w.There[w.entries[id].Object] }
		return w.ownerChosen(e) && w.count(e, "TABLE", usable) == w.count(e, "TABLE", every)
	}
	return false
}

// owned reports whether the tables that own the entry's sequences are made.
func (w *chooser) owned(e *Entry) bool {
	return !slices.ContainsFunc(e.DependsOn, func(id int) bool {
		d := w.entries[id]
		return d != nil && w.count(d, "TABLE", w.isChosen) < w.count(d, "TABLE", every)
	})
}

func (w *chooser) ownerChosen(e *Entry) bool {
	return slices.ContainsFunc(e.DependsOn, func(id int) bool {
		return w.chosen[id] && w.entries[id].Object == w.Owner[e.Object]
	})
}

func (w *chooser) isChosen(id int) bool { return w.chosen[id] }

func every(int) bool { return true }

// count counts an entry's dependencies of a kind ("": all) that are so.
func (w *chooser) count(e *Entry, kind string, is func(id int) bool) int {
	n := 0
	for _, id := range e.DependsOn {
		if d := w.entries[id]; d != nil && (kind == "" || d.Kind == kind) && is(id) {
			n++
		}
	}
	return n
}

// write puts the statements in the order of the dump. Only a partition of a table that
// is there is attached last, when it has the indexes that its parent wants.
func (w *chooser) write(entries []Entry) string {
	var statements, last []string
	for _, e := range entries {
		switch {
		case !w.chosen[e.ID]:
		case e.Kind == "TABLE ATTACH" && w.count(&e, "TABLE", w.isChosen) < w.count(&e, "TABLE", every):
			last = append(last, e.Statements...)
		default:
			statements = append(statements, e.Statements...)
		}
	}
	var schemas []string
	for s := range w.schemas {
		schemas = append(schemas, "CREATE SCHEMA IF NOT EXISTS "+s+";")
	}
	slices.Sort(schemas)
	return strings.Join(slices.Concat(w.leftBehind(entries), schemas, statements, last), "\n")
}

// leftBehind says what of the chosen tables is not made, and, where all tables of the
// database come, what else of it is not.
func (w *chooser) leftBehind(entries []Entry) []string {
	whole := !slices.ContainsFunc(entries, func(e Entry) bool { return e.Kind == "TABLE" && !w.chosen[e.ID] && !w.There[e.Object] })
	var all []string
	for _, e := range entries {
		ofTable := slices.Contains(left, e.Kind) && w.count(&e, "TABLE", w.isChosen) > 0
		ofDatabase := whole && slices.Contains(beside, e.Kind) && !w.chosen[e.ID] && !w.There[e.Object]
		if ofTable || ofDatabase {
			all = append(all, "-- left out: "+strings.ToLower(e.Kind)+" "+e.Label)
		}
	}
	return all
}
