package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
)

// nodes fills in how the nodes of a cluster are reached.
func (d *decider) nodes(g *group) {
	for _, m := range g.members {
		m.node.Address = d.address(g, m)
		if m.Facts.Host.Layout == facts.LayoutBare {
			m.node.DataDir = m.Facts.Host.DataDir
		}
		d.doc.Topology.Nodes = append(d.doc.Topology.Nodes, m.node)
	}
}

// address is where the others reach a server: as those who follow it call it, so that their
// connections stay as they are; else as its upstream sees it, unless its host resolves to that.
func (d *decider) address(g *group, m *member) string {
	for _, o := range g.members {
		if h := o.calls(m); h != "" && !strings.HasPrefix(h, "/") {
			return h
		}
	}
	for _, f := range d.flows {
		if f.publisher != nil && f.publisher.primary() == m {
			return f.host
		}
	}
	if m.sender != nil {
		return m.seenFrom(m.upstream, m.sender)
	}
	for _, f := range d.flows {
		if f.publisher != nil && f.subscriber.primary() == m && f.sender != nil {
			return m.seenFrom(f.publisher.primary(), f.sender)
		}
	}
	return m.Host
}

// seenFrom is the address by which a server that sends to m knows it; its host where that
// means the same there.
func (m *member) seenFrom(up *member, sender *facts.Sender) string {
	if sender.ClientAddr == "" || pg.SameHost(m.Host, sender.ClientAddr) || slices.Contains(up.Resolved[m.Host], sender.ClientAddr) {
		return m.Host
	}
	return sender.ClientAddr
}

// calls is the host by which a standby connects to its upstream; "" where that is another.
func (m *member) calls(up *member) string {
	if m.upstream != up {
		return ""
	}
	if h := m.hostOf(up); h != "" {
		return h
	}
	host, _, _ := strings.Cut(m.conn["host"], ",")
	return host
}

// calledOtherwise says of each standby that its connection names the upstream by another host or
// port than the node's address: a plan would change it.
func (g *group) calledOtherwise() []string {
	var all []string
	for _, m := range g.members[1:] {
		if h := m.calls(m.upstream); !pg.SameHost(h, m.upstream.node.Address) && h != "" {
			all = append(all, fmt.Sprintf("%s connects to %s as %s.", m.node.Name, m.upstream.node.Name, h))
		}
	}
	return all
}
