package logical

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A subscription's role reads the tables that it copies: it needs CONNECT, USAGE on
// their schemas and SELECT on them, also on those that are published later. Nothing
// is ever revoked: a privilege does not tell who needs it. What a role keeps that no
// subscription connects as any more is reported (PostgreSQL docs, 29.11 "Security"). One subscription's come after the other's: two GRANTs on one object at
// the same time are an error ("tuple concurrently updated").

// TablesAtATime bounds the tables of one transaction that may as well be several: each
// may be a lock.
const TablesAtATime = 1000

func grants(v *cluster.Subscription, out *draft.Findings) {
	if v.Source == nil || v.Remote == nil || v.Role.Superuser {
		return
	}
	p := v.Source
	d := draft.NewDraft(plan.Update, v.GrantsAddress(), p.Goal.Primary)
	d.Needs = append(p.DatabaseAddresses(v.SourceDatabase()), p.Address("role", v.Role.Name))
	d.After = []topology.Address{p.ParametersAddress(p.Goal.Primary)}
	d.Needs = append(d.Needs, v.TablesToCome()...)
	for _, other := range p.Subscribers() {
		if other.ID == v.ID {
			break
		}
		if other.SourceDatabase() == v.SourceDatabase() {
			d.Needs = append(d.Needs, other.Address().With(topology.PartGrants))
		}
	}
	has, known := v.Remote.Access[v.Role.Name]
	reads := list.SetOf(has.Tables)
	var schemas []string
	var tables []topology.TableName
	for _, t := range v.PublishedTables() {
		if !slices.Contains(has.Schemas, t.Schema) && !slices.Contains(schemas, t.Schema) {
			schemas = append(schemas, t.Schema)
		}
		if !reads[t] {
			tables = append(tables, t)
		}
	}
	role := pg.Ident(v.Role.Name)
	var grants []string
	if known && !has.Connect || !known && v.Remote.Closed { // of a role that comes nothing is known
		grants = append(grants, "GRANT CONNECT ON DATABASE "+pg.Ident(v.SourceDatabase())+" TO "+role+";")
	}
	if len(schemas) > 0 {
		grants = append(grants, "GRANT USAGE ON SCHEMA "+pg.Idents(schemas)+" TO "+role+";")
	}
	for i, some := range slices.Collect(slices.Chunk(tables, TablesAtATime)) {
		if i > 0 { // each piece holds by itself, and the next plan goes on after it
			d.SQLIn(p.Goal.Primary, v.SourceDatabase(), "grant", grants...)
			grants = nil
		}
		grants = append(grants, "GRANT SELECT ON TABLE "+cluster.TableIdents(some)+" TO "+role+";")
	}
	if len(grants) > 0 {
		d.Reason = "role " + role + " reads what it copies"
		d.SQLIn(p.Goal.Primary, v.SourceDatabase(), "grant", grants...)
	}
	out.Put(d)
}

// unneededGrants reports what roles of the topology may read in databases that no
// subscription reads as them: one has left, or has another role since. Where a slot block
// lets a client decode, that one may need it.
func unneededGrants(s *cluster.Cluster, out *draft.Findings) {
	for _, database := range s.ReadDatabases() {
		if !slices.ContainsFunc(s.Publications(), func(p *topology.Publication) bool { return p.Database == database }) {
			continue
		}
		access := s.Live().Logical[database].Access
		for _, name := range list.SortedKeys(access) {
			if g := access[name].Granted; len(g.Tables) > 0 && s.Cluster.Role(name) != nil && !readsAs(s, database, name) {
				out.ReportUnmanaged("unneeded_privileges", s.Address("role", name), s.Leading().Name,
					"role %s may read %s in database %s, and no subscription connects to it as this role; if nothing else does, run there: %s",
					pg.Ident(name), words.Counted(len(g.Tables), "table"), pg.Ident(database), revokeSQL(database, name, g))
			}
		}
	}
}

// readsAs reports whether somebody reads from a database as that role, or may.
func readsAs(s *cluster.Cluster, database, role string) bool {
	subscribes := func(sub *topology.Subscription) bool {
		return sub.SourceDatabase() == database && sub.Role.Name == role
	}
	decodes := func(slot *topology.Slot) bool { return slot.Database == database }
	return slices.ContainsFunc(s.Subscribers(), subscribes) || slices.ContainsFunc(s.Cluster.PermanentSlots, decodes) || s.RoleUser(role) != nil
}

func revokeSQL(database, role string, g facts.Granted) string {
	from := " FROM " + pg.Ident(role) + ";"
	text := "REVOKE SELECT ON TABLE " + cluster.TableIdents(g.Tables) + from
	if len(g.Schemas) > 0 {
		text += " REVOKE USAGE ON SCHEMA " + pg.Idents(g.Schemas) + from
	}
	if g.Connect {
		text += " REVOKE CONNECT ON DATABASE " + pg.Ident(database) + from
	}
	return text
}
