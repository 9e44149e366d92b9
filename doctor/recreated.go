package doctor

import (
	"cmp"
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
)

// slotRecreated reports a subscription whose slot is not the one that repltool created for
// it: what was written between the two was never sent. The subscription is the one that
// repltool created; one that was created again as well has copied its tables.
func slotRecreated(s *cluster.Cluster, v *cluster.Subscription, out *Findings) {
	is := v.Is
	created := slices.ContainsFunc(s.Ledger().Rows, func(r cluster.LedgerRow) bool {
		return r.Object == cluster.Object{Kind: "subscription", Name: is.Name, In: v.Database} && r.Intent == "" && r.OID != 0 && r.OID == is.OID
	})
	p := v.Source
	if p == nil || !created || p.Live() == nil {
		return
	}
	on := p.Now.Leader.Name
	for _, r := range p.Ledger().Rows {
		if r.Object != (cluster.Object{Kind: "slot", Name: is.Options.SlotName, In: on}) || r.Intent != "" || !p.Recreated(r) {
			continue
		}
		fix := v.CopyAgain() +
			" If you have compared the tables and no rows are missing, run in database " + pg.Maintenance + " on " + on + ": UPDATE repltool.managed SET since = now() WHERE address = " + pg.Literal(cmp.Or(r.Was, r.Address).String())
		out.report(Finding{
			Code: "slot_recreated", Severity: Error, Address: v.Address(), Node: on, Fix: fix,
			Evidence: view("repltool.managed and pg_replication_slots", on) + ", and pg_subscription on " + s.Leading().Name,
		},
			"slot %s on %s was dropped and created again by hand: it is not the one that repltool created at %s. Changes written in between are missing on %s",
			pg.Ident(r.Name), on, p.Since(r.Row), s.Leading().Name)
	}
}
