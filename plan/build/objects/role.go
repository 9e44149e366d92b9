// Package objects plans roles and databases.
package objects

import (
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

// Roles are made before what they own and altered in place. A password reaches
// the server as a SCRAM verifier, made by apply; whether the stored one fits is
// told by computing it again (PostgreSQL docs, 21.5 "Password Authentication").

func Roles(s *cluster.Cluster, out *draft.Findings) {
	for _, r := range s.Cluster.Roles {
		out.Put(role(s, r, out))
	}
	for _, m := range s.Managed("role") {
		if s.Cluster.Role(m.Name) != nil {
			continue
		}
		if u := s.RoleUser(m.Name); u != nil {
			out.Keep(*u, s.Leading(), "role %s", pg.Ident(m.Name))
			out.Unchanged++
			continue
		}
		if n := unreadStandby(s, m.Name); n != nil {
			out.ReportDrift("role_not_dropped", s.AddressOfRow(m.Address), s.Goal.Primary.Name,
				"role %s is not dropped: standby %s could not be read, and may connect with it. Apply again once %s can be read", pg.Ident(m.Name), n.Name, n.Name)
			continue
		}
		out.Put(goneRole(s, m))
	}
	leftParameters(s, "role", out)
}

func role(s *cluster.Cluster, r *topology.Role, out *draft.Findings) *draft.Draft {
	found := s.Live().Role(r.Name)
	d := draft.NewDraft(plan.Update, s.Address("role", r.Name), s.Goal.Primary)
	d.Needs = []topology.Address{s.NodeAddress(s.Goal.Primary), s.LedgerAddress()}
	for _, member := range r.MemberOf {
		d.Needs = append(d.Needs, s.Address("role", member))
	}
	if found == nil {
		d.Action = plan.Create
		createRole(s, d, r)
	} else {
		alterRole(s, d, r, found, out)
	}
	return d
}

func createRole(s *cluster.Cluster, d *draft.Draft, r *topology.Role) {
	var b plan.TextBuilder
	params := roleParameters(r)
	b.Write("CREATE ROLE ", pg.Ident(r.Name))
	for _, o := range roleOptions(r) {
		if o.clause != o.byDefault {
			d.Differ(o.name, nil, plan.Ptr(o.shown), "")
			b.Write(" ", o.clause)
		}
	}
	if r.Password.IsSet() {
		d.Differ("password", nil, plan.Ptr(topology.Redacted), "")
		b.Write(" PASSWORD ").Secret(r.Password, plan.FormSCRAM)
	}
	b.Write(";").Statement(cluster.Record(rowsOf(s, d.Address, params)...))
	for _, m := range r.MemberOf {
		d.Differ("member_of", nil, plan.Ptr(m), "")
		b.Statement("GRANT ", pg.Ident(m), " TO ", pg.Ident(r.Name), ";")
	}
	setParameters(s, d, &b, params)
	d.Step(s.Goal.Primary, "create role", plan.SQL{Database: pg.Maintenance, SQL: b.Done()})
}

func alterRole(s *cluster.Cluster, d *draft.Draft, r *topology.Role, found *facts.Role, out *draft.Findings) {
	var b plan.TextBuilder
	var clauses []string
	now := roleOptions(&found.Role)
	for i, o := range roleOptions(r) {
		if o.shown == now[i].shown || o.says == "" || s.Ignores(r.Lifecycle, "role", o.name) {
			continue
		}
		d.Differ(o.name, plan.Ptr(now[i].shown), plan.Ptr(o.shown), "")
		clauses = append(clauses, o.clause)
	}
	password := s.PasswordChanges(r, found)
	if who := unreadLogin(s, r); password && found.Verifier.Reveal() != "" && who != "" {
		password = false
		out.ReportDrift("password_not_changed", d.Address, s.Goal.Primary.Name,
			"password not changed: %s logs in as %s and could not be read, so that it cannot be given the new password. Apply again once it can be read, or change the password now by hand: ALTER ROLE %s PASSWORD", who, pg.Ident(r.Name), pg.Ident(r.Name))
	}
	if password {
		d.Brings = append(d.Brings, loginPassfiles(s, r)...)
	}
	if len(clauses) > 0 || password {
		b.Statement("ALTER ROLE ", pg.Ident(r.Name))
		for _, c := range clauses {
			b.Write(" ", c)
		}
		if password {
			d.Differ("password", plan.Ptr(topology.Redacted), plan.Ptr(topology.Redacted), passwordNote(found))
			b.Write(" PASSWORD ").Secret(r.Password, plan.FormSCRAM)
		}
		b.Write(";")
	}
	alterMemberships(s, d, &b, r, found)
	if !s.Ignores(r.Lifecycle, "role", "parameters") {
		alterParameters(s, d, &b, roleParameters(r), found.Parameters)
	}
	d.Alter(s.Goal.Primary, b.Done())
}

// unreadLogin names who logs in as a role and cannot be given its new password, since it
// could not be read; or "".
func unreadLogin(s *cluster.Cluster, r *topology.Role) string {
	for _, sub := range s.Subscribers() {
		if _, unknown := s.Of(sub.Cluster).Logical(sub.Database); unknown && sub.Role == r {
			return sub.ID + " on " + s.Of(sub.Cluster).Leading().Name
		}
	}
	for _, sb := range s.Cluster.Standbys {
		if s.Found(sb.Node).Host == nil && s.Cluster.Replication.Role == r {
			return "standby " + sb.Node.Name
		}
	}
	return ""
}

// loginPassfiles are the addresses of the password files by which servers log in as a
// role: a target that changes its password brings them.
func loginPassfiles(s *cluster.Cluster, r *topology.Role) []topology.Address {
	var all []topology.Address
	for _, sb := range s.Cluster.Standbys {
		if s.Cluster.Replication.Role == r {
			all = append(all, s.StandbyPassfileAddress(sb.Node))
		}
	}
	for _, sub := range s.Subscribers() {
		for _, n := range sub.Cluster.Members() {
			if sub.Role == r {
				all = append(all, s.Of(sub.Cluster).PassfileAddress(n))
			}
		}
	}
	return all
}

func passwordNote(found *facts.Role) string {
	switch {
	case !found.Verifier.IsSet() || found.Verifier.Reveal() == "":
		return "it has none"
	case strings.HasPrefix(found.Verifier.Reveal(), "md5"):
		return "differs from the topology, or is stored as md5 (not shown)"
	default:
		return "differs from the topology (not shown)"
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
		{"valid_until", until, "VALID UNTIL " + pg.Literal(until), "VALID UNTIL 'infinity'", r.ValidUntil},
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

func alterMemberships(s *cluster.Cluster, d *draft.Draft, b *plan.TextBuilder, r *topology.Role, found *facts.Role) {
	if r.MemberOf == nil || s.Ignores(r.Lifecycle, "role", "member_of") {
		return
	}
	come, gone := list.Without(r.MemberOf, found.MemberOf), list.Without(found.MemberOf, r.MemberOf)
	for _, m := range come {
		b.Statement("GRANT ", pg.Ident(m), " TO ", pg.Ident(r.Name), ";")
	}
	for _, m := range gone {
		revoke(b, r.Name, m, found)
	}
	if len(come)+len(gone) > 0 {
		d.Differ("member_of", memberList(found.MemberOf), memberList(r.MemberOf), "")
	}
}

// memberList writes names for people; nil for none.
func memberList(names []string) *string {
	if len(names) == 0 {
		return nil
	}
	return plan.Ptr(strings.Join(names, ", "))
}

// revoke ends a membership, whoever granted it.
func revoke(b *plan.TextBuilder, role, of string, found *facts.Role) {
	revoke := "REVOKE " + pg.Ident(of) + " FROM " + pg.Ident(role)
	named := false
	for _, g := range found.Grants {
		if g.Role == of {
			b.Statement(revoke, " GRANTED BY ", pg.Ident(g.Grantor), ";")
			named = true
		}
	}
	if !named {
		b.Statement(revoke, ";")
	}
}

// goneRole removes a role that repltool made and that left the topology.
func goneRole(s *cluster.Cluster, m cluster.Row) *draft.Draft {
	there := s.Live().Role(m.Name) != nil
	d := draft.Gone(s, m.Address, s.Goal.Primary, there)
	for _, db := range s.Cluster.Databases {
		d.Needs = append(d.Needs, s.Address("database", db.Name)) // its owner may change first
	}
	for _, db := range s.Managed("database") {
		d.Needs = append(d.Needs, db.Address) // or it goes, too
	}
	for _, r := range s.Live().Roles {
		if slices.Contains(r.MemberOf, m.Name) {
			d.Needs = append(d.Needs, s.Address("role", r.Name)) // the membership is one row of both
		}
	}
	d.Needs = append(d.Needs, s.PartnerAddresses()...) // which log in as it, or are owned by it
	for _, address := range connectedStandbys(s, m.Name) {
		d.Needs, d.Brings = append(d.Needs, address), append(d.Brings, address)
	}
	for _, p := range s.Publications() {
		d.Needs = append(d.Needs, p.Address()) // its owner may change first
	}
	for _, p := range s.Managed("publication") {
		d.Needs = append(d.Needs, s.GoneAddress(p))
	}
	if there {
		dropPrivileges(s, d, m.Name)
		d.SQL(s.Goal.Primary, "drop role", "DROP ROLE "+pg.Ident(m.Name)+";", cluster.Forget(s.WithParameters(m)...))
	} else {
		d.SQL(s.Goal.Primary, "remove from the ledger", cluster.Forget(s.WithParameters(m)...))
	}
	return d
}

// connectedStandbys are the changes after which no standby connects with a role: one that
// loses its connection would not come back without it.
func connectedStandbys(s *cluster.Cluster, role string) []topology.Address {
	var all []topology.Address
	for _, sb := range s.Cluster.Standbys {
		if s.ConnNow(sb.Node)["user"] == role {
			all = append(all, s.StandbyAddress(sb.Node), s.NodeAddress(sb.Node))
		}
	}
	return all
}

// unreadStandby is a standby that may connect with a role, which is not known since the
// standby could not be read; or nil.
func unreadStandby(s *cluster.Cluster, name string) *topology.Node {
	r := s.Live().Role(name)
	if r == nil || !r.Login || !r.Replication && !r.Superuser {
		return nil
	}
	for _, sb := range s.Cluster.Standbys {
		if s.Found(sb.Node).Host == nil {
			return sb.Node
		}
	}
	return nil
}

// dropPrivileges takes back what was granted to a role that owns nothing: as long as it
// has a privilege, PostgreSQL refuses to drop it. What it may have come to own since the
// plan stays, with another owner (PostgreSQL docs, 22.4 "Dropping Roles").
func dropPrivileges(s *cluster.Cluster, d *draft.Draft, name string) {
	needed := s.Live().Role(name).NeededBy
	for _, db := range needed {
		switch {
		case s.Drops(db), db == "" && slices.Contains(needed, pg.Maintenance):
			continue
		case db == "":
			db = pg.Maintenance // what all databases share goes with those of any
		}
		d.SQLIn(s.Goal.Primary, db, "revoke its privileges", "REASSIGN OWNED BY "+pg.Ident(name)+" TO CURRENT_USER;", "DROP OWNED BY "+pg.Ident(name)+";")
	}
}
