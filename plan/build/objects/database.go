package objects

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Databases are made and altered in place. Encoding and locale are set once, at
// creation: a difference is an error (PostgreSQL docs, 23.2 "Creating a Database").

func Databases(s *cluster.Cluster, out *draft.Findings) {
	for _, db := range s.Cluster.Databases {
		if d := database(s, db, out); d != nil {
			out.Put(d)
		}
	}
	for _, m := range s.Managed("database") {
		if s.Cluster.Database(m.Name) != nil {
			continue
		}
		if u := s.DatabaseUser(m.Name); u != nil {
			out.Keep(*u, s.Leading(), "database %s", pg.Ident(m.Name))
			out.Unchanged++
			continue
		}
		out.Put(goneDatabase(s, m))
	}
	leftParameters(s, "database", out)
}

// goneDatabase removes a database that repltool made and that left the topology.
// The ledger forgets it last: DROP DATABASE runs in no transaction.
func goneDatabase(s *cluster.Cluster, m cluster.Row) *draft.Draft {
	found := s.Live().Database(m.Name)
	d := draft.Gone(s, m.Address, s.Goal.Primary, found != nil)
	d.Needs = append(d.Needs, usersOf(s, m.Name)...)
	if found != nil {
		d.Reason += ": " + words.BytesText(found.Bytes) + " of data is lost"
		d.SQL(s.Goal.Primary, "drop database", "DROP DATABASE "+pg.Ident(m.Name)+";")
	}
	d.SQL(s.Goal.Primary, "remove from the ledger", cluster.Forget(s.WithParameters(m)...))
	return d
}

// usersOf returns what leaves a database before it is dropped, which PostgreSQL refuses
// as long as a subscription is in it or a logical slot of it is active; one that is not
// active it would drop too (PostgreSQL docs, "DROP DATABASE").
func usersOf(s *cluster.Cluster, database string) []topology.Address {
	all := s.PartnerAddresses()
	for _, m := range s.Managed("publication") {
		if m.In == database {
			all = append(all, s.GoneAddress(m))
		}
	}
	for _, m := range s.Managed("slot") {
		all = append(all, s.Address("slot", m.Name), m.Address)
	}
	for _, db := range s.Cluster.Databases {
		if db.Template == database {
			all = append(all, s.Address("database", db.Name))
		}
	}
	return all
}

func database(s *cluster.Cluster, db *topology.Database, out *draft.Findings) *draft.Draft {
	found := s.Live().Database(db.Name)
	d := draft.NewDraft(plan.Update, s.Address("database", db.Name), s.Goal.Primary)
	d.Needs = []topology.Address{s.NodeAddress(s.Goal.Primary), s.LedgerAddress()}
	if db.Owner != "" {
		d.Needs = append(d.Needs, s.Address("role", db.Owner))
	}
	if db.Template != "" && !s.Drops(db.Template) { // one that leaves is dropped after it
		d.Needs = append(d.Needs, s.Address("database", db.Template))
	}
	switch {
	case found == nil:
		d.Action = plan.Create
		createDatabase(s, d, db)
		d.MarkRecreated(s.LostDatabase(db))
	case !fixedFits(s, db, found, out):
		return nil
	default:
		alterDatabase(s, d, db, found)
	}
	return d
}

func createDatabase(s *cluster.Cluster, d *draft.Draft, db *topology.Database) {
	create := "CREATE DATABASE " + pg.Ident(db.Name)
	template := db.Template
	if template == "" && (db.Encoding != "" || db.Locale != "") {
		template = "template0" // the only one that takes another encoding or locale
	}
	for _, o := range []struct{ name, word, value, written string }{
		{"owner", "OWNER", db.Owner, pg.Ident(db.Owner)},
		{"template", "TEMPLATE", template, pg.Ident(template)},
		{"encoding", "ENCODING", db.Encoding, pg.Literal(db.Encoding)},
		{"locale", "LOCALE", db.Locale, pg.Literal(db.Locale)},
	} {
		if o.value != "" {
			d.Differ(o.name, nil, plan.Ptr(o.value), "")
			create += " " + o.word + " " + o.written
		}
	}
	if len(d.Attributes) == 0 {
		d.Differ("name", nil, plan.Ptr(db.Name), "")
	}
	params := databaseParameters(db)
	rows := rowsOf(s, d.Address, params)
	d.SQL(s.Goal.Primary, "record the intent to create", cluster.Intend(rows[0]))
	d.SQL(s.Goal.Primary, "create database", create+";") // not in a transaction
	var b plan.TextBuilder
	b.Statement(cluster.Record(rows...))
	setParameters(s, d, &b, params)
	d.Step(s.Goal.Primary, "confirm", plan.SQL{Database: pg.Maintenance, SQL: b.Done()})
}

// fixedFits is false, with an error, where what cannot change would have to.
func fixedFits(s *cluster.Cluster, db *topology.Database, found *facts.Database, out *draft.Findings) bool {
	fits := true
	for _, o := range []struct {
		name, wanted, is string
		same             func(a, b string) bool
	}{{"encoding", db.Encoding, found.Encoding, cluster.SameEncoding}, {"locale", db.Locale, found.Locale, pg.SameLocale}} {
		if o.wanted != "" && !s.Ignores(db.Lifecycle, "database", o.name) && !o.same(o.wanted, o.is) {
			out.Fail(db.Range, "Fixed property of a database",
				"Database %q has %s %s, but the topology has %s. PostgreSQL sets it only when it creates a database: write "+
					"%s = %q here, or create another database and move the data with pg_dump.", db.Name, o.name, o.is, o.wanted, o.name, o.is)
			fits = false
		}
	}
	return fits
}

func alterDatabase(s *cluster.Cluster, d *draft.Draft, db *topology.Database, found *facts.Database) {
	var b plan.TextBuilder
	if db.Owner != "" && db.Owner != found.Owner && !s.Ignores(db.Lifecycle, "database", "owner") {
		d.Differ("owner", plan.Ptr(found.Owner), plan.Ptr(db.Owner), "")
		b.Statement("ALTER DATABASE ", pg.Ident(db.Name), " OWNER TO ", pg.Ident(db.Owner), ";")
	}
	if !s.Ignores(db.Lifecycle, "database", "parameters") {
		alterParameters(s, d, &b, databaseParameters(db), found.Parameters)
	}
	d.Alter(s.Goal.Primary, b.Done())
}
