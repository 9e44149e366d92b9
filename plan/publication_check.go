package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What PostgreSQL refuses, and what it takes and breaks on later: a table without a
// replica identity takes no UPDATE and no DELETE once these are published
// (PostgreSQL docs, 29.1.1 "Replica Identity").

// checkPublications refuses, one by one, those that cannot be as wanted.
func checkPublications(s *scope, out *findings) {
	for _, p := range s.publications() {
		found, unknown := s.logical(p.Database)
		if !unknown && s.targeted(p.Address()) && !s.checkPublication(p, found, out) {
			out.refuse(p.Address())
		}
	}
}

// checkPublication is false, with an error, for a publication that cannot be as wanted.
func (s *scope) checkPublication(p *topology.Publication, found *facts.Logical, out *findings) bool {
	before := len(out.diags)
	s.checkPublicationVersion(p, out)
	if found == nil {
		s.refuseNoDatabase(p, out)
	} else {
		is := cmp.Or(found.Publication(p.Name), &facts.Publication{})
		for _, t := range p.Tables {
			s.checkPublishedTable(p, t, found, out)
		}
		checkFilters(p, found, out)
		s.checkIdentities(p, is, found, out)
		s.checkRemake(p, is, found, out)
		s.checkPublicationLocks(p, is, out)
		checkKnown(p, is, found, out)
		s.checkRoots(p, is, found, out)
	}
	return !out.diags[before:].HasErrors()
}

// refuseNoDatabase: a database that is made by this plan has no tables yet.
func (s *scope) refuseNoDatabase(p *topology.Publication, out *findings) {
	declared := s.cluster.Database(p.Database) != nil
	switch {
	case !declared:
		out.fail(p.Range, "No such database", "%s has no database %q. Declare it in %s, or name another.", s.cluster.Primary.Name, p.Database, s.cluster.ID)
	case len(p.Tables) > 0:
		out.fail(p.Range, "Tables are not there yet",
			"Database %q is made by this plan, and %s names tables of it. Make the database first, with -target=%s, then the tables, then plan again.", p.Database, p.ID, s.cluster.ID)
	}
}

func (s *scope) checkPublicationVersion(p *topology.Publication, out *findings) {
	if p.GeneratedColumns != "" && s.major() != 0 && !s.atLeast(18) {
		s.tooOld(p.Range, p.ID+": publish_generated_columns", 18, out)
	}
	if s.atLeast(15) || s.major() == 0 {
		return
	}
	if len(p.Schemas) > 0 {
		s.tooOld(p.Range, p.ID+": schemas", 15, out)
	}
	for _, t := range p.Tables {
		if len(t.Columns) > 0 {
			s.tooOld(t.Range, t.Table.String()+": columns", 15, out)
		}
		if t.Where != "" {
			s.tooOld(t.Range, t.Table.String()+": where", 15, out)
		}
	}
}

// tooOld is the error for an option that the server's version lacks.
func (s *scope) tooOld(at hcl.Range, what string, since int, out *findings) {
	out.fail(at, "Option is newer than the server", "%s came with PostgreSQL %d, and %s has %d.", what, since, s.cluster.Primary.Name, s.major())
}

func (s *scope) checkPublishedTable(p *topology.Publication, want topology.PublishedTable, found *facts.Logical, out *findings) {
	t := found.Table(want.Table)
	switch {
	case t == nil:
		out.fail(want.Range, "No such table", "%s: database %q has no table %s.", s.cluster.Primary.Name, p.Database, want.Table)
		return
	case t.Kind != "r" && t.Kind != "p":
		out.fail(want.Range, "Not a table", "%s: %s is a %s; only tables can be published.", s.cluster.Primary.Name, want.Table, relationKind(t.Kind))
		return
	case !t.Persistent:
		out.fail(want.Range, "Table is not logged", "%s: %s is temporary or unlogged: its changes are not in the WAL, so they cannot be published.", s.cluster.Primary.Name, want.Table)
		return
	}
	if t.Kind == "p" && !p.ViaPartitionRoot && (len(want.Columns) > 0 || want.Where != "") {
		out.fail(want.Range, "Partitioned table with columns or where",
			"%s: %s is partitioned: PostgreSQL takes columns and where of it only with via_partition_root = true. Say that, or name its partitions.", p.ID, want.Table)
		return
	}
	s.checkColumns(want, t, out)
	if changesRows(p) {
		checkCovered(p, want, found.Carriers(t), out)
	}
}

