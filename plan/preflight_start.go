package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// What keeps a server from coming back after a restart: it takes each value by itself,
// stops with FATAL over what it holds, and stays down (PostgreSQL docs, 20.5 to 20.7,
// 26.6 "Log-Shipping"; the server's StartupReplicationSlots and friends).

// startFaults are the values with which a server would not start again.
func (s *scope) startFaults(n *topology.Node) []*paramFault {
	var faults []*paramFault
	if lacks := s.found(n).Host.LackedLibraries; len(lacks) > 0 {
		const name = "shared_preload_libraries"
		faults = append(faults, &paramFault{
			at: s.rangeOfParameter(n, name), summary: "Library is not installed",
			text: fmt.Sprintf("%s is not in PostgreSQL's library directory, and a server does not start without it. Install its package there, or take it out of %s.", strings.Join(lacks, ", "), name),
		})
	}
	if server := s.found(n).Server; server != nil && !s.recloned(n) {
		faults = append(faults, s.limitFaults(n, server)...)
		faults = append(faults, s.walLevelFaults(n, server)...)
		faults = append(faults, s.reservedFaults(n)...)
	}
	return faults
}

// noStart is the fault of a parameter that a running server does not start with.
func (s *scope) noStart(n *topology.Node, name, format string, args ...any) []*paramFault {
	return []*paramFault{{at: s.rangeOfParameter(n, name), summary: "Server would not start", text: fmt.Sprintf(format, args...)}}
}

// limitFaults compares limits with what the server holds.
func (s *scope) limitFaults(n *topology.Node, server *facts.Server) []*paramFault {
	var faults []*paramFault
	origins := "max_replication_slots"
	if server.Major() >= 18 {
		origins = "max_active_replication_origins"
	}
	for _, need := range []struct {
		name, what string
		n          int
	}{
		{"max_replication_slots", "replication slot", len(persistent(server.Slots, ""))},
		{origins, "replication origin", server.Origins},
		{"max_prepared_transactions", "prepared transaction", server.Prepared},
	} {
		if !s.alters(n, need.name) {
			continue
		}
		if has := s.numberOf(n, need.name); has < float64(need.n) {
			faults = append(faults, s.noStart(n, need.name, "it holds %s, and would not start again with %s = %g. Leave it at %d at least, or remove some first.",
				counted(need.n, need.what), need.name, has, need.n)...)
		}
	}
	return faults
}

// walLevelFaults compares wal_level with the slots and settings that need more of it.
func (s *scope) walLevelFaults(n *topology.Node, server *facts.Server) []*paramFault {
	const name = "wal_level"
	if !s.alters(n, name) && !s.alters(n, "archive_mode") && !s.alters(n, "max_wal_senders") {
		return nil
	}
	level := s.willHave(n, name)
	var needs []string
	switch {
	case level == "minimal":
		needs = persistent(server.Slots, "")
	case level == "replica":
		needs = persistent(server.Slots, topology.SlotLogical)
	}
	switch {
	case len(needs) > 0:
		return s.noStart(n, name, "it holds %s (%s), and would not start again with wal_level = %s. Leave wal_level as it is until they are gone.", counted(len(needs), "slot"), few(needs), level)
	case level == "minimal" && len(s.cluster.Standbys) > 0: // it is too low (checkWALLevel)
	case level == "minimal" && s.numberOf(n, "max_wal_senders") > 0:
		return s.noStart(n, name, "wal_level = minimal wants max_wal_senders = 0 as well.")
	case level == "minimal" && s.willHave(n, "archive_mode") != "off":
		return s.noStart(n, name, "wal_level = minimal wants archive_mode = off as well.")
	}
	return nil
}

// reservedFaults compares max_connections with what is kept for superusers.
func (s *scope) reservedFaults(n *topology.Node) []*paramFault {
	const name = "max_connections"
	if !s.alters(n, name) && !s.alters(n, "superuser_reserved_connections") && !s.alters(n, "reserved_connections") {
		return nil
	}
	reserved := s.numberOf(n, "superuser_reserved_connections") + s.numberOf(n, "reserved_connections") // the second came with 16
	if has := s.numberOf(n, name); has <= reserved {
		return s.noStart(n, name, "max_connections = %g leaves nothing beside the %g connections that are reserved.", has, reserved)
	}
	return nil
}

// persistent names the slots that outlive a restart; kind "" is every kind.
func persistent(slots []facts.Slot, kind string) []string {
	var names []string
	for _, slot := range slots {
		if !slot.Temporary && (kind == "" || slot.Type == kind) {
			names = append(names, slot.Name)
		}
	}
	slices.Sort(names)
	return names
}

// rangeOfParameter answers where a parameter is set: at the cluster, if nowhere.
func (s *scope) rangeOfParameter(n *topology.Node, name string) hcl.Range {
	if p, given := s.parametersOf(n)[name]; given {
		return p.Range
	}
	return s.cluster.Range
}

// numberOf answers a number as this plan leaves it, in the setting's unit.
func (s *scope) numberOf(n *topology.Node, name string) float64 {
	return number(s.found(n).Server.Settings[name], s.willHave(n, name))
}

// alters tells whether this plan changes a parameter of a server that runs.
func (s *scope) alters(n *topology.Node, name string) bool {
	server := s.found(n).Server
	setting, known := server.Settings[name]
	return known && !same(setting, setting.Value, s.willHave(n, name))
}
