package write

import (
	"slices"
	"strconv"
	"strings"

	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"

	"github.com/repltool/repltool/topology"
)

// Document is a topology and what is written around it.
type Document struct {
	Topology  *topology.Topology
	Head      []string // the comment on top
	Variables []Variable
	Comments  map[Place][]string
}

// Variable is a sensitive variable. The secret that refers to it has its reference.
type Variable struct{ Name, Description string }

// Ref is the reference of a secret that stands in the variable.
func (v Variable) Ref() string { return "var." + v.Name }

// Place is where a comment stands: above the block of Of, or within it above an attribute or
// a block of that name.
type Place struct {
	Of   any
	Part string
}

// Comment adds a comment.
func (d *Document) Comment(of any, part, text string) {
	if d.Comments == nil {
		d.Comments = map[Place][]string{}
	}
	p := Place{of, part}
	if !slices.Contains(d.Comments[p], text) {
		d.Comments[p] = append(d.Comments[p], text)
	}
}

// printer is the text so far.
type printer struct {
	document *Document
	b        strings.Builder
	depth    int
	refs     map[*topology.Node]string
}

func (p *printer) line(text string) {
	p.b.WriteString(strings.Repeat("  ", p.depth) + text + "\n")
}

// commentWidth is how wide a comment is, without its indentation.
const commentWidth = 96

func (p *printer) comment(lines []string) {
	for _, text := range lines {
		for _, line := range wrap(text, commentWidth) {
			p.line("# " + line)
		}
	}
}

// wrap cuts a text into lines, between words.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for word := range strings.FieldsSeq(strings.Map(visible, text)) {
		if line != "" && len(line)+1+len(word) > width {
			lines, line = append(lines, line), ""
		}
		if line != "" {
			line += " "
		}
		line += word
	}
	return append(lines, line)
}

// visible takes control characters out of what servers said.
func visible(r rune) rune {
	if r < ' ' || r == 0x7f {
		return ' '
	}
	return r
}

// about writes the comments of a place.
func (p *printer) about(of any, part string) { p.comment(p.document.Comments[Place{of, part}]) }

// open begins a block, at the top after an empty line.
func (p *printer) open(kind string, labels ...string) {
	if p.depth == 0 && p.b.Len() > 0 {
		p.b.WriteString("\n")
	}
	p.begin(kind, labels...)
}

// opens is open for a block that has comments.
func (p *printer) opens(of any, kind string, labels ...string) {
	if p.depth == 0 && p.b.Len() > 0 {
		p.b.WriteString("\n")
	}
	p.about(of, "")
	p.begin(kind, labels...)
}

func (p *printer) begin(kind string, labels ...string) {
	for _, l := range labels {
		kind += " " + quote(l)
	}
	p.line(kind + " {")
	p.depth++
}

// close ends a block or a map: an empty one is one line.
func (p *printer) close() {
	p.depth--
	text := p.b.String()
	if head, empty := strings.CutSuffix(text, " {\n"); empty {
		p.b.Reset()
		p.b.WriteString(head + " {}\n")
		return
	}
	p.line("}")
}

func (p *printer) attribute(name, expression string) { p.line(name + " = " + expression) }

// text writes a text that is not the default.
func (p *printer) text(name, value, normal string) {
	if value != normal {
		p.attribute(name, quote(value))
	}
}

// flag does the same for a bool.
func (p *printer) flag(name string, value, normal bool) {
	if value != normal {
		p.attribute(name, strconv.FormatBool(value))
	}
}

// number writes a number that is said.
func (p *printer) number(name string, value int) {
	if value != 0 {
		p.attribute(name, strconv.Itoa(value))
	}
}

// texts writes a list that is not empty.
func (p *printer) texts(name string, values []string) {
	if len(values) > 0 {
		p.attribute(name, quoted(values))
	}
}

func quoted(values []string) string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = quote(v)
	}
	return "[" + strings.Join(all, ", ") + "]"
}

// quote writes a text as a literal of the language.
func quote(text string) string {
	return string(hclwrite.TokensForValue(cty.StringVal(text)).Bytes())
}

// parameters writes a map of parameters, one a line.
func (p *printer) parameters(of any, all topology.Parameters) {
	if len(all) == 0 {
		p.about(of, "parameters")
		return
	}
	p.about(of, "parameters")
	p.line("parameters = {")
	p.depth++
	for _, name := range all.Names() {
		p.about(of, "parameters."+name)
		p.line(key(name) + " = " + literal(all[name]))
	}
	p.close()
}

// key writes a key of a map: names with a dot are no identifiers.
func key(name string) string {
	if hclsyntax.ValidIdentifier(name) {
		return name
	}
	return quote(name)
}

// literal writes the value of a parameter: numbers and bools as such.
func literal(v topology.Parameter) string {
	if v.Secret.IsSet() {
		return v.Secret.Ref
	}
	if v.Value == "true" || v.Value == "false" {
		return v.Value
	}
	if x, err := strconv.ParseFloat(v.Value, 64); err == nil && strconv.FormatFloat(x, 'f', -1, 64) == v.Value {
		return v.Value
	}
	return quote(v.Value)
}

// lifecycle writes a guard.
func (p *printer) lifecycle(l topology.Lifecycle) {
	if l.PreventDestroy {
		p.line("lifecycle { prevent_destroy = true }")
	}
}
