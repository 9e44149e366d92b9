package plan

import "github.com/repltool/repltool/topology"

// What -target may name: everything that the topology has, whether it changes or not,
// what the ledger knows, and what changes.

// addresses answers them all; a target is one of them, or above some.
func addresses(scopes []*scope, drafts []*draft) []topology.Address {
	var all []topology.Address
	for _, s := range scopes {
		all = append(all, s.addresses()...)
	}
	for _, d := range drafts {
		all = append(all, d.Address)
	}
	return all
}

func (s *scope) addresses() []topology.Address {
	c := s.cluster
	all := []topology.Address{c.Address(), s.syncAddress(), s.ledgerAddress()}
	for _, n := range c.Members() {
		all = append(all, s.nodeAddress(n), s.parametersAddress(n), s.hbaAddress(n))
	}
	for _, sb := range c.Standbys {
		all = append(all, s.standbyAddress(sb.Node))
	}
	for _, r := range c.Roles {
		all = append(all, s.address("role", r.Name))
	}
	for _, db := range c.Databases {
		all = append(all, s.address("database", db.Name))
	}
	for _, slot := range s.wantedSlots() {
		all = append(all, s.address("slot", slot.Name))
	}
	for _, p := range s.publications() {
		all = append(all, p.Address())
	}
	for _, sub := range s.subscriptions() {
		all = append(all, sub.Address())
	}
	return append(all, s.ledgerAddresses()...)
}

// ledgerAddresses are those of what repltool made, the topology may have it or not.
func (s *scope) ledgerAddresses() []topology.Address {
	var all []topology.Address
	for _, r := range s.ledger().rows {
		if s.clusterAddress.Contains(r.address) {
			all = append(all, r.address, s.addressOfRow(r.address))
		}
	}
	return all
}
