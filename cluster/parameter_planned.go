package cluster

import (
	"github.com/repltool/repltool/topology"
)

// WillListen returns listen_addresses as this plan leaves it.
func (s *Cluster) WillListen(n *topology.Node) string {
	const name = "listen_addresses"
	if server := s.Found(n).Server; server != nil && Fixed(server.Settings[name]) {
		return server.InForce(name)
	}
	return s.WillHave(n, name)
}

// WillBe returns a parameter of the member that should lead as this plan leaves it; "" unknown.
func (s *Cluster) WillBe(name string) string { return s.WillHave(s.Goal.Primary, name) }

// WillHave returns a parameter of n as this plan leaves it; "" unknown.
func (s *Cluster) WillHave(n *topology.Node, name string) string {
	if p, given := s.ParametersOf(n)[name]; given {
		return p.Value
	}
	if !s.Running(n) {
		return BootValue(name)
	}
	for _, l := range s.derived(n) {
		if l.Name == name {
			return l.Value
		}
	}
	return s.outside(n, name, "")
}

// BootValue is PostgreSQL's default, for a server that is yet to be made.
func BootValue(name string) string {
	switch name {
	case "wal_level":
		return "replica"
	case "max_replication_slots", "max_wal_senders", "max_active_replication_origins":
		return "10"
	case "max_logical_replication_workers":
		return "4"
	case "max_worker_processes":
		return "8"
	case "max_sync_workers_per_subscription", "max_parallel_apply_workers_per_subscription":
		return "2"
	case "max_prepared_transactions":
		return "0"
	case "max_locks_per_transaction":
		return "64"
	case "max_connections":
		return "100"
	case "autovacuum_max_workers":
		return "3"
	}
	return ""
}
