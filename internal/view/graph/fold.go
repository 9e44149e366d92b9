package graph

import "fmt"

// A picture of very many nodes is read only if what is alike is drawn once.

// mostNodes are drawn one by one.
const mostNodes = 40

// leastAlike nodes become one.
const leastAlike = 3

// likeness is what standbys that are drawn as one have in common.
type likeness struct {
	group   int
	from    *Node
	kind    Kind
	detail  string
	state   State
	role    string
	version string
	changed bool
}

// fold draws standbys that are alike, and have nothing below them, as one node, if there
// are more than can be read one by one. Lag is then left out.
func (g *Graph) fold() {
	if len(g.nodes()) <= mostNodes {
		return
	}
	alike := map[likeness][]*Node{}
	into := map[*Node]likeness{}
	for _, e := range g.Edges {
		if e.Kind == Logical || g.feeds(e.To) {
			continue
		}
		like := likeness{g.groupOf(e.To), e.From, e.Kind, e.Detail, e.State, e.To.Role, e.To.Version, e.To.Changes > 0}
		alike[like] = append(alike[like], e.To)
		into[e.To] = like
	}
	gone := func(n *Node) bool {
		all := alike[into[n]]
		return len(all) >= leastAlike && all[0] != n
	}
	var edges []Edge
	for _, e := range g.Edges {
		all := alike[into[e.To]]
		switch {
		case e.Kind != Logical && gone(e.To):
			continue
		case e.Kind != Logical && len(all) >= leastAlike:
			stack(e.To, all)
			e.Lag = ""
		}
		edges = append(edges, e)
	}
	g.Edges = edges
	for i := range g.Groups {
		var nodes []*Node
		for _, n := range g.Groups[i].Nodes {
			if !gone(n) {
				nodes = append(nodes, n)
			}
		}
		g.Groups[i].Nodes = nodes
	}
}

// stack makes the first node of several stand for all.
func stack(n *Node, all []*Node) {
	changes := 0
	for _, one := range all {
		changes += one.Changes
	}
	n.Address = fmt.Sprintf("%s … %s", n.Name, all[len(all)-1].Name)
	n.Name, n.Count, n.Changes = fmt.Sprintf("%d standbys", len(all)), len(all), changes
}

// feeds reports whether a node has standbys or subscribers.
func (g *Graph) feeds(n *Node) bool {
	for _, e := range g.Edges {
		if e.From == n {
			return true
		}
	}
	return false
}

func (g *Graph) groupOf(n *Node) int {
	for i, group := range g.Groups {
		for _, m := range group.Nodes {
			if m == n {
				return i
			}
		}
	}
	return -1
}
