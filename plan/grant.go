package plan

import (
	"slices"

	"github.com/repltool/repltool/topology"
)

// A subscription's role reads the tables that it copies: it needs CONNECT, USAGE on
// their schemas and SELECT on them, also on those that are published later. Nothing
// is ever revoked: a privilege does not tell who needs it (PostgreSQL docs, 29.11
// "Security"). One subscription's come after the other's: two GRANTs on one object at
// the same time are an error ("tuple concurrently updated").

// tablesAtATime bounds the tables of one transaction that may as well be several: each
// may be a lock.
const tablesAtATime = 1000

func (v *subscription) grantsAddress() topology.Address {
	return v.Address().With(topology.PartGrants)
}

func (v *subscription) grants(out *findings) {
	if v.publisher == nil || v.remote == nil || v.Role.Superuser {
		return
	}
	p := v.publisher
	d := newDraft(Update, v.grantsAddress(), p.cluster.Primary)
	d.after = append(p.databaseAddresses(v.SourceDatabase()), p.address("role", v.Role.Name))
	for _, other := range p.subscribers() {
		if other.ID == v.ID {
			break
		}
		if other.SourceDatabase() == v.SourceDatabase() {
			d.after = append(d.after, other.Address().With(topology.PartGrants))
		}
	}
	has, known := v.remote.Access[v.Role.Name]
	var schemas []string
	var tables []topology.TableName
	for _, t := range v.publishedTables() {
		if !slices.Contains(has.Schemas, t.Schema) && !slices.Contains(schemas, t.Schema) {
			schemas = append(schemas, t.Schema)
		}
		if !slices.Contains(has.Tables, t) {
			tables = append(tables, t)
		}
	}
	role := ident(v.Role.Name)
	var grants []string
	if known && !has.Connect {
		grants = append(grants, "GRANT CONNECT ON DATABASE "+ident(v.SourceDatabase())+" TO "+role+";")
	}
	if len(schemas) > 0 {
		grants = append(grants, "GRANT USAGE ON SCHEMA "+idents(schemas)+" TO "+role+";")
	}
	for i, some := range slices.Collect(slices.Chunk(tables, tablesAtATime)) {
		if i > 0 { // each piece holds by itself, and the next plan goes on after it
			d.sqlIn(p.cluster.Primary, v.SourceDatabase(), "grant", grants...)
			grants = nil
		}
		grants = append(grants, "GRANT SELECT ON TABLE "+tableIdents(some)+" TO "+role+";")
	}
	if len(grants) > 0 {
		d.Reason = "role " + role + " reads what it copies"
		d.sqlIn(p.cluster.Primary, v.SourceDatabase(), "grant", grants...)
	}
	out.put(d)
}
