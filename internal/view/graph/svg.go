package graph

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
)

// The measures of a picture, in pixels.
const (
	margin    = 20
	cardWidth = 210
	lineStep  = 16  // from one line of text to the next
	arrival   = 120 // of an edge that runs straight: its words stand there
	columnGap = 190
	rowGap    = 22
	boxPad    = 14
	boxTitle  = 24 // of a box, above its nodes
	boxGap    = 16
	legendRow = 26
)

// SVG writes the graph as a picture that needs no script, no font and no other file.
func (g *Graph) SVG(w io.Writer) error {
	g.fold()
	d := &drawing{Graph: g, at: map[*Node]point{}}
	d.measure()
	var b strings.Builder
	d.head(&b)
	for i := range g.Groups {
		d.box(&b, i)
	}
	for _, e := range g.Edges {
		d.edge(&b, e)
	}
	for _, n := range g.nodes() {
		d.card(&b, n)
	}
	d.legend(&b)
	b.WriteString("</svg>\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// drawing is a graph whose nodes have their places on the page.
type drawing struct {
	*Graph
	at            map[*Node]point // the top left corner of a card
	boxes         []rectangle
	cardHeight    int
	width, height int
}

type point struct{ x, y int }

type rectangle struct{ x, y, width, height int }

// measure places the cards, the boxes around them, and the page around those.
func (d *drawing) measure() {
	for _, n := range d.nodes() {
		d.cardHeight = max(d.cardHeight, len(n.lines())*lineStep+16)
	}
	places, rows := d.layout()
	y := margin
	for i, group := range d.Groups {
		first, last := places[group.Nodes[0]].column, 0
		for _, n := range group.Nodes {
			p := places[n]
			first, last = min(first, p.column), max(last, p.column)
			d.at[n] = point{margin + boxPad + p.column*(cardWidth+columnGap), y + boxTitle + p.row*(d.cardHeight+rowGap)}
		}
		box := rectangle{
			x: margin + first*(cardWidth+columnGap), y: y,
			width:  (last-first)*(cardWidth+columnGap) + cardWidth + 2*boxPad,
			height: boxTitle + rows[i]*(d.cardHeight+rowGap) - rowGap + boxPad,
		}
		d.boxes = append(d.boxes, box)
		d.width = max(d.width, box.x+box.width+margin)
		y += box.height + boxGap
	}
	d.width, d.height = max(d.width, d.legendWidth()), y+legendRow
}

const svgStyle = `<style>
svg{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif;font-size:12px}
.page{fill:#fff}.box{fill:#f6f8fa;stroke:#d0d7de}.card{fill:#fff;stroke:#8c959f}.primary{stroke:#1f2328;stroke-width:2.5}
text{fill:#1f2328}.name{font-size:14px;font-weight:600}.less{fill:#59636e}.edge{fill:none;stroke:#59636e;stroke-width:1.6}.tip{fill:#59636e}
.sync{stroke-width:2.4}.async{stroke-dasharray:7 4}.logical{stroke-dasharray:2 4;stroke-linecap:round}
.well{fill:#1a7f37}.working{fill:#bf8700}.failed{fill:#cf222e}.notread{fill:#8c959f}
.alarm{stroke:#cf222e;stroke-width:2.5}.unread{stroke-dasharray:4 3}.line-failed{stroke:#cf222e}.word-failed{fill:#cf222e}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.box{fill:#151b23;stroke:#3d444d}.card{fill:#0d1117;stroke:#9198a1}.primary{stroke:#f0f6fc}
text{fill:#f0f6fc}.less{fill:#9198a1}.edge{stroke:#9198a1}.tip{fill:#9198a1}.well{fill:#3fb950}.working{fill:#d29922}.failed{fill:#f85149}.alarm,.line-failed{stroke:#f85149}.word-failed{fill:#f85149}}
</style>
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="tip" d="M0 0.5L8 4L0 7.5z"/></marker></defs>
`

func (d *drawing) head(b *strings.Builder) {
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`+"\n", d.width, d.height, d.width, d.height)
	fmt.Fprintf(b, "<title id=\"title\">Replication</title>\n<desc id=\"desc\">%s</desc>\n%s", escape(d.describe()), svgStyle)
	fmt.Fprintf(b, `<rect class="page" width="%d" height="%d"/>`+"\n", d.width, d.height)
}

// describe is the picture for those who cannot see it.
func (d *drawing) describe() string {
	var all []string
	for _, n := range d.nodes() {
		all = append(all, strings.Join(n.lines(), ", "))
	}
	for _, e := range d.Edges {
		all = append(all, fmt.Sprintf("%s to %s: %s", e.From.Name, e.To.Name, e.words()))
	}
	return strings.Join(all, ". ") + "."
}

func (d *drawing) box(b *strings.Builder, i int) {
	r := d.boxes[i]
	fmt.Fprintf(b, `<rect class="box" x="%d" y="%d" width="%d" height="%d" rx="8"/>`+"\n", r.x, r.y, r.width, r.height)
	fmt.Fprintf(b, `<text class="less" x="%d" y="%d">%s</text>`+"\n", r.x+boxPad, r.y+16, escape(cut(d.Groups[i].Title, r.width/8)))
}

// card is one node. Of its four sides the left one has the color of its state.
func (d *drawing) card(b *strings.Builder, n *Node) {
	p, class := d.at[n], "card"
	switch {
	case n.State == Failed || n.Changes > 0:
		class += " alarm"
	case n.State == NotRead:
		class += " unread"
	case n.Role == "primary":
		class += " primary"
	}
	fmt.Fprintf(b, `<g><title>%s</title>`, escape(strings.Join(n.lines(), ", ")))
	if n.Count > 1 { // a stack
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="8"/>`, class, p.x+5, p.y+5, cardWidth, d.cardHeight)
	}
	fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="%d" height="%d" rx="8"/>`, class, p.x, p.y, cardWidth, d.cardHeight)
	if n.State != NotAsked {
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="5" height="%d" rx="2"/>`, stateClass(n.State), p.x+4, p.y+8, d.cardHeight-16)
	}
	for i, line := range n.lines() {
		class, most := "less", 28
		if i == 0 {
			class, most = "name", 22
		}
		if i == 3 {
			class = "word-failed"
		}
		fmt.Fprintf(b, `<text class="%s" x="%d" y="%d">%s</text>`, class, p.x+16, p.y+20+i*lineStep, escape(cut(line, most)))
	}
	b.WriteString("</g>\n")
}

