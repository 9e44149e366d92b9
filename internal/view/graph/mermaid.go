package graph

import (
	"fmt"
	"io"
	"strings"
)

// Mermaid writes the graph as source for mermaid, which GitHub and GitLab draw in Markdown.
func (g *Graph) Mermaid(w io.Writer) error {
	g.fold()
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	ids := g.ids()
	for i, group := range g.Groups {
		fmt.Fprintf(&b, "  subgraph g%d[%s]\n", i+1, mermaidText(group.Title))
		for _, n := range group.Nodes {
			fmt.Fprintf(&b, "    %s[%s]%s\n", ids[n], mermaidText(n.lines()...), mermaidClass(n))
		}
		b.WriteString("  end\n")
	}
	for _, e := range g.Edges {
		fmt.Fprintf(&b, "  %s %s|%s| %s\n", ids[e.From], mermaidArrow(e.Kind), mermaidText(e.lines()...), ids[e.To])
	}
	for i, e := range g.Edges {
		var styles []string
		if e.Kind == Asynchronous { // of which mermaid has no arrow
			styles = append(styles, "stroke-dasharray:7 4")
		}
		if e.State == Failed {
			styles = append(styles, "stroke:#c0392b")
		}
		if len(styles) > 0 {
			fmt.Fprintf(&b, "  linkStyle %d %s\n", i, strings.Join(styles, ","))
		}
	}
	for _, class := range []struct{ name, style string }{
		{"primary", "stroke-width:3px"}, {"failed", "stroke:#c0392b,stroke-width:3px"}, {"unread", "stroke:#888,stroke-dasharray:4 3"},
	} {
		if strings.Contains(b.String(), ":::"+class.name+"\n") {
			fmt.Fprintf(&b, "  classDef %s %s\n", class.name, class.style)
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// ids are the names of nodes in sources: the nodes' own may have any character.
func (g *Graph) ids() map[*Node]string {
	ids := map[*Node]string{}
	for i, n := range g.nodes() {
		ids[n] = fmt.Sprintf("n%d", i+1)
	}
	return ids
}

func mermaidClass(n *Node) string {
	switch {
	case n.State == Failed:
		return ":::failed"
	case n.State == NotRead:
		return ":::unread"
	case n.Role == "primary":
		return ":::primary"
	}
	return ""
}

func mermaidArrow(k Kind) string {
	switch k {
	case Synchronous:
		return "==>"
	case Logical:
		return "-.->"
	}
	return "-->"
}

// mermaidText quotes lines; entities are mermaid's way to write what its syntax or HTML
// would read.
func mermaidText(lines ...string) string {
	var escaped []string
	for _, line := range lines {
		escaped = append(escaped, strings.NewReplacer(`"`, "#quot;", "#", "#35;", "&", "#amp;", "<", "#lt;", ">", "#gt;", "`", "#96;", "\\", "#92;").Replace(line))
	}
	return `"` + strings.Join(escaped, "<br>") + `"`
}
