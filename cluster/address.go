package cluster

import (
	"github.com/repltool/repltool/topology"
)

// Texts returns addresses as people write them.
func Texts(addresses []topology.Address) []string {
	all := make([]string, len(addresses))
	for i, a := range addresses {
		all[i] = a.String()
	}
	return all
}

// blocks returns the addresses of the clusters, publications and subscriptions.
func blocks(t *topology.Topology) []topology.Address {
	var all []topology.Address
	for _, c := range t.Clusters {
		all = append(all, c.Address())
	}
	for _, p := range t.Publications {
		all = append(all, p.Address())
	}
	return append(all, subscriptionBlocks(t)...)
}

// Addresses of the cluster's objects.

func (s *Cluster) Address(kind, name string) topology.Address {
	return s.ClusterAddress.Object(kind, name)
}

func (s *Cluster) NodeAddress(n *topology.Node) topology.Address {
	return s.Address("node", n.Name)
}

func (s *Cluster) ParametersAddress(n *topology.Node) topology.Address {
	return s.NodeAddress(n).With(topology.PartParameters)
}

func (s *Cluster) HBAAddress(n *topology.Node) topology.Address {
	return s.NodeAddress(n).With(topology.PartHBA)
}

func (s *Cluster) EarlierHBAAddress(n *topology.Node) topology.Address {
	return s.NodeAddress(n).With(topology.PartEarlierHBA)
}

func (s *Cluster) StandbyAddress(n *topology.Node) topology.Address {
	return s.Address("standby", n.Name)
}

func (s *Cluster) SyncAddress() topology.Address { return s.Address("synchronous", "") }

// PrimaryAddress is that of who leads.
func (s *Cluster) PrimaryAddress() topology.Address { return s.Address("primary", "") }

func (s *Cluster) LedgerAddress() topology.Address { return s.Address("ledger", "") }

func subscriptionBlocks(t *topology.Topology) []topology.Address {
	var all []topology.Address
	for _, sub := range t.Subscriptions {
		all = append(all, sub.Address())
	}
	return all
}
