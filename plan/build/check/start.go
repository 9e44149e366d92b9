package check

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// What keeps a server from coming back after a restart: it takes each value by itself,
// stops with FATAL over what it holds, and stays down (PostgreSQL docs, 20.5 to 20.7,
// 26.6 "Log-Shipping"; the server's StartupReplicationSlots and friends).

// startFaults are the values with which a server would not start again.
func startFaults(s *cluster.Cluster, n *topology.Node) []*paramFault {
	var faults []*paramFault
	if lacks := s.Found(n).Host.LackedLibraries; len(lacks) > 0 {
		const name = "shared_preload_libraries"
		faults = append(faults, &paramFault{
			at: s.RangeOfParameter(n, name), summary: "Missing library",
			text: fmt.Sprintf("%s is not in PostgreSQL's library directory, and a server does not start without it. Install its package, "+
				"or remove it from %s.", strings.Join(lacks, ", "), name),
		})
	}
	if server := s.Found(n).Server; server != nil && !s.Recloned(n) {
		faults = append(faults, limitFaults(s, n, server)...)
		faults = append(faults, walLevelFaults(s, n, server)...)
		faults = append(faults, reservedFaults(s, n)...)
	}
	return faults
}

// noStart is the fault of a parameter that a running server does not start with.
func noStart(s *cluster.Cluster, n *topology.Node, name, format string, args ...any) []*paramFault {
	return []*paramFault{{at: s.RangeOfParameter(n, name), summary: "Server would not start", text: fmt.Sprintf(format, args...)}}
}

// limitFaults compares limits with what the server holds.
func limitFaults(s *cluster.Cluster, n *topology.Node, server *facts.Server) []*paramFault {
	var faults []*paramFault
	for _, held := range cluster.HeldLimits(server) {
		if !alters(s, n, held.Parameter) {
			continue
		}
		if has := numberOf(s, n, held.Parameter); has < float64(held.N) {
			faults = append(faults, noStart(s, n, held.Parameter, "it has %s, and would not start again with %s = %g. Keep it at %d or more, or remove some of them first.",
				words.Counted(held.N, held.What), held.Parameter, has, held.N)...)
		}
	}
	return faults
}

// walLevelFaults compares wal_level with the slots and settings that need more of it.
func walLevelFaults(s *cluster.Cluster, n *topology.Node, server *facts.Server) []*paramFault {
	const name = "wal_level"
	if !alters(s, n, name) && !alters(s, n, "archive_mode") && !alters(s, n, "max_wal_senders") {
		return nil
	}
	level := s.WillHave(n, name)
	var needs []string
	switch {
	case level == "minimal":
		needs = cluster.Persistent(server.Slots, "")
	case level == "replica":
		needs = cluster.Persistent(server.Slots, topology.SlotLogical)
	}
	switch {
	case len(needs) > 0:
		return noStart(s, n, name, "it has %s (%s), and would not start again with wal_level = %s. Keep wal_level until they are removed.", words.Counted(len(needs), "slot"), words.Few(needs), level)
	case level == "minimal" && len(s.Cluster.Standbys) > 0: // it is too low (checkWALLevel)
	case level == "minimal" && numberOf(s, n, "max_wal_senders") > 0:
		return noStart(s, n, name, "wal_level = minimal also requires max_wal_senders = 0.")
	case level == "minimal" && s.WillHave(n, "archive_mode") != "off":
		return noStart(s, n, name, "wal_level = minimal also requires archive_mode = off.")
	}
	return nil
}

// reservedFaults compares max_connections with what is kept for superusers.
func reservedFaults(s *cluster.Cluster, n *topology.Node) []*paramFault {
	const name = "max_connections"
	if !alters(s, n, name) && !alters(s, n, "superuser_reserved_connections") && !alters(s, n, "reserved_connections") {
		return nil
	}
	reserved := numberOf(s, n, "superuser_reserved_connections") + numberOf(s, n, "reserved_connections") // the second came with 16
	if has := numberOf(s, n, name); has <= reserved {
		return noStart(s, n, name, "max_connections = %g leaves no connection besides the %g reserved ones.", has, reserved)
	}
	return nil
}

// numberOf returns a number as this plan leaves it, in the setting's unit.
func numberOf(s *cluster.Cluster, n *topology.Node, name string) float64 {
	return cluster.Number(s.Found(n).Server.Settings[name], s.WillHave(n, name))
}

// alters reports whether this plan changes a parameter of a server that runs.
func alters(s *cluster.Cluster, n *topology.Node, name string) bool {
	server := s.Found(n).Server
	setting, known := server.Settings[name]
	return known && !cluster.Same(setting, setting.Value, s.WillHave(n, name))
}
