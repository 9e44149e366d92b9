package draft

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Gone begins the removal of an object that repltool created and nothing needs any more;
// there reports whether it still is.
func Gone(s *cluster.Cluster, address topology.Address, on *topology.Node, there bool) *Draft {
	d := NewDraft(plan.Delete, address, on)
	d.Needs = []topology.Address{s.LedgerAddress()}
	d.Reason = "it no longer exists; only its row in the ledger is left"
	if there {
		d.Reason = "not in the topology any more, and repltool created it"
		d.Worsen(plan.Drop)
	}
	return d
}

// Created adds the step that creates an object, and what confirms its intent: in the
// same transaction where that runs in the ledger's database.
func Created(s *cluster.Cluster, d *Draft, on *topology.Node, database, why string, r cluster.Row, statements ...string) {
	if on == s.Goal.Primary && database == pg.Maintenance {
		d.SQLIn(on, database, why, append(statements, cluster.Record(r))...)
		return
	}
	d.SQLIn(on, database, why, statements...)
	d.SQL(s.Goal.Primary, "confirm", cluster.Record(r))
}

// WriteName writes the object's name of today into its row.
func WriteName(s *cluster.Cluster, d *Draft, kind string, of topology.Address, database, name string) {
	d.SQL(s.Goal.Primary, "record its name", cluster.Record(cluster.Row{Address: s.Row(of), Object: cluster.Object{Kind: kind, Name: name, In: database}}))
}

// ByWhom says of an object that is not managed here for which cluster repltool created it; "" for none.
func ByWhom(s *cluster.Cluster, o cluster.Object) string {
	if row := s.MadeFor(o); !row.IsZero() {
		return ", which repltool created for cluster " + row.Cluster
	}
	return ""
}
