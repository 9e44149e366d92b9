package check

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
)

// checkConnection refuses what PostgreSQL would refuse only after the role's password was
// changed, and what would be lost with a new connection string.
func checkConnection(v *cluster.Subscription, out *draft.Findings) {
	if v.Is == nil || v.Lifecycle.Ignores("connection") && !v.Remade() {
		return
	}
	if v.KeepsPassword() && !v.Password().IsSet() {
		out.Fail(v.Range, "Password required",
			"%s: its owner %s is not a superuser, and password_required is true. PostgreSQL then connects only with a "+
				"password in CONNECTION, and the topology has none for it. Give the role a password, or set "+
				"password_required = false in %s.", v.ID, pg.Ident(v.Owner()), v.ID)
	}
	if unknown := v.Local.Unknown.Subscription; v.Remade() && len(unknown) > 0 {
		out.Fail(v.Range, "Unknown subscription attributes",
			"%s would be dropped and created again, and would lose attributes that this version of repltool does not "+
				"know: %s. Recreate it by hand.", v.ID, strings.Join(unknown, ", "))
	}
	lost := pg.LostSecrets(v.ConnNow())
	if len(lost) > 0 && (v.Remade() || draft.ConnDiffers(v, draft.NewDraft(plan.Update, v.Address()))) {
		out.Fail(v.Range, "Connection parameter would be lost",
			"%s: its connection changes, and contains %s, a secret that the topology cannot express. Change the "+
				"connection by hand (ALTER SUBSCRIPTION %s CONNECTION), and set ignore_changes = [\"connection\"] in its "+
				"lifecycle block.",
			v.ID, strings.Join(lost, ", "), pg.Ident(v.Is.Name))
	}
}
