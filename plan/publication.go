package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A publication is altered in place, all its differences in one transaction, so
// that a subscriber never sees half of them. Only whether it is FOR ALL TABLES
// cannot be altered: it is made anew then, in one transaction too. What is
// compared is membership (pg_publication_rel), never what it comes to
// (PostgreSQL docs, "ALTER PUBLICATION").

func publications(s *scope, out *findings) {
	for _, p := range s.publications() {
		found, unknown := s.logical(p.Database)
		if unknown || !s.targeted(p.Address()) {
			continue
		}
		if !out.refused[p.Address()] {
			out.put(s.publication(p, found))
			s.moved(p, out)
		}
	}
	for _, m := range s.managed("publication") {
		s.gonePublication(m, out)
	}
	s.strangePublications(out)
}

// strangePublications reports those of the databases that were read which nobody
// declares, and which repltool did not make.
func (s *scope) strangePublications(out *findings) {
	for _, database := range s.readDatabases() {
		for _, p := range s.live().Logical[database].Publications {
			wanted := slices.ContainsFunc(s.publications(), func(w *topology.Publication) bool { return w.Database == database && w.Name == p.Name })
			if !wanted && !s.isOurs(object{"publication", p.Name, database}) {
				out.tellUnmanaged(s.address("publication", p.Name), s.cluster.Primary.Name, "publication %s in database %s", ident(p.Name), ident(database))
			}
		}
	}
}

func (s *scope) publication(p *topology.Publication, found *facts.Logical) *draft {
	d := newDraft(Update, p.Address(), s.cluster.Primary)
	d.after = append(s.databaseAddresses(p.Database), s.ledgerAddress())
	if p.Owner != "" {
		d.after = append(d.after, s.address("role", p.Owner))
	}
	var is *facts.Publication
	if found != nil {
		is = found.Publication(p.Name)
	}
	switch {
	case is == nil:
		d.Action = Create
		s.createPublication(d, p)
		d.recreates(s.lostPublication(p))
	case remakes(p, is):
		s.remakePublication(d, p, is)
	default:
		s.alterPublication(d, p, s.move(p).without(is), found.Filters)
	}
	return d
}

// remakes tells whether the publication must be dropped and created again.
func remakes(p *topology.Publication, is *facts.Publication) bool {
	return is.AllTables != p.AllTables && !p.Lifecycle.Ignores("all_tables")
}

// databaseAddresses are what must be in order before a database is used.
func (s *scope) databaseAddresses(database string) []topology.Address {
	p := s.cluster.Primary
	return []topology.Address{s.nodeAddress(p), s.parametersAddress(p), s.address("database", database)}
}

func (s *scope) createPublication(d *draft, p *topology.Publication) {
	for _, a := range publicationAttributes(p) {
		if a.value != "" {
			d.differ(a.name, nil, ptr(a.value), "")
		}
	}
	here := row{s.row(p.Address()), object{"publication", p.Name, p.Database}}
	var intent []string
	for _, m := range s.managed("publication") {
		if m.address == here.address && m.object != here.object { // goes once nobody uses it; it has a row at every moment
			intent = append(intent, record(row{here.address.With(topology.PartEarlier), m.object}))
		}
	}
	d.sql(s.cluster.Primary, "intent", append(intent, intend(here))...)
	s.created(d, s.cluster.Primary, p.Database, "create publication", here, createPublicationSQL(p)...)
}

func (s *scope) remakePublication(d *draft, p *topology.Publication, is *facts.Publication) {
	d.Action = Replace
	d.worsen(Drop)
	d.Reason = "PostgreSQL cannot alter whether a publication is FOR ALL TABLES: it is dropped and made in one transaction, which subscribers do not notice"
	d.differ("all_tables", ptr(fmt.Sprint(is.AllTables)), ptr(fmt.Sprint(p.AllTables)), "")
	again := *p
	again.Owner, again.GeneratedColumns = cmp.Or(p.Owner, is.Owner), cmp.Or(p.GeneratedColumns, is.GeneratedColumns) // what the topology leaves open stays
	statements := append([]string{"DROP PUBLICATION " + ident(p.Name) + ";"}, createPublicationSQL(&again)...)
	if is.Comment != "" {
		statements = append(statements, "COMMENT ON PUBLICATION "+ident(p.Name)+" IS "+literal(is.Comment)+";")
	}
	d.sqlIn(s.cluster.Primary, p.Database, "make it anew", statements...)
}

