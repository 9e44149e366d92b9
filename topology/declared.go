package topology

import (
	"slices"

	"github.com/hashicorp/hcl/v2"
)

// Declared returns the addresses of what the topology declares and a plan compares: the
// configuration of each member, the objects of each cluster, publications and subscriptions;
// clusters in order.
func (t *Topology) Declared() []Address {
	var all []Address
	for _, c := range t.Clusters {
		all = append(all, c.declared()...)
	}
	for _, p := range t.Publications {
		all = append(all, p.Address())
	}
	for _, s := range t.Subscriptions {
		all = append(all, s.Address())
	}
	return all
}

func (c *Cluster) declared() []Address {
	var all []Address
	at := c.Address()
	for _, n := range c.Members() {
		node := at.Object("node", n.Name)
		all = append(all, node.With(PartHBA), node.With(PartParameters))
	}
	for _, s := range c.Standbys {
		all = append(all, at.Object("standby", s.Node.Name))
	}
	for _, r := range c.Roles {
		all = append(all, at.Object("role", r.Name))
	}
	for _, db := range c.Databases {
		all = append(all, at.Object("database", db.Name))
	}
	for _, s := range c.PermanentSlots {
		all = append(all, at.Object("slot", s.Name))
	}
	if c.Synchronous != nil {
		all = append(all, at.Object("synchronous", ""))
	}
	return all
}

// ClusterOf returns the cluster that an address lies in, or nil.
func (t *Topology) ClusterOf(a Address) *Cluster {
	a.Part = ""
	for _, p := range t.Publications {
		if a == p.Address() {
			return p.Cluster
		}
	}
	for _, s := range t.Subscriptions {
		if a == s.Address() {
			return s.Cluster
		}
	}
	for _, c := range t.Clusters {
		if c.Address().Contains(a) {
			return c
		}
	}
	return nil
}

// RangeOf returns where the topology declares what is at an address, as exactly as it knows:
// for one parameter of a node, where that is given. Empty for an address that the topology
// does not have.
func (t *Topology) RangeOf(a Address, parameter string) hcl.Range {
	a.Part = "" // a part is declared with its object
	for _, p := range t.Publications {
		if a == p.Address() {
			return p.Range
		}
	}
	for _, s := range t.Subscriptions {
		if a == s.Address() {
			return s.Range
		}
	}
	c := t.ClusterOf(a)
	if c == nil {
		return hcl.Range{}
	}
	if at := c.rangeOf(a, parameter); at.Filename != "" {
		return at
	}
	return c.Range
}

// rangeOf is empty for what has no block of its own.
func (c *Cluster) rangeOf(a Address, parameter string) hcl.Range {
	switch a.Kind {
	case "node":
		return c.rangeOfNode(a.Name, parameter)
	case "standby":
		return c.rangeOfStandby(a.Name)
	case "slot":
		if i := slices.IndexFunc(c.Standbys, func(s *Standby) bool { return s.Slot == a.Name }); i >= 0 {
			return c.rangeOfStandby(c.Standbys[i].Node.Name)
		}
		if i := slices.IndexFunc(c.PermanentSlots, func(s *Slot) bool { return s.Name == a.Name }); i >= 0 {
			return c.PermanentSlots[i].Range
		}
	case "role":
		if r := c.Role(a.Name); r != nil {
			return r.Range
		}
	case "database":
		if db := c.Database(a.Name); db != nil {
			return db.Range
		}
	case "synchronous":
		if c.Synchronous != nil {
			return c.Synchronous.Range
		}
	}
	return hcl.Range{}
}

func (c *Cluster) rangeOfNode(name, parameter string) hcl.Range {
	for _, n := range c.Members() {
		if n.Name != name {
			continue
		}
		if p, given := c.ParametersOf(n)[parameter]; given && p.Range.Filename != "" {
			return p.Range
		}
		return n.Range
	}
	return hcl.Range{}
}

// rangeOfStandby is the standby's block or, where it has none, its node's.
func (c *Cluster) rangeOfStandby(name string) hcl.Range {
	for _, s := range c.Standbys {
		if s.Node.Name == name && s.Range.Filename != "" {
			return s.Range
		}
	}
	return c.rangeOfNode(name, "")
}
