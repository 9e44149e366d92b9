package build

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/cluster"
)

// TestDropByHand: whoever drops a subscription as the finding says is told of its slot where
// no plan drops that.
func TestDropByHand(t *testing.T) {
	clusters := twoClusters("")
	const logical = `
publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["public.orders"]
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
}
`
	const drop = "SELECT pg_drop_replication_slot('orders');"
	for _, c := range []struct {
		name, ledger string
		want         bool
	}{
		{"the slot left the ledger", "pg1 ledger cluster.orders.publication.orders publication shop.orders", true},
		{"apply drops the slot", "pg1 ledger cluster.orders.node.pg1.slot.orders slot orders on pg1", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := loadText(t, strings.TrimSpace(clusters))
			f := converged(t, loadText(t, strings.TrimSpace(clusters+logical)))
			alter(t, f, top, c.ledger)
			p, _ := Build(top, f, cluster.Options{})
			found := false
			for _, h := range p.Findings {
				if strings.Contains(h.Hint, "DROP SUBSCRIPTION orders;") {
					found = true
					if strings.Contains(h.Hint, drop) != c.want {
						t.Errorf("want %t for %s in %s", c.want, drop, h.Hint)
					}
				}
			}
			if !found {
				t.Errorf("no finding says how to drop the subscription: %+v", p.Findings)
			}
		})
	}
}

// TestPublicationAheadOfSlot: of a subscription that fails, the finding names a publication that
// did not exist at the position of its slot, and the way on.
func TestPublicationAheadOfSlot(t *testing.T) {
	clusters := strings.TrimSpace(twoClusters("") + `
publication "orders" {
  cluster  = cluster.orders
  database = "shop"
  tables   = ["public.orders"]
}
subscription "orders" {
  cluster      = cluster.warehouse
  database     = "dw"
  publications = [publication.orders]
}
`)
	for _, ahead := range []bool{true, false} {
		top := loadText(t, clusters)
		f := converged(t, top)
		alter(t, f, top, `dw1 subscription dw {"Name":"orders","Restarts":1}`)
		if ahead {
			alter(t, f, top, `pg1 publication shop {"Name":"orders","AheadOf":["orders"]}`)
		}
		p, _ := Build(top, f, cluster.Options{})
		if len(p.Findings) != 1 || strings.Contains(p.Findings[0].Hint, "-replace=subscription.orders") != ahead {
			t.Errorf("publication ahead of the slot %t: %+v", ahead, p.Findings)
		}
	}
}
