package graph

import (
	"strings"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/words"
)

// title is what a node is: "orders: primary, 15".
func (n *Node) title() string {
	title := n.Role
	if n.Cluster != "" {
		title = n.Cluster + ": " + title
	}
	if n.Version != "" {
		title += ", " + n.Version
	}
	return title
}

// attention is what a reader should look at.
func (n *Node) attention() string {
	var parts []string
	if n.State == NotRead || n.State == Failed {
		parts = append(parts, string(n.State))
	}
	if n.Changes > 0 {
		parts = append(parts, words.Counted(n.Changes, "change"))
	}
	return strings.Join(parts, ", ")
}

// words are what an edge is: "sync, any 1 of 2", "subscription dw", with its lag.
func (e Edge) words() string {
	text := string(e.Kind)
	if e.Detail != "" {
		text += ", " + e.Detail
	}
	if e.Kind == Logical {
		text = "subscribes: " + e.Detail
	}
	if e.Lag != "" {
		text += ", " + e.Lag
	}
	return text
}

// lines are the texts on a node: its name, what it is, and where.
func (n *Node) lines() []string {
	lines := []string{view.Clean(n.Name), view.Clean(n.title()), view.Clean(n.Address)}
	if n.Changes > 0 || n.State == NotRead {
		lines = append(lines, n.attention())
	}
	return lines
}

// lines are the texts on an edge.
func (e Edge) lines() []string {
	lines := []string{string(e.Kind)}
	switch {
	case e.Kind == Logical:
		lines[0] = view.Clean(e.Detail)
	case e.Detail != "":
		lines[0] += ", " + e.Detail
	}
	if e.Lag != "" {
		lines = append(lines, e.Lag)
	}
	return lines
}
