package check

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
)

// A table's initial copy reads it as the role that the subscription connects as, so that
// row security applies to it: rows that the policies hide are not copied, while changes
// are decoded from WAL and all arrive. So the role must be exempt, as a superuser, by
// BYPASSRLS, or as the owner of a table that does not force row security. Tables that get
// policies later make a copy fail, since the connection sets row_security = off
// (PostgreSQL docs, 5.9 "Row Security Policies" and 29.11 "Security").

// checkRowSecurity refuses to copy tables of which policies would hide rows.
func checkRowSecurity(v *cluster.Subscription, out *draft.Findings) {
	if v.Remote == nil || !v.CopyData || v.Source.BypassesRowSecurity(v.Role) {
		return
	}
	access, known := v.Remote.Access[v.Role.Name]
	has := v.Subscribed()
	var copies, copied []string
	for _, name := range v.PublishedTables() {
		switch t := v.Remote.Table(name); {
		case known && !slices.Contains(access.Restricted, name), !known && !t.RowSecurity:
		case slices.Contains(has, name) && !v.Remade():
			copied = append(copied, name.String())
		default:
			copies = append(copies, name.String())
		}
	}
	const fix = "\n  role %q {\n    bypassrls = true\n  }"
	here, there, role := v.Scope.Leading().Name, v.Source.Leading().Name, pg.Ident(v.Role.Name)
	if len(copies) > 0 {
		out.Fail(v.Range, "Row security on a published table",
			"%s would copy %s from %s as role %s, and row security is enabled there: rows that its policies hide from %s would be missing on %s. Exempt the role in %s:"+fix,
			v.ID, words.Few(copies), there, role, role, here, v.Source.Cluster.ID, v.Role.Name)
	}
	if len(copied) > 0 {
		out.Warn(v.Range, "Row security on a published table",
			"%s: row security is enabled on %s on %s, and applies to role %s: if that was already so when the table was "+
				"copied, rows are missing on %s, and its next copy fails. Compare the row counts, and exempt the role in %s:"+fix,
			v.ID, words.Few(copied), there, role, here, v.Source.Cluster.ID, v.Role.Name)
	}
}
