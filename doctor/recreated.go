package doctor

import (
	"cmp"
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// slotRecreated reports a subscription whose slot is not the one that repltool created for
// it: what was written between the two was never sent. The subscription is the one that
// repltool created; one that was created again as well has copied its tables.
func slotRecreated(s *cluster.Cluster, sub *topology.Subscription, is *facts.Subscription, out *draft.Findings) {
	c := sub.Publisher()
	created := slices.ContainsFunc(s.Ledger().Rows, func(r cluster.LedgerRow) bool {
		return r.Object == cluster.Object{Kind: "subscription", Name: is.Name, In: sub.Database} && r.Intent == "" && r.OID != 0 && r.OID == is.OID
	})
	if c == nil || !created || !s.Of(c).Running(c.Primary) {
		return
	}
	p := s.Of(c)
	for _, r := range p.Ledger().Rows {
		if r.Object != (cluster.Object{Kind: "slot", Name: is.Options.SlotName, In: c.Primary.Name}) || r.Intent != "" || !p.Recreated(r) {
			continue
		}
		local, _ := s.Logical(sub.Database)
		out.TellHealth(plan.Error, sub.Address(), s.Subscription(sub, local).CopyAgain()+
			" If you have compared the tables and no rows are missing, run in database "+pg.Maintenance+" on "+c.Primary.Name+": UPDATE repltool.managed SET since = now() WHERE address = "+pg.Literal(cmp.Or(r.Was, r.Address).String()),
			"slot %s on %s was dropped and created again by hand: it is not the one that repltool created at %s. Changes written in between are missing on %s",
			pg.Ident(r.Name), c.Primary.Name, p.Since(r.Row), s.Cluster.Primary.Name)
	}
}
