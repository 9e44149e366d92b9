package build

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/logical"
	"github.com/repltool/repltool/topology"
)

// TestGrantInPieces: the privileges on many tables come in several transactions, and no
// table is left out.
func TestGrantInPieces(t *testing.T) {
	top := loadText(t, twoClusters("  parameters = { max_locks_per_transaction = 1024 }\n")+`publication "all" {
  cluster    = cluster.orders
  database   = "shop"
  all_tables = true
}
subscription "all" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.all]
}
`)
	f := converged(t, top)
	const count = 2*logical.TablesAtATime + 1
	for _, side := range []struct{ node, database string }{{"pg1", "shop"}, {"dw1", "dw"}} {
		db := f.Nodes[side.node].Server.Logical[side.database]
		for i := range count {
			addTable(db, topology.TableName{Schema: "public", Name: fmt.Sprintf("t%d", i)}, nil)
		}
	}
	f.Nodes["pg1"].Server.Logical["shop"].Access = map[string]facts.Access{}
	p, diags := Build(top, f, cluster.Options{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	pieces, tables := 0, 0
	for _, s := range p.Steps {
		if op, ok := s.Op.(plan.SQL); ok && strings.Contains(op.SQL.Text, "GRANT SELECT ON TABLE") {
			pieces++
			tables += strings.Count(op.SQL.Text, "public.t")
		}
	}
	if pieces != 3 || tables != count {
		t.Errorf("%d pieces with %d tables, want 3 with %d", pieces, tables, count)
	}
}
