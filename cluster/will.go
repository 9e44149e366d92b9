package cluster

import (
	"github.com/repltool/repltool/topology"
)

// WillListen answers listen_addresses as this plan leaves it.
func (s *Cluster) WillListen(n *topology.Node) string {
	const name = "listen_addresses"
	if server := s.Found(n).Server; server != nil && Fixed(server.Settings[name]) {
		return server.InForce(name)
	}
	return s.WillHave(n, name)
}

// WillBe answers a parameter of the primary as this plan leaves it; "" unknown.
func (s *Cluster) WillBe(name string) string { return s.WillHave(s.Cluster.Primary, name) }

// WillHave answers a parameter of n as this plan leaves it; "" unknown.
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
	return map[string]string{
		"wal_level": "replica", "max_replication_slots": "10", "max_wal_senders": "10",
		"max_logical_replication_workers": "4", "max_worker_processes": "8", "max_sync_workers_per_subscription": "2",
		"max_prepared_transactions": "0", "max_parallel_apply_workers_per_subscription": "2", "max_active_replication_origins": "10",
		"max_locks_per_transaction": "64", "max_connections": "100", "autovacuum_max_workers": "3",
	}[name]
}
