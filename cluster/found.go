package cluster

import (
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

func (s *Cluster) Complete() bool {
	for _, n := range s.Cluster.Members() {
		if !s.Found(n).Complete() {
			return false
		}
	}
	return (s.Live() != nil || s.IsNew()) && !s.logicalUnknown()
}

// Unread names the members that could not be read, or not in full.
func (s *Cluster) Unread() []string {
	var names []string
	for _, n := range s.Cluster.Members() {
		if !s.Found(n).Complete() {
			names = append(names, n.Name)
		}
	}
	return names
}

// Nodes says what was found, for the plan's head.
func (s *Cluster) Nodes() []plan.Node {
	var nodes []plan.Node
	for _, n := range s.Cluster.Members() {
		nodes = append(nodes, s.describe(n))
	}
	return nodes
}

func (s *Cluster) describe(n *topology.Node) plan.Node {
	f := s.Found(n)
	d := plan.Node{Name: n.Name, Host: n.Host, Cluster: s.Cluster.ID, Reachable: f.Error == nil, Role: string(f.Role())}
	for _, e := range []*facts.ReadError{f.Error, f.ServerError} {
		if e != nil {
			d.Error, d.Hint = e.Text, e.Hint
		}
	}
	if f.Host != nil && f.Host.Control != nil {
		d.SystemIdentifier, d.Timeline = f.Host.Control.SystemIdentifier, f.Host.Control.Timeline
	}
	if f.Server != nil {
		d.Version, d.SystemIdentifier, d.Timeline = f.Server.Version, f.Server.SystemIdentifier, f.Server.Timeline
		if up := s.UpstreamOf(f); up != nil {
			d.Upstream = up.Name
		}
	}
	return d
}
