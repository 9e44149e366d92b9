package cluster

import (
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// PrimaryOwn are the parameters that mean something on a primary only: on a standby they
// wait for its promotion, and would make it wait for the standbys of another one.
func PrimaryOwn() []string { return []string{SyncNames, SyncedSlots} }

// copyConn is how pg_basebackup connects: under its own name, so that no synchronous set
// takes it for the standby.
func (s *Cluster) copyConn(sb *topology.Standby) map[string]string {
	c := s.ConnInfo(sb)
	c[ApplicationKey] = facts.BaseBackup
	return c
}

// StandbyOwn are the parameters that a standby has in postgresql.auto.conf.
func StandbyOwn() []string {
	return []string{"primary_conninfo", "primary_slot_name", "recovery_min_apply_delay"}
}

// LastLines answers, of every parameter in the server's files, the line that counts.
func LastLines(server *facts.Server) map[string]facts.FileSetting {
	last := map[string]facts.FileSetting{}
	for _, f := range server.FileSettings {
		last[f.Name] = f
	}
	return last
}
