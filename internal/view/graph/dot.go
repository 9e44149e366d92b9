package graph

import (
	"fmt"
	"io"
	"strings"
)

// Dot writes the graph as source for Graphviz.
func (g *Graph) Dot(w io.Writer) error {
	g.fold()
	var b strings.Builder
	b.WriteString("digraph replication {\n  rankdir=LR;\n  node [shape=box, style=rounded, fontname=\"sans-serif\"];\n  edge [fontname=\"sans-serif\", fontsize=10];\n")
	ids := g.ids()
	for i, group := range g.Groups {
		fmt.Fprintf(&b, "  subgraph cluster_%d {\n    label=%s;\n", i+1, dotText(group.Title))
		for _, n := range group.Nodes {
			fmt.Fprintf(&b, "    %s [label=%s%s];\n", ids[n], dotText(n.lines()...), dotNode(n))
		}
		b.WriteString("  }\n")
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  %s -> %s [label=%s%s];\n", ids[e.From], ids[e.To], dotText(e.lines()...), dotEdge(e))
	}
	b.WriteString("}\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func dotNode(n *Node) string {
	switch {
	case n.State == Failed:
		return ", color=red, penwidth=2"
	case n.State == NotRead:
		return `, color=gray, style="rounded,dashed"`
	case n.Role == "primary":
		return ", penwidth=2"
	}
	return ""
}

func dotEdge(e Edge) string {
	style := ""
	switch e.Kind {
	case Asynchronous:
		style = ", style=dashed"
	case Logical:
		style = ", style=dotted"
	}
	if e.State == Failed {
		style += ", color=red"
	}
	return style
}

func dotText(lines ...string) string {
	var escaped []string
	for _, line := range lines {
		escaped = append(escaped, strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(line))
	}
	return `"` + strings.Join(escaped, `\n`) + `"`
}
