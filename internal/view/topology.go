package view

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Topology is what a topology says once every expression is a value: who is where and
// follows whom. Secrets are left out.
type Topology struct {
	FormatVersion string            `json:"format_version"`
	Clusters      []TopologyCluster `json:"clusters"`
	Publications  []TopologyFlow    `json:"publications"`
	Subscriptions []TopologyFlow    `json:"subscriptions"`
	Unused        []string          `json:"unused_nodes"` // in no cluster
	of            *topology.Topology
}

// TopologyCluster is one cluster; its primary is the first of Nodes.
type TopologyCluster struct {
	Address     string            `json:"address"`
	Version     int               `json:"version,omitempty"`     // 0: that of the binaries
	Synchronous string            `json:"synchronous,omitempty"` // ANY 1 (pg2, pg3)
	Nodes       []TopologyNode    `json:"nodes"`
	Parameters  map[string]string `json:"parameters"` // the cluster's; a node may have its own
	Roles       []string          `json:"roles"`
	Databases   []string          `json:"databases"`
	Slots       []string          `json:"slots"` // those of slot blocks
}

// TopologyNode is one member of a cluster.
type TopologyNode struct {
	Node       string            `json:"node"`
	Role       string            `json:"role"` // primary or standby
	Upstream   string            `json:"upstream,omitempty"`
	Host       string            `json:"host"`
	Address    string            `json:"address"`
	Port       int               `json:"port"`
	Location   string            `json:"location,omitempty"`
	Slot       string            `json:"slot,omitempty"`
	ApplyDelay float64           `json:"apply_delay_seconds,omitempty"`
	Parameters map[string]string `json:"parameters"` // all that it is given
}

// TopologyFlow is a publication, or a subscription and what it subscribes to.
type TopologyFlow struct {
	Address  string   `json:"address"`
	Cluster  string   `json:"cluster"`
	Database string   `json:"database"`
	Name     string   `json:"name"`
	From     []string `json:"publications,omitempty"`
}

// NewTopology gathers a topology.
func NewTopology(t *topology.Topology) Topology {
	v := Topology{
		FormatVersion: plan.FormatVersion, of: t,
		Clusters: []TopologyCluster{}, Publications: []TopologyFlow{}, Subscriptions: []TopologyFlow{}, Unused: []string{},
	}
	for _, c := range t.Clusters {
		v.Clusters = append(v.Clusters, clusterOf(c))
	}
	for _, p := range t.Publications {
		v.Publications = append(v.Publications, TopologyFlow{Address: p.ID, Cluster: p.Cluster.ID, Database: p.Database, Name: p.Name})
	}
	for _, s := range t.Subscriptions {
		flow := TopologyFlow{Address: s.ID, Cluster: s.Cluster.ID, Database: s.Database, Name: s.Name}
		for _, p := range s.Publications {
			flow.From = append(flow.From, p.ID)
		}
		v.Subscriptions = append(v.Subscriptions, flow)
	}
	for _, n := range t.Nodes {
		if t.Cluster(n) == nil {
			v.Unused = append(v.Unused, n.ID)
		}
	}
	return v
}

func clusterOf(c *topology.Cluster) TopologyCluster {
	v := TopologyCluster{Address: c.ID, Version: c.Version, Parameters: parametersOf(c.Parameters), Roles: []string{}, Databases: []string{}, Slots: []string{}}
	if s := c.Synchronous; s != nil {
		var names []string
		for _, n := range s.Standbys {
			names = append(names, n.Name)
		}
		v.Synchronous = fmt.Sprintf("%s %d (%s)", strings.ToUpper(s.Method), s.Number, strings.Join(names, ", "))
	}
	for _, n := range c.Members() {
		node := TopologyNode{
			Node: n.Name, Role: "primary", Host: n.Host, Address: n.Address, Port: n.Port, Location: n.Location,
			Parameters: parametersOf(c.ParametersOf(n)),
		}
		if sb := c.Standby(n); sb != nil {
			node.Role, node.Upstream, node.Slot, node.ApplyDelay = "standby", sb.Upstream.Name, sb.Slot, sb.ApplyDelay.Seconds()
		}
		v.Nodes = append(v.Nodes, node)
	}
	for _, r := range c.Roles {
		v.Roles = append(v.Roles, r.Name)
	}
	for _, d := range c.Databases {
		v.Databases = append(v.Databases, d.Name)
	}
	for _, s := range c.PermanentSlots {
		v.Slots = append(v.Slots, s.Name)
	}
	return v
}