// edge is a curve from the right of one card, and a straight line with its words to the
// left of another.
func (d *drawing) edge(b *strings.Builder, e Edge) {
	from := d.at[e.From]
	x1, y1 := from.x+cardWidth, from.y+d.cardHeight/2
	if e.From.Count > 1 {
		x1 += 5
	}
	to, lines := d.port(e)
	straight := to.x - arrival
	bend := max((straight-x1)*2/3, 40)
	class := "edge " + string(e.Kind)
	if e.State == Failed {
		class += " line-failed"
	}
	fmt.Fprintf(b, `<path class="%s" marker-end="url(#tip)" d="M%d %dC%d %d %d %d %d %dH%d"><title>%s</title></path>`+"\n",
		class, x1, y1, x1+bend, y1, straight-bend, to.y, straight, to.y, to.x-2, escape(fmt.Sprintf("%s to %s: %s", e.From.Name, e.To.Name, e.words())))
	for i, line := range lines {
		class := "less"
		if e.State == Failed {
			class = "word-failed"
		}
		fmt.Fprintf(b, `<text class="%s" x="%d" y="%d" text-anchor="end">%s</text>`+"\n", class, to.x-12, to.y-6+i*20, escape(cut(line, 20)))
	}
}

// port is where an edge arrives, and its words: edges to one card arrive one below the
// other, in the order in which they leave, and have a line of words each.
func (d *drawing) port(e Edge) (point, []string) {
	card := d.at[e.To]
	above, all := 0, 0
	for i := range d.Edges {
		if other := d.Edges[i]; other.To == e.To {
			all++
			if d.at[other.From].y < d.at[e.From].y {
				above++
			}
		}
	}
	lines := e.lines()
	if all > 1 {
		slices.Reverse(lines) // the state is not to be cut off
		lines = []string{strings.Join(lines, ": ")}
	}
	return point{card.x, card.y + d.cardHeight*(above+1)/(all+1)}, lines
}

// sample is one entry of the legend.
type sample struct{ class, word string }

// samples are what occurs in the picture, kinds of edges before states of nodes.
func (d *drawing) samples() (kinds, states []sample) {
	for _, s := range []sample{{string(Synchronous), "synchronous"}, {string(Asynchronous), "asynchronous"}, {string(Logical), "logical"}} {
		if slices.ContainsFunc(d.Edges, func(e Edge) bool { return string(e.Kind) == s.class }) {
			kinds = append(kinds, s)
		}
	}
	for _, s := range []struct {
		state State
		word  string
	}{{Well, "running"}, {Working, "catching up or copying"}, {Failed, "failed"}, {NotRead, "not read"}} {
		if slices.ContainsFunc(d.nodes(), func(n *Node) bool { return n.State == s.state }) {
			states = append(states, sample{stateClass(s.state), s.word})
		}
	}
	return kinds, states
}

const (
	sampleLine   = 46 // of a kind of edge, with its gaps
	sampleSquare = 18 // of a state
	letter       = 7
)

func (d *drawing) legendWidth() int {
	width := 2 * margin
	kinds, states := d.samples()
	for _, s := range kinds {
		width += sampleLine + len(s.word)*letter + margin
	}
	for _, s := range states {
		width += sampleSquare + len(s.word)*letter + margin
	}
	return width
}

func (d *drawing) legend(b *strings.Builder) {
	x, y := margin, d.height-margin+4
	kinds, states := d.samples()
	word := func(text string) {
		fmt.Fprintf(b, `<text class="less" x="%d" y="%d">%s</text>`+"\n", x, y, text)
		x += len(text)*letter + margin
	}
	for _, s := range kinds {
		fmt.Fprintf(b, `<path class="edge %s" d="M%d %dh38"/>`, s.class, x, y-4)
		x += sampleLine
		word(s.word)
	}
	for _, s := range states {
		fmt.Fprintf(b, `<rect class="%s" x="%d" y="%d" width="11" height="11" rx="2"/>`, s.class, x, y-10)
		x += sampleSquare
		word(s.word)
	}
}

func stateClass(s State) string { return strings.ReplaceAll(string(s), " ", "") }

// cut shortens a text to a number of characters; the whole one is in the title.
func cut(text string, most int) string {
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return text
}

func escape(text string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(text)) // a Builder fails never
	return b.String()
}
