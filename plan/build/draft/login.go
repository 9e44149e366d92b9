package draft

import (
	"fmt"
	"maps"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// CheckLogin has a member log in as the standby that it will be: that proves its address, the
// rule and the password before anything rests on them. A connection with a database is also for
// the copy of logical slots, which is no replication connection.
func CheckLogin(s *cluster.Cluster, d *Draft, sb *topology.Standby) {
	conn := maps.Clone(s.ConnInfo(sb))
	conn["connect_timeout"] = "10"
	if conn["dbname"] != "" {
		login(s, d, sb, pg.FormatConnInfo(conn), "SELECT 1")
	}
	delete(conn, "dbname")
	login(s, d, sb, pg.FormatConnInfo(conn)+" replication=true", "IDENTIFY_SYSTEM")
}

func login(s *cluster.Cluster, d *Draft, sb *topology.Standby, conn, query string) {
	d.Step(sb.Node, sb.Node.Name+" can log in at "+sb.Upstream.Name, plan.Command{
		Argv:    []string{cluster.Binary(s.Found(sb.Node).Host, "psql"), "-X", "-w", "-A", "-t", "-c", query, conn},
		Timeout: SettleTimeout, Remedy: Admit(s, sb),
	})
}

// Admit is what to do where the upstream refuses the standby's address.
func Admit(s *cluster.Cluster, sb *topology.Standby) string {
	up, role := sb.Upstream.Name, s.Cluster.Replication.Role.Name
	return fmt.Sprintf("%s accepts the addresses in its rules: %s is %s in the topology, but connects from another address, as "+
		"behind network address translation. Allow the address that %s names, in %s:\n"+
		"  hba {\n"+
		"    type     = %q\n"+
		"    database = \"replication\"\n    user     = %q\n    address  = \"ADDRESS/32\"\n    method   = %q\n  }",
		up, sb.Node.Name, sb.Node.Address, up, s.Cluster.ID, s.ReplicationType(), role, s.Cluster.Replication.Method)
}