func createPublicationSQL(p *topology.Publication) []string {
	create := "CREATE PUBLICATION " + ident(p.Name)
	var parts []string
	switch {
	case p.AllTables:
		create += " FOR ALL TABLES"
	default:
		if len(p.Tables) > 0 {
			parts = append(parts, "TABLE "+commas(p.Tables, memberSQL))
		}
		if len(p.Schemas) > 0 {
			parts = append(parts, "TABLES IN SCHEMA "+idents(p.Schemas))
		}
		if len(parts) > 0 {
			create += " FOR " + strings.Join(parts, ", ")
		}
	}
	var options []string
	if !slices.Equal(p.Publish, topology.Operations()) {
		options = append(options, "publish = "+literal(strings.Join(p.Publish, ", ")))
	}
	if p.ViaPartitionRoot {
		options = append(options, "publish_via_partition_root = true")
	}
	if p.GeneratedColumns == topology.GeneratedStored { // none is the default
		options = append(options, "publish_generated_columns = stored")
	}
	if len(options) > 0 {
		create += "\n  WITH (" + strings.Join(options, ", ") + ")"
	}
	statements := []string{create + ";"}
	if p.Owner != "" {
		statements = append(statements, "ALTER PUBLICATION "+ident(p.Name)+" OWNER TO "+ident(p.Owner)+";")
	}
	return statements
}

// onlyTable names a member without the tables that inherit from it: they are members
// of their own.
func onlyTable(t topology.TableName) string { return "ONLY " + tableIdent(t) }

func memberSQL(t topology.PublishedTable) string {
	text := onlyTable(t.Table)
	if len(t.Columns) > 0 {
		text += " (" + idents(t.Columns) + ")"
	}
	if t.Where != "" {
		text += " WHERE (" + t.Where + ")"
	}
	return text
}

// attributeText is an attribute of a publication for people.
type attributeText struct{ name, value string }

func publicationAttributes(p *topology.Publication) []attributeText {
	all := []attributeText{{"database", p.Database}}
	if p.AllTables {
		all = append(all, attributeText{"all_tables", "true"})
	}
	for _, t := range p.Tables {
		all = append(all, attributeText{"table." + t.Table.String(), memberText(t)})
	}
	return append(all, attributeText{"schemas", strings.Join(p.Schemas, ", ")}, attributeText{"publish", strings.Join(p.Publish, ", ")},
		attributeText{"via_partition_root", trueText(p.ViaPartitionRoot)},
		attributeText{"publish_generated_columns", p.GeneratedColumns}, attributeText{"owner", p.Owner})
}

func trueText(b bool) string {
	if b {
		return "true"
	}
	return ""
}

// memberText says what of a table is published.
func memberText(t topology.PublishedTable) string {
	columns := "all columns"
	if len(t.Columns) > 0 {
		columns = strings.Join(t.Columns, ", ")
	}
	if t.Where == "" {
		return columns
	}
	return columns + " where " + t.Where
}

// alterPublication mends what differs, as one transaction. Every statement of it must be
// allowed by itself: a partitioned table has columns and a filter only while
// publish_via_partition_root is on, and columns are no neighbours of schemas. So what
// leaves goes first, and what allows more stands before what comes.
func (s *scope) alterPublication(d *draft, p *topology.Publication, is *facts.Publication, filters []facts.Filter) {
	name := "ALTER PUBLICATION " + ident(p.Name)
	var gone, come, sets []string
	ignores := p.Lifecycle.Ignores
	if !p.AllTables && !ignores("tables") {
		less, more := alterTables(d, p, is, filters, name)
		gone, come = append(gone, less...), append(come, more...)
	}
	if !p.AllTables && !ignores("schemas") {
		less, more := alterSchemas(d, p, is, name)
		gone, come = append(gone, less...), append(come, more...)
	}
	if !ignores("publish") && !sameSet(p.Publish, is.Publish) {
		d.differ("publish", ptr(strings.Join(is.Publish, ", ")), ptr(strings.Join(p.Publish, ", ")), "")
		sets = append(sets, name+" SET (publish = "+literal(strings.Join(p.Publish, ", "))+");")
	}
	if !ignores("via_partition_root") && p.ViaPartitionRoot != is.ViaPartitionRoot {
		d.differ("via_partition_root", ptr(fmt.Sprint(is.ViaPartitionRoot)), ptr(fmt.Sprint(p.ViaPartitionRoot)), "")
		sets = append(sets, fmt.Sprintf("%s SET (publish_via_partition_root = %t);", name, p.ViaPartitionRoot))
	}
	if has, wanted := cmp.Or(is.GeneratedColumns, topology.GeneratedNone), p.GeneratedColumns; wanted != "" && wanted != has && !ignores("publish_generated_columns") {
		d.differ("publish_generated_columns", ptr(has), ptr(wanted), "")
		sets = append(sets, name+" SET (publish_generated_columns = "+wanted+");")
	}
	if p.Owner != "" && p.Owner != is.Owner && !ignores("owner") {
		d.differ("owner", ptr(is.Owner), ptr(p.Owner), "")
		sets = append(sets, name+" OWNER TO "+ident(p.Owner)+";")
	}
	if all := slices.Concat(gone, sets, come); len(all) > 0 {
		d.sqlIn(s.cluster.Primary, p.Database, "alter publication", all...)
	}
}

