// Package logical plans publications and subscriptions.
package logical

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A publication is altered in place, all its differences in one transaction, so
// that a subscriber never sees half of them. Only whether it is FOR ALL TABLES
// cannot be altered: it is made anew then, in one transaction too. What is
// compared is membership (pg_publication_rel), never what it comes to
// (PostgreSQL docs, "ALTER PUBLICATION").

func Publications(s *cluster.Cluster, out *draft.Findings) {
	for _, p := range s.Publications() {
		found, unknown := s.Logical(p.Database)
		if unknown || !s.Targeted(p.Address()) {
			continue
		}
		if !out.Refused[p.Address()] {
			out.Put(publication(s, p, found))
			moved(s, p, out)
		}
	}
	for _, m := range s.Managed("publication") {
		gonePublication(s, m, out)
	}
	unmanagedPublications(s, out)
}

// unmanagedPublications reports those of the databases that were read which nobody
// declares, and which repltool did not make.
func unmanagedPublications(s *cluster.Cluster, out *draft.Findings) {
	for _, database := range s.ReadDatabases() {
		for _, p := range s.Live().Logical[database].Publications {
			wanted := slices.ContainsFunc(s.Publications(), func(w *topology.Publication) bool { return w.Database == database && w.Name == p.Name })
			o := cluster.Object{Kind: "publication", Name: p.Name, In: database}
			if !wanted && !s.IsOurs(o) {
				out.ReportUnmanaged("unmanaged_publication", s.Address("publication", p.Name), s.Goal.Primary.Name, "publication %s in database %s%s", pg.Ident(p.Name), pg.Ident(database), draft.ByWhom(s, o))
			}
		}
	}
}

func publication(s *cluster.Cluster, p *topology.Publication, found *facts.Logical) *draft.Draft {
	d := draft.NewDraft(plan.Update, p.Address(), s.Goal.Primary)
	d.Needs = append(s.DatabaseAddresses(p.Database), s.LedgerAddress())
	d.After = []topology.Address{s.ParametersAddress(s.Goal.Primary)}
	if p.Owner != "" {
		d.Needs = append(d.Needs, s.Address("role", p.Owner))
	}
	var is *facts.Publication
	if found != nil {
		is = found.Publication(p.Name)
	}
	switch {
	case is == nil:
		d.Action = plan.Create
		createPublication(s, d, p)
		d.MarkRecreated(s.LostPublication(p))
	case cluster.Remakes(p, is):
		remakePublication(s, d, p, is)
	default:
		alterPublication(s, d, p, s.Move(p).Without(is), found.Filters)
	}
	if len(d.Steps) > 0 {
		d.MarkRepublished(s.LostMember(p))
	}
	return d
}

func createPublication(s *cluster.Cluster, d *draft.Draft, p *topology.Publication) {
	for _, a := range publicationAttributes(p) {
		if a.value != "" {
			d.Differ(a.name, nil, plan.Ptr(a.value), "")
		}
	}
	here := cluster.Row{Address: s.Row(p.Address()), Object: cluster.Object{Kind: "publication", Name: p.Name, In: p.Database}}
	var intent []string
	for _, m := range s.Managed("publication") {
		if m.Address == here.Address && m.Object != here.Object { // goes once nobody uses it; it has a row at every moment
			intent = append(intent, cluster.Record(cluster.Row{Address: here.Address.With(topology.PartEarlier), Object: m.Object}))
		}
	}
	d.SQL(s.Goal.Primary, "record the intent to create", append(intent, cluster.Intend(here))...)
	draft.Created(s, d, s.Goal.Primary, p.Database, "create publication", here, createPublicationSQL(p)...)
}

