package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/topology"
)

// Roles are made before what they own and altered in place. A password reaches
// the server as a SCRAM verifier, made by apply; whether the stored one fits is
// told by computing it again (PostgreSQL docs, 21.5 "Password Authentication").

func roles(s *scope, out *findings) {
	for _, r := range s.cluster.Roles {
		out.put(s.role(r))
	}
	for _, m := range s.managed("role") {
		if s.cluster.Role(m.name) == nil {
			out.put(s.goneRole(m))
		}
	}
	s.leftParameters("role", out)
}

func (s *scope) role(r *topology.Role) *draft {
	found := s.live().Role(r.Name)
	d := newDraft(Update, s.address("role", r.Name), s.cluster.Primary)
	d.after = []topology.Address{s.nodeAddress(s.cluster.Primary), s.ledgerAddress()}
	for _, member := range r.MemberOf {
		d.after = append(d.after, s.address("role", member))
	}
	if found == nil {
		d.Action = Create
		s.createRole(d, r)
	} else {
		s.alterRole(d, r, found)
	}
	return d
}

func (s *scope) createRole(d *draft, r *topology.Role) {
	var b textBuilder
	params := roleParameters(r)
	b.statement(record(s.rowsOf(d.Address, params)...)).statement("CREATE ROLE ", ident(r.Name))
	for _, o := range roleOptions(r) {
		if o.clause != o.byDefault {
			d.differ(o.name, nil, ptr(o.shown), "")
			b.write(" ", o.clause)
		}
	}
	if r.Password.IsSet() {
		d.differ("password", nil, ptr(topology.Redacted), "")
		b.write(" PASSWORD ").secret(r.Password, FormSCRAM)
	}
	b.write(";")
	for _, m := range r.MemberOf {
		d.differ("member_of", nil, ptr(m), "")
		b.statement("GRANT ", ident(m), " TO ", ident(r.Name), ";")
	}
	s.setParameters(d, &b, params)
	d.step(s.cluster.Primary, "create role", SQL{Database: maintenance, SQL: b.done()})
}

func (s *scope) alterRole(d *draft, r *topology.Role, found *facts.Role) {
	var b textBuilder
	var clauses []string
	now := roleOptions(&found.Role)
	for i, o := range roleOptions(r) {
		if o.shown == now[i].shown || o.says == "" || s.ignores(r.Lifecycle, "role", o.name) {
			continue
		}
		d.differ(o.name, ptr(now[i].shown), ptr(o.shown), "")
		clauses = append(clauses, o.clause)
	}
	password := r.Password.IsSet() && !s.ignores(r.Lifecycle, "role", "password") &&
		!scram.Matches(found.Verifier.Reveal(), r.Name, r.Password.Reveal())
	if len(clauses) > 0 || password {
		b.statement("ALTER ROLE ", ident(r.Name))
		for _, c := range clauses {
			b.write(" ", c)
		}
		if password {
			d.differ("password", ptr(topology.Redacted), ptr(topology.Redacted), passwordNote(found))
			b.write(" PASSWORD ").secret(r.Password, FormSCRAM)
		}
		b.write(";")
	}
	s.alterMemberships(d, &b, r, found)
	if !s.ignores(r.Lifecycle, "role", "parameters") {
		s.alterParameters(d, &b, roleParameters(r), found.Parameters)
	}
	d.alter(s.cluster.Primary, b.done())
}

func passwordNote(found *facts.Role) string {
	switch {
	case !found.Verifier.IsSet() || found.Verifier.Reveal() == "":
		return "there is none"
	case strings.HasPrefix(found.Verifier.Reveal(), "md5"):
		return "the stored one is md5 or another"
	default:
		return "the stored one is another"
	}
}

// roleOption is one attribute of a role as SQL. says is "" where a wanted role
// leaves it open.
type roleOption struct{ name, shown, clause, byDefault, says string }

func roleOptions(r *topology.Role) []roleOption {
	flag := func(name, word string, on, byDefault bool) roleOption {
		clause := map[bool]string{true: word, false: "NO" + word}
		return roleOption{name, fmt.Sprint(on), clause[on], clause[byDefault], name}
	}
	limit := fmt.Sprint(r.ConnectionLimit)
	until := validUntil(r.ValidUntil)
	return []roleOption{
		flag("login", "LOGIN", r.Login, false),
		flag("replication", "REPLICATION", r.Replication, false),
		flag("superuser", "SUPERUSER", r.Superuser, false),
		flag("createdb", "CREATEDB", r.CreateDB, false),
		flag("createrole", "CREATEROLE", r.CreateRole, false),
		flag("inherit", "INHERIT", r.Inherit, true),
		flag("bypassrls", "BYPASSRLS", r.BypassRLS, false),
		{"connection_limit", limit, "CONNECTION LIMIT " + limit, "CONNECTION LIMIT -1", limit},
		{"valid_until", until, "VALID UNTIL " + literal(until), "VALID UNTIL 'infinity'", r.ValidUntil},
	}
}

