package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/doctor"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Changes are applied with the rights of a role: up to PostgreSQL 15, and with
// run_as_owner, that of the subscription's owner, else those of each table's owner, which
// the subscription's owner must be able to SET ROLE to. Row security of the subscriber's
// tables stops replication unless that role is exempt, from 15 on (PostgreSQL docs, 29.11
// "Security").

// applierProblem is why changes of some tables cannot be applied, and what fixes that.
type applierProblem struct{ summary, what, fix string }

// checkApplier compares the rights of who applies with the tables: an error for tables
// that are to come, a finding for those that the subscription has.
func checkApplier(v *cluster.Subscription, out *draft.Findings) {
	if v.Local == nil || !v.Scope.AtLeast(15) {
		return
	}
	has := v.Subscribed()
	if v.Remade() {
		has = nil
	}
	come := list.Without(v.PublishedTables(), has)
	for _, p := range applierProblems(v, come) {
		out.Fail(v.Range, p.summary, "%s: %s. %s", v.ID, p.what, p.fix)
	}
	for _, p := range applierProblems(v, has) {
		here := v.Scope.Leading().Name
		out.Report(doctor.Finding{
			Code: "subscription_cannot_apply", Severity: doctor.Error, Address: v.Address(), Node: here,
			Evidence: "pg_class, pg_auth_members and privileges on " + here, Fix: p.fix,
		}, "%s", p.what)
	}
}

func applierProblems(v *cluster.Subscription, tables []topology.TableName) []applierProblem {
	var restricted, foreign []topology.TableName
	var lacks []facts.LackedPrivileges
	var owners []string
	asOwner := !v.Scope.AtLeast(16) || v.Option("run_as_owner") == "true"
	access := v.Local.Access[v.Owner()]
	for _, name := range tables {
		t := v.Local.Table(name)
		if t == nil {
			continue
		}
		if isRestricted(v, name, asOwner) {
			restricted = append(restricted, name)
		}
		switch {
		case v.OwnedBySuperuser():
		case asOwner:
			lacks = append(lacks, missingRights(v, name, access)...)
		case !slices.Contains(access.Becomes, t.Owner):
			foreign = append(foreign, name)
			if !slices.Contains(owners, t.Owner) {
				owners = append(owners, t.Owner)
			}
		}
	}
	here, role := v.Scope.Leading().Name, pg.Ident(v.Owner())
	in := " In database " + pg.Ident(v.Database) + " on " + here + ", run\n  "
	var all []applierProblem
	if len(restricted) > 0 {
		all = append(all, restrictedProblem(v, restricted, asOwner))
	}
	if len(lacks) > 0 {
		var names, grants []string
		for _, l := range lacks {
			names = append(names, l.Table.String())
			grants = append(grants, "GRANT "+strings.Join(l.Privileges, ", ")+" ON TABLE "+cluster.TableIdent(l.Table)+" TO "+role+";")
		}
		all = append(all, applierProblem{
			"Missing privileges on the subscriber",
			fmt.Sprintf("the owner of the subscription, %s, lacks privileges on %s on %s, and changes are applied as that role: replication stops", role, words.Few(names), here),
			"Grant them." + in + strings.Join(grants, "\n  "),
		})
	}
	if len(foreign) > 0 {
		all = append(all, applierProblem{
			"Missing privileges on the subscriber",
			fmt.Sprintf("the owner of the subscription, %s, cannot SET ROLE to %s, who owns %s on %s, and changes are applied as that role: replication stops", role, pg.Idents(owners), words.FewTables(foreign), here),
			membershipFix(v, owners, foreign, in),
		})
	}
	return all
}

// membershipFix says how the owner of the subscription may apply changes of tables that
// others own: as their member, but never as one of a superuser.
func membershipFix(v *cluster.Subscription, owners []string, tables []topology.TableName, in string) string {
	role := pg.Ident(v.Owner())
	grants := "GRANT SELECT, INSERT, UPDATE, DELETE, TRUNCATE ON TABLE " + cluster.TableIdents(tables) + " TO " + role + ";"
	superuser := func(name string) bool {
		r := v.Scope.Live().Role(name)
		return r == nil || r.Superuser
	}
	if slices.ContainsFunc(owners, superuser) {
		return "Set run_as_owner = true and grant the privileges on the tables." + in + grants
	}
	return "Grant the membership." + in + "GRANT " + pg.Idents(owners) + " TO " + role + ";\nor set run_as_owner = true and grant the privileges on the tables:\n  " + grants
}

// missingRights returns the privileges that applying the published operations takes and that the
// owner lacks.
func missingRights(v *cluster.Subscription, name topology.TableName, access facts.Access) []facts.LackedPrivileges {
	needs := []string{"INSERT"}
	operation := func(o string) bool {
		return v.Source == nil || slices.ContainsFunc(v.Publications, func(p *topology.Publication) bool { return p.Publishes(o) })
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
		if missing := list.Kept(l.Privileges, func(p string) bool { return slices.Contains(needs, p) }); l.Table == name && len(missing) > 0 {
			return []facts.LackedPrivileges{{Table: name, Privileges: missing}}
		}
	}
	return nil
}

// isRestricted reports whether row security of a table applies to who applies its changes.
func isRestricted(v *cluster.Subscription, name topology.TableName, asOwner bool) bool {
	t := v.Local.Table(name)
	applier := t.Owner
	applies := t.RowSecurity && t.ForceRowSecurity
	if asOwner {
		if v.OwnedBySuperuser() {
			return false
		}
		applier, applies = v.Owner(), slices.Contains(v.Local.Access[v.Owner()].Restricted, name)
	}
	r := v.Scope.Live().Role(applier)
	return applies && !(r != nil && (r.Superuser || r.BypassRLS))
}

func restrictedProblem(v *cluster.Subscription, tables []topology.TableName, asOwner bool) applierProblem {
	here, who := v.Scope.Leading().Name, "the owner of the subscription, "+pg.Ident(v.Owner())
	fix := "Exempt the role: on " + here + ", run\n  ALTER ROLE " + pg.Ident(v.Owner()) + " BYPASSRLS;"
	if !asOwner {
		who = "the owner of the table"
		var statements []string
		for _, name := range tables {
			statements = append(statements, "ALTER TABLE "+cluster.TableIdent(name)+" NO FORCE ROW LEVEL SECURITY;")
		}
		fix = "In database " + pg.Ident(v.Database) + " on " + here + ", run\n  " + strings.Join(statements, "\n  ") + "\nor give the owner BYPASSRLS, or set run_as_owner = true."
	}
	return applierProblem{
		"Row security on a subscriber's table",
		fmt.Sprintf("row security of %s on %s applies to %s, and PostgreSQL applies no changes to such a table: replication stops", words.FewTables(tables), here, who), fix,
	}
}
