package build

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// TestUpstreamFound: who a standby follows is found by where its connection leads,
// however that is written, and by the upstream's own senders.
func TestUpstreamFound(t *testing.T) {
	const text = `
node "pg1" { host = "pg1.example.com" }
node "pg2" { host = "10.0.0.2" }
cluster "main" {
  primary  = node.pg1
  standbys = [node.pg2]
  role "replicator" {
    replication = true
    password    = env("PW")
  }
}`
	for _, c := range []struct {
		name, conninfo string
		alter          func(pg1, pg2 *facts.Node)
		want           string
	}{
		{name: "as the topology has it", conninfo: "host=pg1.example.com", want: "pg1"},
		{name: "a name has no case", conninfo: "host=PG1.example.com", want: "pg1"},
		{name: "by address", conninfo: "host=10.0.0.1 port=5432", want: "pg1"},
		{name: "hostaddr counts", conninfo: "host=elsewhere hostaddr=10.0.0.1", want: "pg1"},
		{name: "another name, seen by its sender", conninfo: "host=alias application_name=pg2", want: "pg1"},
		{name: "another name, and no sender", conninfo: "host=alias application_name=pg2", alter: func(pg1, _ *facts.Node) {
			pg1.Server.Senders = nil
		}},
		{name: "another port", conninfo: "host=10.0.0.1 port=5433", alter: func(pg1, _ *facts.Node) { pg1.Server.Senders = nil }},
		{name: "the port in force", conninfo: "host=10.0.0.1 port=5433", want: "pg1", alter: func(pg1, _ *facts.Node) {
			pg1.Server.Senders = nil
			setSetting(pg1.Server, "port", "5433", pg1.Host.Conf.Path)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			top := loadText(t, strings.TrimSpace(text))
			f := converged(t, top)
			f.Nodes["pg2"].Server.ConnInfo = topology.NewSecret("", c.conninfo)
			if c.alter != nil {
				c.alter(f.Nodes["pg1"], f.Nodes["pg2"])
			}
			p, _ := Build(top, f, cluster.Options{})
			for _, n := range p.Nodes {
				if n.Name == "pg2" && n.Upstream != c.want {
					t.Errorf("it follows %q, want %q", n.Upstream, c.want)
				}
			}
		})
	}
}
