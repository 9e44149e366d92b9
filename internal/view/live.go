package view

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// The live lines of Progress: erased before a line that stays, and drawn again
// below it.

// erase takes the live lines off the screen.
func (v *Progress) erase() {
	if len(v.drawn) > 0 {
		_, _ = io.WriteString(v.p.w, v.home()+"\x1b[J")
		v.drawn = nil
	}
}

// home goes to the first live line. A window that became narrower since has broken
// them into several rows.
func (v *Progress) home() string {
	rows := 0
	for _, width := range v.drawn {
		rows += max((width+v.width()-1)/v.width(), 1)
	}
	if rows == 0 {
		return ""
	}
	return fmt.Sprintf("\x1b[%dA\r", rows)
}

func (v *Progress) width() int {
	width := v.p.Width
	if v.opts.Width != nil {
		width = v.opts.Width()
	}
	if width <= 0 {
		return 80
	}
	return width
}

// mostLive is how many nodes have a live line at a time.
const mostLive = 12

// redraw draws one line a node, and one for the whole, in one write.
func (v *Progress) redraw() {
	lines := v.lines()
	var b strings.Builder
	b.WriteString(v.home())
	v.drawn = v.drawn[:0]
	for _, line := range lines {
		b.WriteString(line + "\x1b[K\n")
		v.drawn = append(v.drawn, ansi.StringWidth(line))
	}
	b.WriteString("\x1b[J")
	_, _ = io.WriteString(v.p.w, b.String())
}

func (v *Progress) lines() []string {
	var nodes []string
	latest, more := map[string]*activity{}, map[string]int{}
	for _, a := range v.running {
		if latest[a.at.Node] == nil {
			nodes = append(nodes, a.at.Node)
		} else {
			more[a.at.Node]++
		}
		latest[a.at.Node] = a
	}
	slices.Sort(nodes)
	width := 0
	for _, n := range nodes {
		width = max(width, ansi.StringWidth(Clean(n)))
	}
	var lines []string
	for i, n := range nodes {
		if i == mostLive {
			lines = append(lines, v.p.dim(fmt.Sprintf("… and %d nodes more", len(nodes)-i)))
			break
		}
		text := latest[n].what + "  " + v.figures(latest[n])
		if more[n] > 0 {
			text += fmt.Sprintf("  (+%d)", more[n])
		}
		lines = append(lines, v.fit(v.p.bold(pad(Clean(n), width))+"  "+text))
	}
	total := fmt.Sprintf("%d of %s · %s", v.done, count(v.total, "step"), seconds(v.opts.Now().Sub(v.begin)))
	return append(lines, v.p.dim(v.fit(total)))
}

// fit cuts a line at the screen's edge: one that wraps could not be drawn again.
func (v *Progress) fit(line string) string { return ansi.Truncate(line, v.width()-1, "…") }
