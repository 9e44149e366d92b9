package check

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/doctor"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What PostgreSQL refuses, and what it takes and breaks on later: a table without a
// replica identity takes no UPDATE and no DELETE once these are published
// (PostgreSQL docs, 29.1.1 "Replica Identity").

// CheckPublications refuses, one by one, those that cannot be as wanted.
func CheckPublications(s *cluster.Cluster, out *draft.Findings) {
	for _, p := range s.Publications() {
		found, unknown := s.Logical(p.Database)
		if !unknown && s.Targeted(p.Address()) && !checkPublication(s, p, found, out) {
			out.Refuse(p.Address())
		}
	}
}

// checkPublication is false, with an error, for a publication that cannot be as wanted.
func checkPublication(s *cluster.Cluster, p *topology.Publication, found *facts.Logical, out *draft.Findings) bool {
	before := len(out.Diags)
	checkPublicationVersion(s, p, out)
	if found == nil {
		refuseNewDatabase(s, p, out)
	} else {
		is := cmp.Or(found.Publication(p.Name), &facts.Publication{})
		for _, t := range p.Tables {
			published := is.Table(t.Table)
			stands := published != nil && cluster.SameMember(p, *published, t, found.Filters) && cluster.ChangesRows(&is.Publication)
			gone := found.Table(t.Table) == nil && (s.Receives(p, t.Table) || len(unlisted(p, is)) > 0)
			out.LiveState(stands || gone, p.Address(), func() { checkPublishedTable(s, p, t, found, out) })
		}
		if found.Publication(p.Name) != nil {
			refuseForeign(s, p.Address(), p.Range, cluster.Object{Kind: "publication", Name: p.Name, In: p.Database}, out)
		}
		out.LiveState(found.Publication(p.Name) != nil, p.Address(), func() { checkSchemas(s, p, is, found, out) })
		checkFilters(p, found, out)
		checkIdentities(s, p, is, found, out)
		checkRemake(s, p, is, found, out)
		checkPublicationLocks(s, p, is, out)
		checkKnown(p, is, found, out)
		checkRoots(s, p, is, found, out)
	}
	return !out.Diags[before:].HasErrors()
}

// refuseNewDatabase: a database that is made by this plan has no tables yet.
func refuseNewDatabase(s *cluster.Cluster, p *topology.Publication, out *draft.Findings) {
	declared := s.Cluster.Database(p.Database) != nil
	switch {
	case !declared:
		out.Fail(p.Range, "Unknown database", "%s has no database %q. Declare it in %s, or use another one.", s.Leading().Name, p.Database, s.Cluster.ID)
	case len(p.Tables) > 0:
		out.Fail(p.Range, "Tables not created yet",
			"Database %q is created by this plan, and %s names tables of it. First create the database with -target=%s, "+
				"then the tables, then plan again.", p.Database, p.ID, s.Cluster.ID)
	}
}

func checkPublicationVersion(s *cluster.Cluster, p *topology.Publication, out *draft.Findings) {
	if p.GeneratedColumns != "" && s.Major() != 0 && !s.AtLeast(18) {
		tooOld(s, p.Range, p.ID+": publish_generated_columns", 18, out)
	}
	if s.AtLeast(15) || s.Major() == 0 {
		return
	}
	if len(p.Schemas) > 0 {
		tooOld(s, p.Range, p.ID+": schemas", 15, out)
	}
	for _, t := range p.Tables {
		if len(t.Columns) > 0 {
			tooOld(s, t.Range, t.Table.String()+": columns", 15, out)
		}
		if t.Where != "" {
			tooOld(s, t.Range, t.Table.String()+": where", 15, out)
		}
	}
}

// tooOld is the error for an option that the server's version lacks.
func tooOld(s *cluster.Cluster, at hcl.Range, what string, since int, out *draft.Findings) {
	out.Fail(at, "Option not supported by the server", "%s requires PostgreSQL %d, and %s has %d.", what, since, s.Leading().Name, s.Major())
}

