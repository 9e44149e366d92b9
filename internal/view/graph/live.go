package graph

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
)

// Show adds what was found: states, lag, and how many changes the plan has for each node.
func (g *Graph) Show(s view.Status, p *plan.Plan) {
	g.Live = true
	for _, c := range s.Clusters {
		for _, standing := range c.Nodes {
			g.stand(standing)
		}
		for _, sub := range c.Subscriptions {
			g.subscribes(sub)
		}
	}
	for _, n := range g.nodes() {
		for _, found := range p.Nodes {
			if found.Name == n.Name && found.Version != "" {
				n.Version, _, _ = strings.Cut(found.Version, " ")
			}
		}
		for _, change := range p.Changes {
			if slices.Contains(change.Nodes, n.Name) {
				n.Changes++
			}
		}
	}
}

// stand adds the state of a node, and of the stream that it gets.
func (g *Graph) stand(s view.Standing) {
	i := slices.IndexFunc(g.nodes(), func(n *Node) bool { return n.Name == s.Node && n.Cluster != "" })
	if i < 0 {
		return
	}
	n := g.nodes()[i]
	wanted := n.Role
	n.State = nodeState(s, wanted)
	if n.State != NotRead {
		n.Role = s.Role
	}
	for i := range g.Edges {
		if e := &g.Edges[i]; e.To == n && e.Kind != Logical {
			e.State = streamState(s)
			if e.Lag = lagText(cmp.Or(s.State, s.Role), s.LagBytes, s.LagTime); e.State == NotRead {
				e.Lag = string(NotRead)
			}
		}
	}
}

// nodeState judges a node by its role, and a standby by its stream as well.
func nodeState(s view.Standing, wanted string) State {
	switch {
	case s.Error != "" || s.Role == string(facts.RoleUnknown):
		return NotRead
	case s.Role != wanted:
		return Failed
	case s.Role == string(facts.RoleStandby):
		return streamState(s)
	}
	return Well
}

func streamState(s view.Standing) State {
	switch s.State {
	case "streaming":
		return Well
	case "catchup", "startup", "backup", "copying":
		return Working
	case "":
		if s.Error != "" {
			return NotRead
		}
	}
	return Failed
}

// lagText is the state of a stream if it is not streaming, else its lag.
func lagText(state string, bytes *int64, seconds *float64) string {
	if state != "streaming" {
		return state
	}
	var parts []string
	if bytes != nil {
		parts = append(parts, view.Bytes(*bytes))
	}
	if seconds != nil {
		parts = append(parts, view.Duration(time.Duration(*seconds*float64(time.Second))))
	}
	return strings.Join(parts, " · ")
}

// subscribes adds the state of a subscription; an edge of several has the worst of them.
func (g *Graph) subscribes(s view.SubscriptionStatus) {
	for i := range g.Edges {
		e := &g.Edges[i]
		if e.Kind != Logical || e.To.Name != s.Node || !e.from(s.Publisher) {
			continue
		}
		if state := subscriptionState(s.State); e.State == NotAsked || worse(state, e.State) {
			e.State, e.Lag = state, lagText(s.State, s.LagBytes, s.LagTime)
		}
	}
}

// from reports whether an edge begins at a publisher, a node or the host of one outside.
func (e *Edge) from(publisher string) bool {
	if e.From.Cluster == "" {
		host, _, _ := strings.Cut(e.From.Address, ":")
		return host == publisher || e.From.Address == publisher
	}
	return e.From.Name == publisher
}

func subscriptionState(state string) State {
	switch state {
	case "streaming":
		return Well
	case "copying":
		return Working
	case "unknown":
		return NotRead
	}
	return Failed
}

func worse(a, b State) bool {
	order := []State{Well, Working, NotRead, Failed}
	return slices.Index(order, a) > slices.Index(order, b)
}
