package build

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// What -target may name: everything that the topology has, whether it changes or not,
// what the ledger knows, and what changes.

// targetable returns them all; a target is one of them, or above some.
func targetable(scopes []*cluster.Cluster, drafts []*draft.Draft) []topology.Address {
	var all []topology.Address
	for _, s := range scopes {
		all = append(all, addresses(s)...)
	}
	for _, d := range drafts {
		all = append(all, d.Address)
	}
	return all
}

func addresses(s *cluster.Cluster) []topology.Address {
	c := s.Cluster
	all := []topology.Address{c.Address(), s.SyncAddress(), s.LedgerAddress()}
	for _, n := range c.Members() {
		all = append(all, s.NodeAddress(n), s.ParametersAddress(n), s.HBAAddress(n))
	}
	for _, sb := range c.Standbys {
		all = append(all, s.StandbyAddress(sb.Node))
	}
	for _, r := range c.Roles {
		all = append(all, s.Address("role", r.Name))
	}
	for _, db := range c.Databases {
		all = append(all, s.Address("database", db.Name))
	}
	for _, slot := range s.WantedSlots() {
		all = append(all, s.Address("slot", slot.Name))
	}
	for _, p := range s.Publications() {
		all = append(all, p.Address())
	}
	for _, sub := range s.Subscriptions() {
		all = append(all, sub.Address())
	}
	return append(all, ledgerAddresses(s)...)
}

// ledgerAddresses are those of what repltool made, the topology may have it or not.
func ledgerAddresses(s *cluster.Cluster) []topology.Address {
	var all []topology.Address
	for _, r := range s.Ledger().Rows {
		if s.ClusterAddress.Contains(r.Address) {
			all = append(all, r.Address, s.AddressOfRow(r.Address))
		}
	}
	return all
}
