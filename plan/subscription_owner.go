package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Changes are applied with the rights of a role: up to PostgreSQL 15, and with
// run_as_owner, that of the subscription's owner, else those of each table's owner, which
// the subscription's owner must be able to SET ROLE to. Row security of the subscriber's
// tables stops replication unless that role is exempt, from 15 on (PostgreSQL docs, 29.11
// "Security").

// owner is the role that owns the subscription, as it is; "" for one that this plan
// creates, which belongs to repltool's own role, a superuser.
func (v *subscription) owner() string {
	if v.is == nil || v.scope.live().Role(v.is.Owner) == nil {
		return ""
	}
	return v.is.Owner
}

// ownedBySuperuser tells whether the owner is a superuser, or not known to be none.
func (v *subscription) ownedBySuperuser() bool {
	return v.owner() == "" || v.scope.live().Role(v.owner()).Superuser
}

// option answers an option as this plan leaves it: "true", "false", or a word.
func (v *subscription) option(name string) string {
	for _, o := range v.options() {
		if o.name == name && v.is != nil && v.Lifecycle.Ignores(name) {
			return o.is
		} else if o.name == name {
			return o.wanted
		}
	}
	return ""
}

// keepsPassword tells whether PostgreSQL wants the password in the connection string
// itself, where a password file does not do (docs, "CREATE SUBSCRIPTION",
// password_required).
func (v *subscription) keepsPassword() bool {
	return v.option("password_required") == "true" && !v.ownedBySuperuser()
}

// keptOwner is the owner that a subscription which is made anew had, where that is not
// repltool's own role; up to PostgreSQL 15 only a superuser can own one.
func (v *subscription) keptOwner() string {
	h := v.scope.primary().Host
	if v.owner() == "" || h != nil && h.OSUser == v.owner() || !v.ownedBySuperuser() && !v.scope.atLeast(16) {
		return ""
	}
	return v.owner()
}

// applierProblem is why changes of some tables cannot be applied, and what fixes that.
type applierProblem struct{ summary, what, fix string }

// checkApplier compares the rights of who applies with the tables: an error for tables
// that are to come, a finding for those that the subscription has.
func (v *subscription) checkApplier(out *findings) {
	if v.local == nil || !v.scope.atLeast(15) {
		return
	}
	has := v.subscribed()
	if v.remade() {
		has = nil
	}
	come := without(v.publishedTables(), has)
	for _, p := range v.applierProblems(come) {
		out.fail(v.Range, p.summary, "%s: %s. %s", v.ID, p.what, p.fix)
	}
	for _, p := range v.applierProblems(has) {
		out.tellHealth(Error, v.Address(), p.fix, "%s", p.what)
	}
}

func (v *subscription) applierProblems(tables []topology.TableName) []applierProblem {
	var restricted, foreign []topology.TableName
	var lacks []facts.LackedPrivileges
	var owners []string
	asOwner := !v.scope.atLeast(16) || v.option("run_as_owner") == "true"
	access := v.local.Access[v.owner()]
	for _, name := range tables {
		t := v.local.Table(name)
		if t == nil {
			continue
		}
		if v.restricted(name, asOwner) {
			restricted = append(restricted, name)
		}
		switch {
		case v.ownedBySuperuser():
		case asOwner:
			lacks = append(lacks, v.lacks(name, access)...)
		case !asOwner && !slices.Contains(access.Becomes, t.Owner):
			foreign = append(foreign, name)
			if !slices.Contains(owners, t.Owner) {
				owners = append(owners, t.Owner)
			}
		}
	}
	here, role := v.scope.cluster.Primary.Name, ident(v.owner())
	in := " In database " + ident(v.Database) + " on " + here + ", run\n  "
	var all []applierProblem
	if len(restricted) > 0 {
		all = append(all, v.restrictedProblem(restricted, asOwner))
	}
	if len(lacks) > 0 {
		var names, grants []string
		for _, l := range lacks {
			names = append(names, l.Table.String())
			grants = append(grants, "GRANT "+strings.Join(l.Privileges, ", ")+" ON TABLE "+tableIdent(l.Table)+" TO "+role+";")
		}
		all = append(all, applierProblem{
			"Missing privileges on the subscriber",
			fmt.Sprintf("the owner of the subscription, %s, lacks privileges on %s on %s, and changes are applied as that role: replication stops", role, few(names), here),
			"Grant them." + in + strings.Join(grants, "\n  "),
		})
	}
	if len(foreign) > 0 {
		all = append(all, applierProblem{
			"Missing privileges on the subscriber",
			fmt.Sprintf("the owner of the subscription, %s, cannot SET ROLE to %s, who owns %s on %s, and changes are applied as that role: replication stops", role, idents(owners), fewTables(foreign), here),
			v.membershipFix(owners, foreign, in),
		})
	}
	return all
}