// checkColumns looks at a list of columns.
func (s *scope) checkColumns(want topology.PublishedTable, t *facts.Table, out *findings) {
	for _, name := range want.Columns {
		switch c := column(t, name); {
		case c == nil:
			out.fail(want.Range, "No such column", "%s: table %s has no column %q.%s", s.cluster.Primary.Name, want.Table, name, near(name, columnNames(t)))
		case c.Virtual:
			out.fail(want.Range, "Column is not stored", "%s: column %q of %s is generated and virtual: PostgreSQL publishes stored ones only.", s.cluster.Primary.Name, name, want.Table)
		case c.Generated && !s.atLeast(18):
			s.tooOld(want.Range, want.Table.String()+": generated column "+ident(name)+" in columns", 18, out)
		}
	}
}

// checkCovered refuses columns and a filter that the replica identity does not agree
// with: that of each partition, which is the one that PostgreSQL looks at.
func checkCovered(p *topology.Publication, want topology.PublishedTable, carriers []*facts.Table, out *findings) {
	of := func(t *facts.Table) string {
		if t.Table == want.Table {
			return "its"
		}
		return "its partition " + t.Table.String() + "'s"
	}
	for _, t := range carriers {
		for _, c := range t.IdentityColumns {
			if len(want.Columns) > 0 && !slices.Contains(want.Columns, c) {
				out.fail(want.Range, "Columns without the replica identity",
					"%s: UPDATE and DELETE of %s are published, and columns leaves out %q of %s replica identity: the publisher would refuse them. Add it, or publish inserts only.", p.ID, want.Table, c, of(t))
				return
			}
		}
	}
	var beyond []string
	var first *facts.Table
	var name string
	for _, t := range carriers {
		for _, c := range columnsIn(want.Where, t) {
			if len(t.IdentityColumns) == 0 || slices.Contains(t.IdentityColumns, c) {
				continue
			}
			if beyond = append(beyond, "ALTER TABLE "+tableIdent(t.Table)+" REPLICA IDENTITY FULL"); first == nil {
				first, name = t, c
			}
			break
		}
	}
	if first == nil {
		return
	}
	out.fail(want.Range, "Filter beyond the replica identity",
		"%s: UPDATE and DELETE of %s are published, and where uses %q, which is not in %s replica identity (%s): the publisher would refuse them. Publish inserts only, or\n  %s;",
		p.ID, want.Table, name, of(first), strings.Join(first.IdentityColumns, ", "), strings.Join(beyond, ";\n  "))
}

