package streaming

import (
	"cmp"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// settleIntents removes the intents that an interrupted or failed apply left behind.
func settleIntents(s *cluster.Cluster, d *draft.Draft) {
	var gone []topology.Address
	for _, r := range s.Intents() {
		note := s.Settled(r.Object)
		if note == "" {
			continue
		}
		gone = append(gone, cmp.Or(r.Was, r.Address))
		d.Differ(r.Object.String(), plan.Ptr("intent"), nil, note)
	}
	if gone != nil {
		d.Action, d.Reason = plan.Update, "an apply failed or was interrupted before it could confirm that it created an object"
		d.SQL(s.Goal.Primary, "remove from the ledger", cluster.Forget(gone...))
	}
}

const LedgerDDL = `CREATE SCHEMA repltool;
CREATE TABLE repltool.managed (
  address text PRIMARY KEY,
  object  text NOT NULL,
  since   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE repltool.applies (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  who     text NOT NULL,
  started timestamptz NOT NULL,
  ended   timestamptz,
  plan    text NOT NULL,
  result  text NOT NULL
);`

func Ledger(s *cluster.Cluster, out *draft.Findings) {
	d := draft.NewDraft(plan.Create, s.LedgerAddress(), s.Goal.Primary)
	d.Needs = []topology.Address{s.NodeAddress(s.Goal.Primary)}
	if s.Live() == nil || s.Live().Ledger == nil {
		d.SQL(s.Goal.Primary, "record what repltool creates", LedgerDDL)
		d.Adopts = !s.LedgerLost()
	} else {
		settleIntents(s, d)
		settleRecreated(s, d)
		renameRows(s, d)
	}
	out.Put(d)
}

// renameRows gives the rows of the ledger the names of today.
func renameRows(s *cluster.Cluster, d *draft.Draft) {
	var values []string
	var twice []topology.Address
	for _, m := range s.Live().Ledger.Managed {
		r := s.Today(cluster.ParseRow(m))
		r.Intent, r.At, r.OID, r.Since = m.Intent, m.At, m.OID, m.Since
		switch {
		case r.Was.IsZero():
		case s.InLedger(r.Address) && r.Address != r.Was:
			twice = append(twice, r.Was)
		default:
			values = append(values, "("+pg.Literal(r.Was.String())+", "+pg.Literal(r.Address.String())+", "+pg.Literal(r.Text())+")")
		}
	}
	var statements []string
	if len(twice) > 0 {
		statements = append(statements, cluster.Forget(twice...))
	}
	if len(values) > 0 {
		statements = append(statements, "UPDATE repltool.managed m SET address = v.address, object = v.object\n"+
			"  FROM (VALUES "+strings.Join(values, ",\n    ")+") v (was, address, object)\n  WHERE m.address = v.was;")
	}
	if len(statements) > 0 {
		d.Action, d.Reason = plan.Update, "the objects get the addresses that they have in the topology now"
		d.SQL(s.Goal.Primary, "rename in the ledger", statements...)
	}
}

// settleRecreated removes the rows of such objects. That of a slot by which a subscription
// goes on stays: it is the evidence that changes are missing (doctor/recreated.go).
func settleRecreated(s *cluster.Cluster, d *draft.Draft) {
	var gone []topology.Address
	for _, r := range s.Ledger().Rows {
		if r.Intent != "" || !s.ClusterAddress.Contains(r.Address) || !s.Recreated(r) {
			continue
		}
		_, wanted, _ := s.Intended(r.Object)
		wanted = wanted || r.Kind == "role" && s.Cluster.Role(r.Name) != nil
		note := "it was dropped and created again by hand: it stays, unmanaged"
		switch {
		case wanted && r.Kind == "slot":
			continue
		case wanted:
			note = "it was dropped and created again by hand: it is adopted, and stays when it leaves the topology"
		}
		gone = append(gone, s.WithParameters(r.Row)...)
		d.Differ(r.Object.String(), plan.Ptr("created by repltool"), nil, note)
	}
	if gone != nil {
		d.Action = plan.Update
		d.Reason = pg.Join(d.Reason, "an object that repltool created is gone, and another one has its name")
		d.SQL(s.Goal.Primary, "remove from the ledger", cluster.Forget(gone...))
	}
}