// alterTables compares the members. A table whose columns or filter differ leaves
// and comes back in the same transaction.
func alterTables(d *draft, p *topology.Publication, is *facts.Publication, filters []facts.Filter, name string) (less, more []string) {
	var gone []topology.TableName
	var come []topology.PublishedTable
	for _, t := range is.Tables {
		if p.Table(t.Table) == nil {
			d.differ("table."+t.Table.String(), ptr(memberText(t)), nil, "")
			gone = append(gone, t.Table)
		}
	}
	for _, t := range p.Tables {
		switch old := is.Table(t.Table); {
		case old == nil:
			d.differ("table."+t.Table.String(), nil, ptr(memberText(t)), "")
		case sameMember(p, *old, t, filters):
			continue
		default:
			d.differ("table."+t.Table.String(), ptr(memberText(*old)), ptr(memberText(t)), "from now on: rows that are there are neither copied nor removed")
			gone = append(gone, t.Table)
		}
		come = append(come, t)
	}
	if len(gone) > 0 {
		less = append(less, name+" DROP TABLE "+commas(gone, onlyTable)+";")
	}
	if len(come) > 0 {
		more = append(more, name+" ADD TABLE "+commas(come, memberSQL)+";")
	}
	return less, more
}

func sameMember(p *topology.Publication, is, want topology.PublishedTable, filters []facts.Filter) bool {
	if !sameSet(is.Columns, want.Columns) {
		return false
	}
	if is.Where == want.Where {
		return true
	}
	return slices.ContainsFunc(filters, func(f facts.Filter) bool {
		return f.Publication == p.ID && f.Table == want.Table && f.Where == want.Where && f.Same
	})
}

func alterSchemas(d *draft, p *topology.Publication, is *facts.Publication, name string) (less, more []string) {
	gone, come := without(is.Schemas, p.Schemas), without(p.Schemas, is.Schemas)
	if len(gone)+len(come) > 0 {
		d.differ("schemas", ptr(strings.Join(is.Schemas, ", ")), ptr(strings.Join(p.Schemas, ", ")), "")
	}
	if len(gone) > 0 {
		less = append(less, name+" DROP TABLES IN SCHEMA "+idents(gone)+";")
	}
	if len(come) > 0 {
		more = append(more, name+" ADD TABLES IN SCHEMA "+idents(come)+";")
	}
	return less, more
}

// gonePublication drops a publication that repltool made and that left the topology,
// once the subscriptions that used it are gone.
func (s *scope) gonePublication(m row, out *findings) {
	wanted := slices.ContainsFunc(s.publications(), func(p *topology.Publication) bool { return p.Database == m.in && p.Name == m.name })
	found, unknown := s.logical(m.in)
	if wanted || unknown || !s.targeted(s.addressOfRow(m.address)) {
		return
	}
	n, there := s.cluster.Primary, found.Publication(m.name) != nil
	if there && s.tellKeptPublication(m, s.goneAddress(m), out) {
		return
	}
	d := s.gone(s.goneAddress(m), n, there)
	d.after = append(d.after, s.subscriptionAddresses()...)
	for _, slot := range s.managed("slot") { // one that decodes for it goes first
		if !slices.ContainsFunc(s.wantedSlots(), func(w wantedSlot) bool { return w.Name == slot.name }) {
			d.after = append(d.after, s.address("slot", slot.name))
		}
	}
	if there {
		d.sqlIn(n, m.in, "drop publication", "DROP PUBLICATION "+ident(m.name)+";")
	}
	d.sql(n, "strike out", forgetObject(m), forgetObject(row{s.row(d.Address), m.object}))
	out.put(d)
}
