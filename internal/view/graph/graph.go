// Package graph draws who replicates to whom: as text, as source for dot and mermaid, and
// as a picture of its own.
//
// Rules:
//   - what is drawn is replication, and not the order of changes: a node is a server, an
//     edge is a stream of WAL or a subscription;
//   - the same topology and facts give the same bytes;
//   - every meaning of a color is in a word or the form of a line too.
package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/topology"
)

// Graph is replication as it is to be drawn.
type Graph struct {
	Groups []Group
	Edges  []Edge // standbys in the order of the topology, then subscriptions
	Live   bool   // states and lag are known
}

// Group is what is drawn in one box: the nodes of a location if the topology has
// locations, else those of a cluster.
type Group struct {
	Title string
	Nodes []*Node
}

// Node is a server, or several that are alike.
type Node struct {
	Name     string
	Cluster  string // its name; "" outside of the topology
	Role     string // primary, standby or publisher
	Version  string // "15"; "" if it is not known
	Address  string // host:port
	Location string
	Count    int // of servers, if it stands for more than one
	State    State
	Changes  int // of a live graph: changes that the plan has for it
	parent   *Node
}

// Kind is how an edge replicates.
type Kind string

// The kinds. A synchronous standby is one that commits may wait for.
const (
	Synchronous  Kind = "sync"
	Asynchronous Kind = "async"
	Logical      Kind = "logical"
)

// Edge is a stream from an upstream to a standby, or from a publisher to a subscriber.
type Edge struct {
	From, To *Node
	Kind     Kind
	Detail   string // "any 1 of 2", "delayed 1h", the subscriptions
	Lag      string // of a live graph
	State    State
}

// State is how a node or an edge is, as far as a color tells.
type State string

// The states.
const (
	NotAsked State = ""         // the graph is not live
	Well     State = "well"     // streaming, or a primary that runs
	Working  State = "working"  // catching up, copying
	Failed   State = "failed"   // down, not connected, lost
	NotRead  State = "not read" // it could not be asked
)

// New returns the graph of a topology.
func New(t *topology.Topology) *Graph {
	g := &Graph{}
	byName := map[string]*Node{}
	for _, c := range t.Clusters {
		for _, m := range c.Members() {
			byName[m.Name] = nodeOf(c, m)
		}
		for _, sb := range c.Standbys {
			from, to := byName[sb.Upstream.Name], byName[sb.Node.Name]
			to.parent = from
			g.Edges = append(g.Edges, streamTo(c, sb, from, to))
		}
	}
	outside := g.subscriptions(t, byName)
	g.Groups = groups(t, byName)
	if len(outside) > 0 {
		g.Groups = append([]Group{{Title: "outside of the topology", Nodes: outside}}, g.Groups...)
	}
	return g
}

func nodeOf(c *topology.Cluster, m *topology.Node) *Node {
	n := &Node{Name: m.Name, Cluster: c.Name, Role: "standby", Address: address(m.Address, m.Port), Location: m.Location, Count: 1}
	if c.Version > 0 {
		n.Version = fmt.Sprint(c.Version)
	}
	if m == c.Primary {
		n.Role = "primary"
	}
	return n
}

func address(host string, port int) string {
	if port == 0 {
		return host
	}
	return fmt.Sprintf("%s:%d", host, port)
}

// setOf is the synchronous set in words.
func setOf(s *topology.Synchronous) string {
	return fmt.Sprintf("%s %d of %d", s.Method, s.Number, len(s.Standbys))
}

// streamTo is the edge to a standby. PostgreSQL waits only for standbys that follow the
// primary itself (PostgreSQL docs, 27.2.8).
func streamTo(c *topology.Cluster, sb *topology.Standby, from, to *Node) Edge {
	e := Edge{From: from, To: to, Kind: Asynchronous}
	if s := c.Synchronous; s != nil && sb.Upstream == c.Primary && slices.Contains(s.Standbys, sb.Node) {
		e.Kind, e.Detail = Synchronous, setOf(s)
	}
	if sb.ApplyDelay > 0 {
		e.Detail = strings.TrimPrefix(e.Detail+", delayed "+view.Duration(sb.ApplyDelay), ", ")
	}
	return e
}

// subscriptions adds the edges from publishers to subscribers, one for each pair, and
// returns the publishers that the topology does not have.
func (g *Graph) subscriptions(t *topology.Topology, byName map[string]*Node) []*Node {
	var outside []*Node
	for _, sub := range t.Subscriptions {
		to := byName[sub.Cluster.Primary.Name]
		from := byName[publisherName(sub)]
		if from == nil {
			from = &Node{Name: publisherName(sub), Role: "publisher", Address: publisherName(sub), Count: 1}
			byName[from.Name] = from
			outside = append(outside, from)
		}
		if to.parent == nil && !below(from, to) {
			to.parent = from
		}
		if e := g.edge(from, to); e != nil {
			e.Detail += ", " + sub.Name
			continue
		}
		g.Edges = append(g.Edges, Edge{From: from, To: to, Kind: Logical, Detail: sub.Name})
	}
	return outside
}

// publisherName is the node that a subscription gets its changes from, or the address of
// a server outside of the topology.
func publisherName(sub *topology.Subscription) string {
	if c := sub.Publisher(); c != nil {
		return c.Primary.Name
	}
	return address(sub.Connection.Host, sub.Connection.Port)
}

// below reports whether a node gets its changes from another, through any number of others.
func below(n, other *Node) bool {
	for ; n != nil; n = n.parent {
		if n == other {
			return true
		}
	}
	return false
}

func (g *Graph) edge(from, to *Node) *Edge {
	for i := range g.Edges {
		if e := &g.Edges[i]; e.From == from && e.To == to && e.Kind == Logical {
			return e
		}
	}
	return nil
}

// groups are the boxes: locations if there are any, else clusters.
func groups(t *topology.Topology, byName map[string]*Node) []Group {
	var all []Group
	into := func(title string, n *Node) {
		for i := range all {
			if all[i].Title == title {
				all[i].Nodes = append(all[i].Nodes, n)
				return
			}
		}
		all = append(all, Group{Title: title, Nodes: []*Node{n}})
	}
	located := false
	for _, n := range t.Nodes {
		located = located || n.Location != "" && byName[n.Name] != nil
	}
	for _, c := range t.Clusters {
		for _, m := range c.Members() {
			switch {
			case !located:
				into("cluster "+c.Name, byName[m.Name])
			case m.Location == "":
				into("no location", byName[m.Name])
			default:
				into(m.Location, byName[m.Name])
			}
		}
	}
	return all
}

// nodes are all nodes in the order of the boxes.
func (g *Graph) nodes() []*Node {
	var all []*Node
	for _, group := range g.Groups {
		all = append(all, group.Nodes...)
	}
	return all
}
