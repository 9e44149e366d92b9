package graph

// Where the nodes of a picture stand: the column is how far a node is from the source of
// its changes. A node's first standby stands beside it, so that the edge is straight, and
// the boxes lie one below the other, so that they never overlap.

// place is where a node stands: in the box of its group, counted from its first row.
type place struct{ column, row int }

// layout returns the places of all nodes, and how many rows each group has.
func (g *Graph) layout() (places map[*Node]place, rows []int) {
	places = map[*Node]place{}
	for _, group := range g.Groups {
		inside := map[*Node]bool{}
		for _, n := range group.Nodes {
			inside[n] = true
		}
		used := 0
		for _, n := range group.Nodes {
			if !inside[n.parent] {
				used = g.put(places, inside, n, used) + 1
			}
		}
		rows = append(rows, used)
	}
	return places, rows
}

// put places a node and what is below it in the same group; it returns the last row used.
func (g *Graph) put(places map[*Node]place, inside map[*Node]bool, n *Node, row int) int {
	places[n] = place{n.depth(), row}
	last, first := row, true
	for _, e := range g.Edges {
		if e.From != n || e.To.parent != n || !inside[e.To] {
			continue
		}
		next := last + 1
		if first {
			next, first = row, false
		}
		last = g.put(places, inside, e.To, next)
	}
	return last
}

// depth is how many servers a change passes on its way to a node.
func (n *Node) depth() int {
	depth := 0
	for p := n.parent; p != nil; p = p.parent {
		depth++
	}
	return depth
}