func parametersOf(all topology.Parameters) map[string]string {
	values := map[string]string{}
	for name, p := range all {
		values[name] = p.Value
		if p.Secret.IsSet() {
			values[name] = topology.Redacted
		}
	}
	return values
}

// JSON writes the topology as one document.
func (t Topology) JSON(w io.Writer) error { return document(w, t) }

// Write writes the topology as tables.
func (t Topology) Write(w io.Writer, style Style) error {
	p := &printer{Style: style, w: w}
	for i, c := range t.Clusters {
		if i > 0 {
			p.line("")
		}
		p.line(p.bold(Clean(c.title())))
		p.table(c.rows())
		for _, f := range t.facets(i) {
			p.line("  ", p.dim(f.name+": "), Clean(strings.Join(f.values, " · ")))
		}
	}
	for _, f := range append(t.Publications, t.Subscriptions...) {
		p.line("")
		p.line(p.bold(Clean(f.Address)), "  ", Clean(f.text()))
	}
	return p.err
}

// Markdown writes it for a page or a merge request.
func (t Topology) Markdown(w io.Writer) error {
	p := &printer{w: w}
	for i, c := range t.Clusters {
		if i > 0 {
			p.line("")
		}
		p.line("### ", MarkdownText(c.title()))
		p.line("")
		for r, row := range c.rows() {
			for k := range row {
				row[k] = MarkdownText(row[k])
			}
			p.line("| ", strings.Join(row, " | "), " |")
			if r == 0 {
				p.line("|", strings.Repeat("---|", len(row)))
			}
		}
		for _, f := range t.facets(i) {
			p.line("")
			var spans []string
			for _, v := range f.values {
				spans = append(spans, CodeSpan(v))
			}
			p.line(f.name, ": ", strings.Join(spans, ", "))
		}
	}
	for i, f := range append(t.Publications, t.Subscriptions...) {
		if i == 0 {
			p.line("")
		}
		p.line("- ", CodeSpan(f.Address), " ", MarkdownText(f.text()))
	}
	return p.err
}

func (c TopologyCluster) title() string {
	title := c.Address
	if c.Version > 0 {
		title += fmt.Sprintf(" · PostgreSQL %d", c.Version)
	}
	if c.Synchronous != "" {
		title += " · synchronous " + c.Synchronous
	}
	return title
}

func (c TopologyCluster) rows() [][]string {
	rows := [][]string{{"NODE", "ROLE", "UPSTREAM", "HOST", "ADDRESS", "PORT", "LOCATION", "SLOT", "DELAY"}}
	for _, n := range c.Nodes {
		delay := ""
		if n.ApplyDelay > 0 {
			delay = lagTime(&n.ApplyDelay)
		}
		rows = append(rows, []string{n.Node, n.Role, n.Upstream, n.Host, n.Address, strconv.Itoa(n.Port), n.Location, n.Slot, delay})
	}
	return rows
}

// facet is a list that a cluster has besides its nodes.
type facet struct {
	name   string
	values []string
}

func (t Topology) facets(i int) []facet {
	c := t.Clusters[i]
	var parameters []string
	for _, name := range t.of.Clusters[i].Parameters.Names() {
		parameters = append(parameters, name+" = "+c.Parameters[name])
	}
	var all []facet
	for _, f := range []facet{{"parameters", parameters}, {"roles", c.Roles}, {"databases", c.Databases}, {"slots", c.Slots}} {
		if len(f.values) > 0 {
			all = append(all, f)
		}
	}
	return all
}

func (f TopologyFlow) text() string {
	text := fmt.Sprintf("%s, database %s", f.Cluster, f.Database)
	if len(f.From) > 0 {
		text += ", from " + strings.Join(f.From, ", ")
	}
	return text
}