func relationKind(kind string) string {
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

// changesRows tells whether what needs a replica identity is published.
func changesRows(p *topology.Publication) bool { return p.Publishes("update") || p.Publishes("delete") }

// checkKnown refuses to drop and create a publication again that may have attributes
// which repltool does not know.
func checkKnown(p *topology.Publication, is *facts.Publication, found *facts.Logical, out *findings) {
	if unknown := found.Unknown.Publication; found.Publication(p.Name) != nil && remakes(p, is) && len(unknown) > 0 {
		out.fail(p.Range, "Unknown publication attributes",
			"%s would be dropped and created again, which loses what this version of repltool does not know: %s. Change it by hand, or leave it as it is with ignore_changes = [\"all_tables\"].", p.ID, strings.Join(unknown, ", "))
	}
}

func checkFilters(p *topology.Publication, found *facts.Logical, out *findings) {
	for _, f := range found.Filters {
		if f.Publication != p.ID || f.Error == "" {
			continue
		}
		for _, t := range p.Tables {
			if t.Table == f.Table && t.Where == f.Where {
				out.fail(t.Range, "Filter does not fit the table", "%s: PostgreSQL says of where (%s): %s", t.Table, t.Where, f.Error)
			}
		}
	}
}

// checkIdentities refuses to begin to publish UPDATE or DELETE of a table that has no
// replica identity, since from then on it takes none; of one that is published
// already it reports it, also where the identity was dropped since.
func (s *scope) checkIdentities(p *topology.Publication, is *facts.Publication, found *facts.Logical, out *findings) {
	if !changesRows(p) {
		return
	}
	already := found.Published(&is.Publication)
	if !changesRows(&is.Publication) {
		already = nil
	}
	var bare, breaks []string
	for _, name := range found.Published(p) {
		t := found.Table(name)
		carriers := found.Carriers(t)
		if carriers[0] != t {
			carriers = append(carriers, t) // in its name they are sent
		}
		for _, c := range carriers {
			switch {
			case len(c.IdentityColumns) > 0:
			case slices.Contains(already, name):
				bare = append(bare, c.Table.String())
			default:
				breaks = append(breaks, c.Table.String())
			}
		}
	}
	const ways = "Give it a primary key or another replica identity (ALTER TABLE … REPLICA IDENTITY), or publish = [\"insert\", \"truncate\"]."
	if len(breaks) > 0 {
		out.fail(rangeOfTable(p, breaks[0]), "Table without replica identity",
			"%s: once published, the publisher would refuse every UPDATE and DELETE of %s. %s", p.ID, few(breaks), ways)
	}
	if len(bare) > 0 {
		out.tellHealth(Error, p.Address(), ways, "%s refuses every UPDATE and DELETE of %s: published, and without replica identity", s.cluster.Primary.Name, few(bare))
	}
}

// checkRoots warns of what no order of statements prevents: with via_partition_root a
// subscriber knows other tables, and skips changes of those that it does not know yet.
func (s *scope) checkRoots(p *topology.Publication, is *facts.Publication, found *facts.Logical, out *findings) {
	if found.Publication(p.Name) == nil || is.ViaPartitionRoot == p.ViaPartitionRoot || p.Lifecycle.Ignores("via_partition_root") {
		return
	}
	var roots []string
	for _, t := range found.Tables {
		if t.Kind == "p" && member(p, &t) {
			roots = append(roots, t.Table.String())
		}
	}
	if len(roots) > 0 {
		out.warn(p.Range, "Subscribers will know other tables",
			"%s: with another via_partition_root, what is written to %s between the change here and the refresh of a subscription is skipped there. Let nobody write to it meanwhile, or copy it again with -replace of the subscription.", p.ID, few(roots))
	}
}

func rangeOfTable(p *topology.Publication, name string) hcl.Range {
	for _, t := range p.Tables {
		if t.Table.String() == name && t.Range.Filename != "" {
			return t.Range
		}
	}
	return p.Range
}

// few lists some names and counts the rest.
func few(names []string) string {
	const most = 5
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

func hasColumn(t *facts.Table, name string) bool { return column(t, name) != nil }

func column(t *facts.Table, name string) *facts.Column {
	for i := range t.Columns {
		if t.Columns[i].Name == name {
			return &t.Columns[i]
		}
	}
	return nil
}

func columnNames(t *facts.Table) []string {
	var names []string
	for _, c := range t.Columns {
		names = append(names, c.Name)
	}
	return names
}

// columnsIn answers the columns of t whose names stand in an SQL expression outside
// of strings: a superset of those it uses.
func columnsIn(expression string, t *facts.Table) []string {
	var names []string
	for _, word := range words(expression) {
		if hasColumn(t, word) && !slices.Contains(names, word) {
			names = append(names, word)
		}
	}
	return names
}

// words answers the identifiers of an SQL expression, as the server folds them.
func words(expression string) []string {
	var all []string
	text := []rune(expression)
	for i := 0; i < len(text); {
		switch c := text[i]; {
		case c == '\'' || c == '"':
			word, after := quotedWord(text, i)
			if c == '"' {
				all = append(all, word)
			}
			i = after
		case unicode.IsLetter(c) || c == '_':
			j := i
			for j < len(text) && (unicode.IsLetter(text[j]) || unicode.IsDigit(text[j]) || text[j] == '_' || text[j] == '$') {
				j++
			}
			all = append(all, strings.ToLower(string(text[i:j])))
			i = j
		default:
			i++
		}
	}
	return all
}

// quotedWord answers what stands in the quotes that begin at i, and where it ends.
func quotedWord(text []rune, i int) (string, int) {
	quote := text[i]
	var word []rune
	for i++; i < len(text); i++ {
		if text[i] == quote {
			if i+1 >= len(text) || text[i+1] != quote {
				return string(word), i + 1
			}
			i++
		}
		word = append(word, text[i])
	}
	return string(word), i
}