func remakePublication(s *cluster.Cluster, d *draft.Draft, p *topology.Publication, is *facts.Publication) {
	d.Action = plan.Replace
	d.Worsen(plan.Drop)
	d.Reason = "PostgreSQL cannot alter whether a publication is FOR ALL TABLES: it is dropped and created again in one " +
		"transaction, without effect on subscribers"
	d.Differ("all_tables", plan.Ptr(fmt.Sprint(is.AllTables)), plan.Ptr(fmt.Sprint(p.AllTables)), "")
	again := *p
	again.Owner, again.GeneratedColumns = cmp.Or(p.Owner, is.Owner), cmp.Or(p.GeneratedColumns, is.GeneratedColumns) // what the topology leaves open stays
	statements := append([]string{"DROP PUBLICATION " + pg.Ident(p.Name) + ";"}, createPublicationSQL(&again)...)
	if is.Comment != "" {
		statements = append(statements, "COMMENT ON PUBLICATION "+pg.Ident(p.Name)+" IS "+pg.Literal(is.Comment)+";")
	}
	d.SQLIn(s.Goal.Primary, p.Database, "recreate publication", statements...)
}

func createPublicationSQL(p *topology.Publication) []string {
	create := "CREATE PUBLICATION " + pg.Ident(p.Name)
	var parts []string
	switch {
	case p.AllTables:
		create += " FOR ALL TABLES"
	default:
		if len(p.Tables) > 0 {
			parts = append(parts, "TABLE "+pg.Commas(p.Tables, memberSQL))
		}
		if len(p.Schemas) > 0 {
			parts = append(parts, "TABLES IN SCHEMA "+pg.Idents(p.Schemas))
		}
		if len(parts) > 0 {
			create += " FOR " + strings.Join(parts, ", ")
		}
	}
	var options []string
	if !slices.Equal(p.Publish, topology.Operations()) {
		options = append(options, "publish = "+pg.Literal(strings.Join(p.Publish, ", ")))
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
		statements = append(statements, "ALTER PUBLICATION "+pg.Ident(p.Name)+" OWNER TO "+pg.Ident(p.Owner)+";")
	}
	return statements
}

// onlyTable names a member without the tables that inherit from it: they are members
// of their own.
func onlyTable(t topology.TableName) string { return "ONLY " + cluster.TableIdent(t) }

