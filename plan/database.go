package plan

import (
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Databases are made and altered in place. Encoding and locale are set once, at
// creation: a difference is an error (PostgreSQL docs, 23.2 "Creating a Database").

func databases(s *scope, out *findings) {
	for _, db := range s.cluster.Databases {
		if d := s.database(db, out); d != nil {
			out.put(d)
		}
	}
	for _, m := range s.managed("database") {
		if s.cluster.Database(m.name) == nil {
			out.put(s.goneDatabase(m))
		}
	}
	s.leftParameters("database", out)
}

// goneDatabase removes a database that repltool made and that left the topology.
// The ledger forgets it last: DROP DATABASE runs in no transaction.
func (s *scope) goneDatabase(m row) *draft {
	found := s.live().Database(m.name)
	d := s.gone(m.address, s.cluster.Primary, found != nil)
	d.after = append(d.after, s.usersOf(m.name)...)
	if found != nil {
		d.Reason += ": " + bytesText(found.Bytes) + " of data go"
		d.sql(s.cluster.Primary, "drop database", "DROP DATABASE "+ident(m.name)+";")
	}
	d.sql(s.cluster.Primary, "strike out", forget(s.withParameters(m)...))
	return d
}

// usersOf answers what leaves a database before it is dropped, which PostgreSQL refuses
// as long as a subscription is in it or a logical slot of it is active; one that is not
// active it would drop too (PostgreSQL docs, "DROP DATABASE").
func (s *scope) usersOf(database string) []topology.Address {
	all := s.partnerAddresses()
	for _, m := range s.managed("publication") {
		if m.in == database {
			all = append(all, s.goneAddress(m))
		}
	}
	for _, m := range s.managed("slot") {
		all = append(all, s.address("slot", m.name), m.address)
	}
	for _, db := range s.cluster.Databases {
		if db.Template == database {
			all = append(all, s.address("database", db.Name))
		}
	}
	return all
}

func (s *scope) database(db *topology.Database, out *findings) *draft {
	found := s.live().Database(db.Name)
	d := newDraft(Update, s.address("database", db.Name), s.cluster.Primary)
	d.after = []topology.Address{s.nodeAddress(s.cluster.Primary), s.ledgerAddress()}
	if db.Owner != "" {
		d.after = append(d.after, s.address("role", db.Owner))
	}
	if db.Template != "" && !s.drops(db.Template) { // one that leaves is dropped after it
		d.after = append(d.after, s.address("database", db.Template))
	}
	switch {
	case found == nil:
		d.Action = Create
		s.createDatabase(d, db)
		d.recreates(s.lostDatabase(db))
	case !s.fixedFits(db, found, out):
		return nil
	default:
		s.alterDatabase(d, db, found)
	}
	return d
}

func (s *scope) createDatabase(d *draft, db *topology.Database) {
	create := "CREATE DATABASE " + ident(db.Name)
	template := db.Template
	if template == "" && (db.Encoding != "" || db.Locale != "") {
		template = "template0" // the only one that takes another encoding or locale
	}
	for _, o := range []struct{ name, word, value, written string }{
		{"owner", "OWNER", db.Owner, ident(db.Owner)},
		{"template", "TEMPLATE", template, ident(template)},
		{"encoding", "ENCODING", db.Encoding, literal(db.Encoding)},
		{"locale", "LOCALE", db.Locale, literal(db.Locale)},
	} {
		if o.value != "" {
			d.differ(o.name, nil, ptr(o.value), "")
			create += " " + o.word + " " + o.written
		}
	}
	if len(d.Attributes) == 0 {
		d.differ("name", nil, ptr(db.Name), "")
	}
	params := databaseParameters(db)
	rows := s.rowsOf(d.Address, params)
	d.sql(s.cluster.Primary, "intent", intend(rows[0]))
	d.sql(s.cluster.Primary, "create database", create+";") // not in a transaction
	var b textBuilder
	b.statement(record(rows...))
	s.setParameters(d, &b, params)
	d.step(s.cluster.Primary, "confirm", SQL{Database: maintenance, SQL: b.done()})
}

// fixedFits is false, with an error, where what cannot change would have to.
func (s *scope) fixedFits(db *topology.Database, found *facts.Database, out *findings) bool {
	fits := true
	for _, o := range []struct {
		name, wanted, is string
		same             func(a, b string) bool
	}{{"encoding", db.Encoding, found.Encoding, sameEncoding}, {"locale", db.Locale, found.Locale, sameLocale}} {
		if o.wanted != "" && !s.ignores(db.Lifecycle, "database", o.name) && !o.same(o.wanted, o.is) {
			out.fail(db.Range, "Database cannot change "+o.name,
				"Database %q has %s %s, and the topology wants %s. PostgreSQL sets it once, when a database is created: write %s = %q here, or make another database and move the data over by pg_dump.", db.Name, o.name, o.is, o.wanted, o.name, o.is)
			fits = false
		}
	}
	return fits
}

func sameEncoding(a, b string) bool { return topology.Encoding(a) == topology.Encoding(b) }

// sameLocale compares locales as they are spelled: C.UTF-8, C.utf8.
func sameLocale(a, b string) bool {
	fold := func(s string) string {
		return strings.ToLower(strings.NewReplacer("-", "", "_", "").Replace(s))
	}
	return fold(a) == fold(b)
}

func (s *scope) alterDatabase(d *draft, db *topology.Database, found *facts.Database) {
	var b textBuilder
	if db.Owner != "" && db.Owner != found.Owner && !s.ignores(db.Lifecycle, "database", "owner") {
		d.differ("owner", ptr(found.Owner), ptr(db.Owner), "")
		b.statement("ALTER DATABASE ", ident(db.Name), " OWNER TO ", ident(db.Owner), ";")
	}
	if !s.ignores(db.Lifecycle, "database", "parameters") {
		s.alterParameters(d, &b, databaseParameters(db), found.Parameters)
	}
	d.alter(s.cluster.Primary, b.done())
}

// alter adds the statements if there are any.
func (d *draft) alter(n *topology.Node, t Text) {
	if t.Text != "" {
		d.step(n, "alter", SQL{Database: maintenance, SQL: t})
	}
}
