package providers

import (
	"fmt"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/topology"
)

// A time limit or a role that the site sets for its clients ends no reading of ours, and the
// reading says what the site has set.
func TestSiteLimits(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{Conf: []string{"lock_timeout = 7000"}})
	s.Query(t, "CREATE ROLE nobody1")
	s.Query(t, fmt.Sprintf("ALTER ROLE %[1]s SET statement_timeout = '1ms'; ALTER ROLE %[1]s SET role = nobody1", s.User))
	c := &topology.Cluster{Name: "main", ID: "cluster.main", Primary: node("pg1", s)}
	top := &topology.Topology{Nodes: c.Members(), Clusters: []*topology.Cluster{c}}
	n := open(t, top, nil).Inspect(t.Context(), InspectOptions{Timeout: time.Minute}).Nodes["pg1"]
	if !n.Complete() || n.Server == nil || n.Server.Role("nobody1") == nil {
		t.Fatalf("%+v %+v", n.Error, n.ServerError)
	}
	if got := n.Server.InForce("lock_timeout"); got != "7000" {
		t.Errorf("lock_timeout %s", got)
	}
	if got := n.Server.InForce("statement_timeout"); got != "0" {
		t.Errorf("statement_timeout %s", got)
	}
}
