// Package importer says how what runs would be written down: Facts → Topology.
//
// Rules:
//   - what is written describes what is in force, and plans to marks of ownership alone where
//     the language can say it. What it cannot say is left out, and a comment says so in its
//     place: leaving out is never a change;
//   - no secret is in it. A password that is known is the value of a variable, for the plan that
//     proves the result;
//   - pure: the same servers make the same topology.
package importer

import (
	"github.com/repltool/repltool/importer/write"
	"github.com/repltool/repltool/topology"
)

// Decide returns how the servers would be written down. All of them were read.
func Decide(all []Seen, o Options) (*Decision, error) {
	doc := &write.Document{Topology: &topology.Topology{}}
	d := &decider{
		o: o, doc: doc, names: map[string]bool{},
		d: &Decision{Document: doc, Nodes: map[string]Seen{}, Passwords: map[string]topology.Secret{}},
	}
	groups, err := grouped(all)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		g.link()
		d.name(g)
	}
	d.flows = flows(groups)
	for _, g := range groups {
		d.nodes(g)
		d.clusterOf(g, len(groups))
		d.publications(g)
	}
	for _, f := range d.flows {
		d.subscription(f)
	}
	d.head(groups)
	return d.d, nil
}

// clusterOf fills in all of a cluster.
func (d *decider) clusterOf(g *group, of int) {
	c := &topology.Cluster{Name: d.clusterName(g, of), Version: g.primary().server().Major(), Primary: g.primary().node, Slots: true}
	c.ID = "cluster." + c.Name
	g.cluster = c
	d.doc.Topology.Clusters = append(d.doc.Topology.Clusters, c)
	d.standbys(g)
	d.parameters(g)
	d.login(g)
	d.objects(g)
	d.synchronous(g)
	d.tablespaces(g)
	d.slots(g)
	d.notes(g)
}
