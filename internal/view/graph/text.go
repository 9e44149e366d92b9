package graph

import (
	"io"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/repltool/repltool/internal/view"
)

// Text writes the graph as trees: below each server those that get their changes from it.
func (g *Graph) Text(w io.Writer) error {
	var rows [][]string
	for _, n := range g.nodes() {
		if n.parent == nil {
			rows = g.branch(rows, n, nil, "", "")
		}
	}
	for _, e := range g.Edges {
		if e.To.parent != e.From { // it stands below another
			rows = append(rows, []string{e.From.Name + " ┄▷ " + e.To.Name, e.words()})
		}
	}
	return columns(w, rows)
}

// branch adds the rows of a node and of what is below it. The first of them begins with
// first, the others with rest.
func (g *Graph) branch(rows [][]string, n *Node, to *Edge, first, rest string) [][]string {
	rows = append(rows, g.row(n, to, first))
	var below []*Edge
	for i := range g.Edges {
		if e := &g.Edges[i]; e.From == n && e.To.parent == n {
			below = append(below, e)
		}
	}
	for i, e := range below {
		fork, trunk := "├─ ", "│  "
		if i == len(below)-1 {
			fork, trunk = "└─ ", "   "
		}
		if e.Kind == Logical {
			fork = strings.TrimSuffix(fork, "─ ") + "┄ "
		}
		rows = g.branch(rows, e.To, e, rest+fork, rest+trunk)
	}
	return rows
}

func (g *Graph) row(n *Node, to *Edge, first string) []string {
	how := ""
	if to != nil {
		how = to.words()
	}
	row := []string{first + n.Name, n.title(), how, n.Address, n.Location}
	if g.Live {
		row = append(row, n.attention())
	}
	return row
}

// columns writes rows whose cells are aligned.
func columns(w io.Writer, rows [][]string) error {
	var widths []int
	for _, row := range rows {
		for i, cell := range row {
			if i >= len(widths) {
				widths = append(widths, 0)
			}
			if row[i] = view.Clean(cell); i < len(row)-1 {
				widths[i] = max(widths[i], lipgloss.Width(row[i]))
			}
		}
	}
	var b strings.Builder
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", max(widths[i]-lipgloss.Width(cell), 0)+2)
		}
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}