// checkSchemas refuses a schema that does not exist, and that nothing of this plan creates. One
// that was renamed is still published, under its new name.
func checkSchemas(s *cluster.Cluster, p *topology.Publication, is *facts.Publication, found *facts.Logical, out *draft.Findings) {
	if len(s.CreatesTables(p.Database)) > 0 || p.Lifecycle.Ignores("schemas") {
		return
	}
	for _, schema := range p.Schemas {
		if !slices.Contains(found.LackedSchemas, schema) {
			continue
		}
		renamed := ""
		if others := list.Without(is.Schemas, p.Schemas); len(others) > 0 {
			renamed = fmt.Sprintf(" The publication has %s, which the topology does not name: if that is its new name, write it in schemas, or rename it back (ALTER SCHEMA … RENAME TO %s). "+
				"A subscriber needs the tables under the same name.", words.Few(others), pg.Ident(schema))
		}
		out.Fail(p.Range, "Unknown schema", "%s: database %q has no schema %s.%s", s.Leading().Name, p.Database, pg.Ident(schema), renamed)
	}
}

func checkPublishedTable(s *cluster.Cluster, p *topology.Publication, want topology.PublishedTable, found *facts.Logical, out *draft.Findings) {
	t := found.Table(want.Table)
	switch {
	case t == nil:
		out.Fail(want.Range, "Unknown table", "%s: database %q has no table %s.%s", s.Leading().Name, p.Database, want.Table,
			perhapsRenamed(s, p, want.Table, found))
		return
	case t.Kind != "r" && t.Kind != "p":
		out.Fail(want.Range, "Not a table", "%s: %s is a %s; only tables can be published.", s.Leading().Name, want.Table, cluster.RelationKind(t.Kind))
		return
	case !t.Persistent:
		out.Fail(want.Range, "Unlogged table", "%s: %s is temporary or unlogged: its changes are not written to the WAL, so they cannot be published.", s.Leading().Name, want.Table)
		return
	}
	if t.Kind == "p" && !p.ViaPartitionRoot && (len(want.Columns) > 0 || want.Where != "") {
		out.Fail(want.Range, "Column list or row filter on a partitioned table",
			"%s: %s is partitioned: PostgreSQL allows columns and where only with via_partition_root = true. Set that, "+
				"or list its partitions.", p.ID, want.Table)
		return
	}
	checkColumns(s, want, t, out)
	if cluster.ChangesRows(p) {
		checkCovered(p, want, found.Carriers(t), out)
	}
}

// checkColumns looks at a list of columns.
func checkColumns(s *cluster.Cluster, want topology.PublishedTable, t *facts.Table, out *draft.Findings) {
	for _, name := range want.Columns {
		switch c := cluster.Column(t, name); {
		case c == nil:
			out.Fail(want.Range, "Unknown column", "%s: table %s has no column %q.%s", s.Leading().Name, want.Table, name, words.Near(name, cluster.ColumnNames(t)))
		case c.Virtual:
			out.Fail(want.Range, "Virtual generated column", "%s: column %q of %s is a virtual generated column: PostgreSQL publishes only stored ones.", s.Leading().Name, name, want.Table)
		case c.Generated && !s.AtLeast(18):
			tooOld(s, want.Range, want.Table.String()+": generated column "+pg.Ident(name)+" in columns", 18, out)
		}
	}
}

// checkCovered refuses columns and a filter that the replica identity does not agree
// with: that of each partition, which is the one that PostgreSQL looks at.
func checkCovered(p *topology.Publication, want topology.PublishedTable, carriers []*facts.Table, out *draft.Findings) {
	of := func(t *facts.Table) string {
		if t.Table == want.Table {
			return "its"
		}
		return "its partition " + t.Table.String() + "'s"
	}
	for _, t := range carriers {
		for _, c := range t.IdentityColumns {
			if len(want.Columns) > 0 && !slices.Contains(want.Columns, c) {
				out.Fail(want.Range, "Column list omits replica identity columns",
					"%s: UPDATE and DELETE of %s are published, but columns omits %q of %s replica identity: the publisher would "+
						"reject them. Add it, or publish only inserts.", p.ID, want.Table, c, of(t))
				return
			}
		}
	}
	var beyond []string
	var first *facts.Table
	var name string
	for _, t := range carriers {
		for _, c := range cluster.ColumnsIn(want.Where, t) {
			if len(t.IdentityColumns) == 0 || slices.Contains(t.IdentityColumns, c) {
				continue
			}
			if beyond = append(beyond, "ALTER TABLE "+cluster.TableIdent(t.Table)+" REPLICA IDENTITY FULL"); first == nil {
				first, name = t, c
			}
			break
		}
	}
	if first == nil {
		return
	}
	out.Fail(want.Range, "Row filter uses columns outside the replica identity",
		"%s: UPDATE and DELETE of %s are published, but where uses %q, which is not in %s replica identity (%s): the "+
			"publisher would reject them. Publish only inserts, or\n  %s;",
		p.ID, want.Table, name, of(first), strings.Join(first.IdentityColumns, ", "), strings.Join(beyond, ";\n  "))
}

