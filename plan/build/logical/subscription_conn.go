package logical

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan/build/draft"
)

// The connection of a subscription. What the topology does not speak of stays as it is:
// application_name, timeouts, keepalives, several hosts. The password stands in a password
// file of the subscriber's, or in CONNECTION itself, where PostgreSQL demands that
// (docs, "CREATE SUBSCRIPTION", password_required).

// refuseSynchronousDrop refuses to drop a subscription that commits on its publisher wait
// for: nothing would end that wait.
func refuseSynchronousDrop(s *cluster.Cluster, is *facts.Subscription, out *draft.Findings) {
	conn, name := conninfo.Map(is.ConnInfo.Reveal()), cluster.ApplicationName(is)
	for _, c := range s.Topology.Clusters {
		p := s.Of(c)
		on := p.Leading()
		if conn["host"] == on.Address && pg.PortOf(conn) == on.Port && p.WaitsFor(name) {
			out.Fail(c.Range, "Subscription is a synchronous standby",
				"Subscription %s is removed from the topology, but synchronous_standby_names on %s contains %s, its "+
					"application_name: commits on %s would wait for it. Remove the name from synchronous_standby_names first.",
				pg.Ident(is.Name), on.Name, pg.Ident(name), on.Name)
		}
	}
}

// checkSynchronous reports commits on the publisher that wait for this subscription: its
// application_name is in synchronous_standby_names there.
func checkSynchronous(v *cluster.Subscription, d *draft.Draft, out *draft.Findings) {
	if v.Is == nil || v.Source == nil || len(d.Steps) == 0 {
		return
	}
	if name := cluster.ApplicationName(v.Is); v.Source.WaitsFor(name) {
		out.Warn(v.Range, "Subscription is a synchronous standby",
			"%s: synchronous_standby_names on %s contains %s, the application_name of this subscription, and this plan "+
				"changes the subscription: commits on %s wait until it is connected again.",
			v.ID, v.Source.Goal.Primary.Name, pg.Ident(name), v.Source.Goal.Primary.Name)
	}
}
