package cluster

import (
	"github.com/repltool/repltool/facts"
)

// StandbyOwn are the parameters that a standby has in postgresql.auto.conf.
func StandbyOwn() []string {
	return []string{"primary_conninfo", "primary_slot_name", "recovery_min_apply_delay"}
}

// LastLines returns, of every parameter in the server's files, the line that counts.
func LastLines(server *facts.Server) map[string]facts.FileSetting {
	last := map[string]facts.FileSetting{}
	for _, f := range server.FileSettings {
		last[f.Name] = f
	}
	return last
}