// checkKnown refuses to drop and create a publication again that may have attributes
// which repltool does not know.
func checkKnown(p *topology.Publication, is *facts.Publication, found *facts.Logical, out *draft.Findings) {
	if unknown := found.Unknown.Publication; found.Publication(p.Name) != nil && cluster.Remakes(p, is) && len(unknown) > 0 {
		out.Fail(p.Range, "Unknown publication attributes",
			"%s would be dropped and created again, and would lose attributes that this version of repltool does not "+
				"know: %s. Change it by hand, or keep it as it is with ignore_changes = [\"all_tables\"].", p.ID, strings.Join(unknown, ", "))
	}
}

func checkFilters(p *topology.Publication, found *facts.Logical, out *draft.Findings) {
	for _, f := range found.Filters {
		if f.Publication != p.ID || f.Error == "" {
			continue
		}
		for _, t := range p.Tables {
			if t.Table == f.Table && t.Where == f.Where {
				out.Fail(t.Range, "Row filter does not match the table", "%s: PostgreSQL rejects where (%s): %s", t.Table, t.Where, f.Error)
			}
		}
	}
}

// checkIdentities refuses to begin to publish UPDATE or DELETE of a table that has no
// replica identity, since from then on it takes none; of one that is published
// already it reports it, also where the identity was dropped since.
func checkIdentities(s *cluster.Cluster, p *topology.Publication, is *facts.Publication, found *facts.Logical, out *draft.Findings) {
	if !cluster.ChangesRows(p) {
		return
	}
	already := list.SetOf(found.Published(&is.Publication))
	if !cluster.ChangesRows(&is.Publication) {
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
			case already[name]:
				bare = append(bare, c.Table.String())
			default:
				breaks = append(breaks, c.Table.String())
			}
		}
	}
	const ways = "Add a primary key or another replica identity (ALTER TABLE … REPLICA IDENTITY), or set publish = " +
		"[\"insert\", \"truncate\"]."
	if len(breaks) > 0 {
		out.Fail(cluster.RangeOfTable(p, breaks[0]), "Table without replica identity",
			"%s: once it is published, the publisher would reject every UPDATE and DELETE of %s. %s", p.ID, words.Few(breaks), ways)
	}
	if len(bare) > 0 {
		out.Report(doctor.Finding{
			Code: "published_table_without_replica_identity", Severity: doctor.Error, Address: p.Address(), Node: s.Leading().Name,
			Evidence: "pg_publication_tables and pg_index on " + s.Leading().Name, Fix: ways,
		}, "%s rejects every UPDATE and DELETE of %s, because it is published and has no replica identity", s.Leading().Name, words.Few(bare))
	}
}

// checkRoots warns of what no order of statements prevents: with via_partition_root a
// subscriber knows other tables, and skips changes of those that it does not know yet.
func checkRoots(s *cluster.Cluster, p *topology.Publication, is *facts.Publication, found *facts.Logical, out *draft.Findings) {
	if found.Publication(p.Name) == nil || is.ViaPartitionRoot == p.ViaPartitionRoot || p.Lifecycle.Ignores("via_partition_root") {
		return
	}
	var roots []string
	for _, t := range found.Tables {
		if t.Kind == "p" && cluster.Member(p, &t) {
			roots = append(roots, t.Table.String())
		}
	}
	if len(roots) > 0 {
		out.Warn(p.Range, "publish_via_partition_root change: changes may be skipped",
			"%s: via_partition_root changes. Changes to %s between this change and the refresh of a subscription are "+
				"skipped there. Stop writing to it meanwhile, or copy it again with -replace of the subscription.", p.ID, words.Few(roots))
	}
}

// checkRemake refuses to make a publication of all tables anew, with fewer, before
// those publications that take over from it are in use: it cannot let go last.
func checkRemake(s *cluster.Cluster, p *topology.Publication, is *facts.Publication, found *facts.Logical, out *draft.Findings) {
	if !is.AllTables || p.AllTables {
		return
	}
	for _, q := range s.Takers(p, found, topology.Publication{AllTables: true}) {
		if !s.InUse(q, found) {
			out.Fail(p.Range, "Publication not in use yet",
				"%s gives up tables that %s takes over, and changes in between would reach no subscriber. Keep all_tables = "+
					"true here, apply %s and its subscriptions, then remove it.", p.ID, q.ID, q.ID)
		}
	}
}
