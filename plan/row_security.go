package plan

import (
	"slices"

	"github.com/repltool/repltool/topology"
)

// A table's initial copy reads it as the role that the subscription connects as, so that
// row security applies to it: rows that the policies hide are not copied, while changes
// are decoded from WAL and all arrive. So the role must be exempt, as a superuser, by
// BYPASSRLS, or as the owner of a table that does not force row security. Tables that get
// policies later make a copy fail, since the connection sets row_security = off
// (PostgreSQL docs, 5.9 "Row Security Policies" and 29.11 "Security").

// noRowSecurity is what makes a copy that policies apply to fail instead of lacking rows.
const noRowSecurity = "-crow_security=off"

// checkRowSecurity refuses to copy tables of which policies would hide rows.
func (v *subscription) checkRowSecurity(out *findings) {
	if v.remote == nil || !v.CopyData || v.publisher.bypassesRowSecurity(v.Role) {
		return
	}
	access, known := v.remote.Access[v.Role.Name]
	has := v.subscribed()
	var copies, copied []string
	for _, name := range v.publishedTables() {
		switch t := v.remote.Table(name); {
		case known && !slices.Contains(access.Restricted, name), !known && !t.RowSecurity:
		case slices.Contains(has, name) && !v.remade():
			copied = append(copied, name.String())
		default:
			copies = append(copies, name.String())
		}
	}
	const fix = "\n  role %q {\n    bypassrls = true\n  }"
	here, there, role := v.scope.cluster.Primary.Name, v.publisher.cluster.Primary.Name, ident(v.Role.Name)
	if len(copies) > 0 {
		out.fail(v.Range, "Row security on a published table",
			"%s would copy %s from %s as role %s, and row security is enabled there: rows that its policies hide from %s would be missing on %s. Exempt the role in %s:"+fix,
			v.ID, few(copies), there, role, role, here, v.publisher.cluster.ID, v.Role.Name)
	}
	if len(copied) > 0 {
		out.warn(v.Range, "Row security on a published table",
			"%s: row security is enabled on %s on %s, and applies to role %s: if it was so when the table was copied, rows are missing on %s, and its next copy fails. Compare the row counts, and exempt the role in %s:"+fix,
			v.ID, few(copied), there, role, here, v.publisher.cluster.ID, v.Role.Name)
	}
}

// bypassesRowSecurity tells whether the role, as this plan leaves it, is exempt from all
// row security.
func (s *scope) bypassesRowSecurity(r *topology.Role) bool {
	superuser, bypass := r.Superuser, r.BypassRLS
	if is := s.live().Role(r.Name); is != nil {
		if s.ignores(r.Lifecycle, "role", "superuser") {
			superuser = is.Superuser
		}
		if s.ignores(r.Lifecycle, "role", "bypassrls") {
			bypass = is.BypassRLS
		}
	}
	return superuser || bypass
}
