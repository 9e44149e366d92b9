package cluster

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// What is replicated from or to a server stands on some of its parameters: where it listens,
// what its WAL has, how many slots, senders and workers it has. A change of these is needed by
// what comes after it; a change of others, such as shared_buffers, only comes first.

// basis are the parameters that replication stands on.
func basis() []string {
	return append([]string{
		"port", "listen_addresses", "unix_socket_directories", "ssl", "wal_level", "max_replication_slots", "max_active_replication_origins",
		"max_logical_replication_workers", "max_sync_workers_per_subscription", "max_parallel_apply_workers_per_subscription",
		"hot_standby", "hot_standby_feedback", "sync_replication_slots", "shared_preload_libraries",
	}, pg.HotStandby()...)
}

// Basis is the change of n's parameters, where it changes one that replication stands on,
// or may; else nothing.
func (s *Cluster) Basis(n *topology.Node) []topology.Address {
	return compute(s, "basis", n, func() []topology.Address {
		if server := s.Found(n).Server; server != nil && !s.movesBasis(n, server) {
			return nil
		}
		return []topology.Address{s.ParametersAddress(n)}
	})
}

// movesBasis reports whether this plan gives such a parameter of a server another value.
func (s *Cluster) movesBasis(n *topology.Node, server *facts.Server) bool {
	lines, block := s.Lines(n), s.ConfBlock(s.Found(n).Host)
	left := s.LeftBlock(n, lines)
	return slices.ContainsFunc(basis(), func(name string) bool {
		setting := server.Settings[name]
		if _, has := block.Value(name); !has && !HasLine(lines, name) {
			return setting.PendingRestart || slices.ContainsFunc(left, func(p Pending) bool { return p.Name == name })
		}
		will := s.WillHave(n, name)
		return setting.PendingRestart || will != "" && !Same(setting, server.InForce(name), will)
	})
}