// membershipFix says how the owner of the subscription may apply changes of tables that
// others own: as their member, but never as one of a superuser.
func (v *subscription) membershipFix(owners []string, tables []topology.TableName, in string) string {
	role := ident(v.owner())
	grants := "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLE " + tableIdents(tables) + " TO " + role + ";"
	superuser := func(name string) bool {
		r := v.scope.live().Role(name)
		return r == nil || r.Superuser
	}
	if slices.ContainsFunc(owners, superuser) {
		return "Set run_as_owner = true and grant the privileges on the tables." + in + grants
	}
	return "Grant the membership." + in + "GRANT " + idents(owners) + " TO " + role + ";\nor set run_as_owner = true and grant the privileges on the tables:\n  " + grants
}

// lacks answers the privileges that applying the published operations takes and that the
// owner lacks.
func (v *subscription) lacks(name topology.TableName, access facts.Access) []facts.LackedPrivileges {
	needs := []string{"INSERT"}
	operation := func(o string) bool {
		return v.publisher == nil || slices.ContainsFunc(v.Publications, func(p *topology.Publication) bool { return p.Publishes(o) })
	}
	for _, o := range []string{"update", "delete", "truncate"} {
		if operation(o) {
			needs = append(needs, strings.ToUpper(o))
		}
	}
	if operation("update") || operation("delete") {
		needs = append(needs, "SELECT")
	}
	for _, l := range access.Lacks {
		if missing := kept(l.Privileges, func(p string) bool { return slices.Contains(needs, p) }); l.Table == name && len(missing) > 0 {
			return []facts.LackedPrivileges{{Table: name, Privileges: missing}}
		}
	}
	return nil
}

// restricted tells whether row security of a table applies to who applies its changes.
func (v *subscription) restricted(name topology.TableName, asOwner bool) bool {
	t := v.local.Table(name)
	applier := t.Owner
	applies := t.RowSecurity && t.ForceRowSecurity
	if asOwner {
		if v.ownedBySuperuser() {
			return false
		}
		applier, applies = v.owner(), slices.Contains(v.local.Access[v.owner()].Restricted, name)
	}
	r := v.scope.live().Role(applier)
	return applies && !(r != nil && (r.Superuser || r.BypassRLS))
}

func (v *subscription) restrictedProblem(tables []topology.TableName, asOwner bool) applierProblem {
	here, who := v.scope.cluster.Primary.Name, "the owner of the subscription, "+ident(v.owner())
	fix := "Exempt the role: on " + here + ", run\n  ALTER ROLE " + ident(v.owner()) + " BYPASSRLS;"
	if !asOwner {
		who = "the owner of the table"
		var statements []string
		for _, name := range tables {
			statements = append(statements, "ALTER TABLE "+tableIdent(name)+" NO FORCE ROW LEVEL SECURITY;")
		}
		fix = "In database " + ident(v.Database) + " on " + here + ", run\n  " + strings.Join(statements, "\n  ") + "\nor give the owner BYPASSRLS, or set run_as_owner = true."
	}
	return applierProblem{
		"Row security on a subscriber's table",
		fmt.Sprintf("row security of %s on %s applies to %s, and PostgreSQL applies no changes to such a table: replication stops", fewTables(tables), here, who), fix,
	}
}

func fewTables(tables []topology.TableName) string {
	var names []string
	for _, t := range tables {
		names = append(names, t.String())
	}
	return few(names)
}