// validUntil writes a time in one form, UTC where the text names no zone.
// "infinity" is the same as none.
func validUntil(text string) string {
	if text == "" || strings.EqualFold(text, "infinity") {
		return "infinity"
	}
	if t, ok := topology.ParseTime(text); ok {
		return t.Format("2006-01-02 15:04:05.999999-07")
	}
	return text
}

func (s *scope) alterMemberships(d *draft, b *textBuilder, r *topology.Role, found *facts.Role) {
	if r.MemberOf == nil || s.ignores(r.Lifecycle, "role", "member_of") {
		return
	}
	come, gone := without(r.MemberOf, found.MemberOf), without(found.MemberOf, r.MemberOf)
	for _, m := range come {
		b.statement("GRANT ", ident(m), " TO ", ident(r.Name), ";")
	}
	for _, m := range gone {
		revoke(b, r.Name, m, found)
	}
	if len(come)+len(gone) > 0 {
		d.differ("member_of", list(found.MemberOf), list(r.MemberOf), "")
	}
}

// list writes names for people; nil for none.
func list(names []string) *string {
	if len(names) == 0 {
		return nil
	}
	return ptr(strings.Join(names, ", "))
}

// revoke ends a membership, whoever granted it.
func revoke(b *textBuilder, role, of string, found *facts.Role) {
	revoke := "REVOKE " + ident(of) + " FROM " + ident(role)
	named := false
	for _, g := range found.Grants {
		if g.Role == of {
			b.statement(revoke, " GRANTED BY ", ident(g.Grantor), ";")
			named = true
		}
	}
	if !named {
		b.statement(revoke, ";")
	}
}

// goneRole removes a role that repltool made and that left the topology.
func (s *scope) goneRole(m row) *draft {
	there := s.live().Role(m.name) != nil
	d := s.gone(m.address, s.cluster.Primary, there)
	for _, db := range s.cluster.Databases {
		d.after = append(d.after, s.address("database", db.Name)) // its owner may change first
	}
	for _, db := range s.managed("database") {
		d.after = append(d.after, db.address) // or it goes, too
	}
	for _, r := range s.live().Roles {
		if slices.Contains(r.MemberOf, m.name) {
			d.after = append(d.after, s.address("role", r.Name)) // the membership is one row of both
		}
	}
	d.after = append(d.after, s.partnerAddresses()...) // which log in as it, or are owned by it
	for _, p := range s.publications() {
		d.after = append(d.after, p.Address()) // its owner may change first
	}
	for _, p := range s.managed("publication") {
		d.after = append(d.after, s.goneAddress(p))
	}
	if there {
		s.dropPrivileges(d, m.name)
		d.sql(s.cluster.Primary, "drop role", "DROP ROLE "+ident(m.name)+";", forget(s.withParameters(m)...))
	} else {
		d.sql(s.cluster.Primary, "strike out", forget(s.withParameters(m)...))
	}
	return d
}

// dropPrivileges takes back what was granted to a role that owns nothing: as long as it
// has a privilege, PostgreSQL refuses to drop it. What it may have come to own since the
// plan stays, with another owner (PostgreSQL docs, 22.4 "Dropping Roles").
func (s *scope) dropPrivileges(d *draft, name string) {
	needed := s.live().Role(name).NeededBy
	for _, db := range needed {
		switch {
		case s.drops(db), db == "" && slices.Contains(needed, maintenance):
			continue
		case db == "":
			db = maintenance // what all databases share goes with those of any
		}
		d.sqlIn(s.cluster.Primary, db, "revoke its privileges", "REASSIGN OWNED BY "+ident(name)+" TO CURRENT_USER;", "DROP OWNED BY "+ident(name)+";")
	}
}

// letsGo counts what of the objects that a role owns in a database this plan drops or
// gives to another owner; "" stands for what is in no database.
func (s *scope) letsGo(role, database string) int {
	n := 0
	if s.changesOwner(database, role) {
		n++
	}
	for _, name := range s.readDatabases() {
		found := s.live().Logical[name]
		for _, p := range found.Publications {
			if name == database && p.Owner == role && s.publicationLeaves(name, p.Name, role) {
				n++
			}
		}
		for _, sub := range found.Subscriptions {
			o := object{"subscription", sub.Name, name}
			if database == "" && sub.Owner == role && s.isOurs(o) && !s.wantsSubscription(name, sub.Name) {
				n++
			}
		}
	}
	return n
}

// publicationLeaves tells whether a publication is dropped, or taken from its owner.
func (s *scope) publicationLeaves(database, name, owner string) bool {
	for _, p := range s.publications() {
		if p.Database == database && p.Name == name {
			return p.Owner != "" && p.Owner != owner && !p.Lifecycle.Ignores("owner")
		}
	}
	return s.isOurs(object{"publication", name, database})
}
