package view

import (
	"bytes"
	"fmt"
	"io"
	"strings"

	"github.com/repltool/repltool/plan"
)

// Markdown writes a plan for a merge request: the summary, the changes as a
// table, and the whole text folded away.
func Markdown(w io.Writer, p *plan.Plan) error {
	v := &printer{w: w}
	v.line("### ", MarkdownText(Summary(p)))
	if len(p.Changes) > 0 {
		v.line("")
		v.line("| wave | | address | what | impact |")
		v.line("|---|---|---|---|---|")
	}
	for _, c := range p.Changes {
		v.linef("| %d | %s | %s | %s | %s |", c.Wave, CodeSpan(c.Action.Symbol()), CodeSpan(c.Address), MarkdownText(Gist(c)), MarkdownText(impactText(c)))
	}
	v.line("")
	v.line("<details><summary>Every step</summary>")
	v.line("")
	text, err := plainPlan(p, PlanOptions{})
	if err != nil {
		return err
	}
	v.fenced("", text)
	v.line("")
	v.line("</details>")
	return v.err
}

// mostAttributes is how many differences of a change stand in its row of the table.
const mostAttributes = 3

// Gist is what a change does, in a few words: "max_connections 100 -> 150".
func Gist(c plan.Change) string {
	if len(c.Attributes) == 0 {
		return c.Reason
	}
	var parts []string
	for i, a := range c.Attributes {
		if i == mostAttributes {
			parts = append(parts, fmt.Sprintf("%d more", len(c.Attributes)-i))
			break
		}
		text := a.Name
		switch {
		case a.Before != nil && a.After != nil:
			text += " " + *a.Before + " -> " + *a.After
		case a.After != nil:
			text += " " + *a.After
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, ", ")
}

// DiffMarkdown writes a plan as a diff in a fence, which forges colour.
func DiffMarkdown(w io.Writer, p *plan.Plan) error {
	text, err := plainPlan(p, PlanOptions{noLegend: true})
	if err != nil {
		return err
	}
	v := &printer{w: w}
	var b strings.Builder
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		b.WriteString(diffMark(line) + "\n")
	}
	v.fenced("diff", b.String())
	return v.err
}

// diffMark moves the symbol of an entry, an attribute or a diff line to the first
// column, where a diff has it.
func diffMark(line string) string {
	body := strings.TrimLeft(line, " ")
	indent := line[:len(line)-len(body)]
	mark := ""
	switch {
	case len(indent) > len(entryIndent): // an argument on a line of its own
		return " " + line
	case strings.HasPrefix(body, "-/+ "), strings.HasPrefix(body, "~ "):
		mark = "!"
	case indent == "": // a rule, a summary
		return line
	case strings.HasPrefix(body, "+"):
		mark = "+"
	case strings.HasPrefix(body, "-") && !strings.HasPrefix(body, "--"):
		mark = "-"
	default:
		return " " + line
	}
	if mark != "!" {
		body = body[1:]
	}
	return mark + indent + body
}

func plainPlan(p *plan.Plan, o PlanOptions) (string, error) {
	var b bytes.Buffer
	err := Plan(&b, Style{}, p, o)
	return b.String(), err
}

// fenced writes a fence that is longer than any run of backquotes in the text.
func (p *printer) fenced(language, text string) {
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	p.line(fence, language)
	p.block("", text)
	p.line(fence)
}

// Fence writes a text in a fence that nothing in it ends.
func Fence(w io.Writer, text string) error {
	p := &printer{w: w}
	p.fenced("", text)
	return p.err
}

// CodeSpan writes a name so that nothing in it is markdown.
func CodeSpan(text string) string {
	text = strings.ReplaceAll(oneLine(text), "|", `\|`)
	if strings.Contains(text, "`") {
		return "`` " + text + " ``"
	}
	return "`" + text + "`"
}

// MarkdownText writes a text in one line so that nothing in it is markdown.
func MarkdownText(text string) string {
	return strings.NewReplacer("|", `\|`, "<", "&lt;", "*", `\*`, "_", `\_`, "`", "\\`", "[", `\[`).Replace(oneLine(text))
}