func memberSQL(t topology.PublishedTable) string {
	text := onlyTable(t.Table)
	if len(t.Columns) > 0 {
		text += " (" + pg.Idents(t.Columns) + ")"
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
func alterPublication(s *cluster.Cluster, d *draft.Draft, p *topology.Publication, is *facts.Publication, filters []facts.Filter) {
	name := "ALTER PUBLICATION " + pg.Ident(p.Name)
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
	if !ignores("publish") && !list.SameSet(p.Publish, is.Publish) {
		d.Differ("publish", plan.Ptr(strings.Join(is.Publish, ", ")), plan.Ptr(strings.Join(p.Publish, ", ")), "from now on: earlier changes are not sent")
		sets = append(sets, name+" SET (publish = "+pg.Literal(strings.Join(p.Publish, ", "))+");")
	}
	if !ignores("via_partition_root") && p.ViaPartitionRoot != is.ViaPartitionRoot {
		d.Differ("via_partition_root", plan.Ptr(fmt.Sprint(is.ViaPartitionRoot)), plan.Ptr(fmt.Sprint(p.ViaPartitionRoot)), "")
		sets = append(sets, fmt.Sprintf("%s SET (publish_via_partition_root = %t);", name, p.ViaPartitionRoot))
	}
	if has, wanted := cmp.Or(is.GeneratedColumns, topology.GeneratedNone), p.GeneratedColumns; wanted != "" && wanted != has && !ignores("publish_generated_columns") {
		d.Differ("publish_generated_columns", plan.Ptr(has), plan.Ptr(wanted), "")
		sets = append(sets, name+" SET (publish_generated_columns = "+wanted+");")
	}
	if p.Owner != "" && p.Owner != is.Owner && !ignores("owner") {
		d.Differ("owner", plan.Ptr(is.Owner), plan.Ptr(p.Owner), "")
		sets = append(sets, name+" OWNER TO "+pg.Ident(p.Owner)+";")
	}
	if all := slices.Concat(gone, sets, come); len(all) > 0 {
		d.SQLIn(s.Goal.Primary, p.Database, "alter publication", all...)
	}
}

// alterTables compares the members. A table whose columns or filter differ leaves
// and comes back in the same transaction.
func alterTables(d *draft.Draft, p *topology.Publication, is *facts.Publication, filters []facts.Filter, name string) (less, more []string) {
	var gone []topology.TableName
	var come []topology.PublishedTable
	for _, t := range is.Tables {
		if p.Table(t.Table) == nil {
			d.Differ("table."+t.Table.String(), plan.Ptr(memberText(t)), nil, "")
			gone = append(gone, t.Table)
		}
	}
	for _, t := range p.Tables {
		switch old := is.Table(t.Table); {
		case old == nil:
			d.Differ("table."+t.Table.String(), nil, plan.Ptr(memberText(t)), "")
		case cluster.SameMember(p, *old, t, filters):
			continue
		default:
			d.Differ("table."+t.Table.String(), plan.Ptr(memberText(*old)), plan.Ptr(memberText(t)), "from now on: existing rows are neither copied nor removed")
			gone = append(gone, t.Table)
		}
		come = append(come, t)
	}
	if len(gone) > 0 {
		less = append(less, name+" DROP TABLE "+pg.Commas(gone, onlyTable)+";")
	}
	if len(come) > 0 {
		more = append(more, name+" ADD TABLE "+pg.Commas(come, memberSQL)+";")
	}
	return less, more
}

func alterSchemas(d *draft.Draft, p *topology.Publication, is *facts.Publication, name string) (less, more []string) {
	gone, come := list.Without(is.Schemas, p.Schemas), list.Without(p.Schemas, is.Schemas)
	if len(gone)+len(come) > 0 {
		d.Differ("schemas", plan.Ptr(strings.Join(is.Schemas, ", ")), plan.Ptr(strings.Join(p.Schemas, ", ")), "")
	}
	if len(gone) > 0 {
		less = append(less, name+" DROP TABLES IN SCHEMA "+pg.Idents(gone)+";")
	}
	if len(come) > 0 {
		more = append(more, name+" ADD TABLES IN SCHEMA "+pg.Idents(come)+";")
	}
	return less, more
}

// gonePublication drops a publication that repltool made and that left the topology,
// once the subscriptions that used it are gone.
func gonePublication(s *cluster.Cluster, m cluster.Row, out *draft.Findings) {
	wanted := slices.ContainsFunc(s.Publications(), func(p *topology.Publication) bool { return p.Database == m.In && p.Name == m.Name })
	found, unknown := s.Logical(m.In)
	if wanted || unknown || !s.Targeted(s.AddressOfRow(m.Address)) {
		return
	}
	n, there := s.Goal.Primary, found.Publication(m.Name) != nil
	if u := s.PublicationUser(m.In, m.Name); there && u != nil {
		out.Keep(*u, s.Leading(), "publication %s", pg.Ident(m.Name))
		out.Unchanged++
		return
	}
	d := draft.Gone(s, s.GoneAddress(m), n, there)
	d.Needs = append(d.Needs, s.SubscriptionAddresses()...)
	for _, slot := range s.Managed("slot") { // one that decodes for it goes first
		if !slices.ContainsFunc(s.WantedSlots(), func(w cluster.WantedSlot) bool { return w.Name == slot.Name }) {
			d.Needs = append(d.Needs, s.Address("slot", slot.Name))
		}
	}
	if there {
		d.SQLIn(n, m.In, "drop publication", "DROP PUBLICATION "+pg.Ident(m.Name)+";")
	}
	d.SQL(n, "remove from the ledger", cluster.ForgetObject(m), cluster.ForgetObject(cluster.Row{Address: s.Row(d.Address), Object: m.Object}))
	out.Put(d)
}
