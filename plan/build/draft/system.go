package draft

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// AlterSystem is the statement that writes a parameter into postgresql.auto.conf.
func AlterSystem(name, value string) string {
	return "ALTER SYSTEM SET " + name + " = " + pg.Literal(value) + ";"
}

// ResetSystem is the statement that removes a parameter from postgresql.auto.conf.
func ResetSystem(name string) string { return "ALTER SYSTEM RESET " + name + ";" }

// SystemAsFound is the statement that restores what postgresql.auto.conf of a node had when
// the node was read.
func SystemAsFound(s *cluster.Cluster, n *topology.Node, name string) string {
	for _, f := range s.Found(n).Server.FileSettings {
		if f.Name == name && strings.HasSuffix(f.File, "/"+cluster.AutoConf) {
			return AlterSystem(name, f.Value)
		}
	}
	return ResetSystem(name)
}
