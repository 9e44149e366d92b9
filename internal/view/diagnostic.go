package view

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"

	"charm.land/lipgloss/v2"
	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/plan"
)

// Diagnostics converts HCL's diagnostics. The files are a topology's, in which
// secrets are struck out already.
func Diagnostics(diags hcl.Diagnostics, files map[string]*hcl.File) []plan.Diagnostic {
	out := []plan.Diagnostic{}
	for _, d := range diags {
		one := plan.Diagnostic{Severity: plan.Error, Code: plan.CodeOf(d.Summary), Summary: d.Summary, Detail: d.Detail}
		if d.Severity == hcl.DiagWarning {
			one.Severity = plan.Warning
		}
		_, one.Finding = d.Extra.(plan.LiveState)
		if d.Subject != nil {
			one.Range = &plan.Range{Filename: d.Subject.Filename, Start: position(d.Subject.Start), End: position(d.Subject.End)}
			one.Snippet = snippet(d, files[d.Subject.Filename])
		}
		out = append(out, one)
	}
	return out
}

func position(p hcl.Pos) plan.Pos { return plan.Pos{Line: p.Line, Column: p.Column, Byte: p.Byte} }

// snippet cuts the lines of a diagnostic out of its file.
func snippet(d *hcl.Diagnostic, file *hcl.File) *plan.Snippet {
	if file == nil || len(file.Bytes) == 0 || d.Subject.Start.Byte > len(file.Bytes) {
		return nil
	}
	around := *d.Subject
	if d.Context != nil {
		around = hcl.RangeOver(around, *d.Context)
	}
	end := min(max(around.End.Byte, d.Subject.Start.Byte), len(file.Bytes))
	first := bytes.LastIndexByte(file.Bytes[:min(around.Start.Byte, len(file.Bytes))], '\n') + 1
	last := len(file.Bytes)
	if end > first && file.Bytes[end-1] == '\n' {
		end--
	}
	if n := bytes.IndexByte(file.Bytes[end:], '\n'); n >= 0 {
		last = end + n
	}
	s := &plan.Snippet{
		Code: string(file.Bytes[first:last]), StartLine: around.Start.Line,
		HighlightStartOffset: min(d.Subject.Start.Byte-first, last-first),
		HighlightEndOffset:   min(max(d.Subject.End.Byte, d.Subject.Start.Byte)-first, last-first),
	}
	if context := contextOf(file, d.Subject.Start.Byte); context != "" {
		s.Context = &context
	}
	return s
}

// contextOf names the block around an offset.
func contextOf(file *hcl.File, offset int) string {
	nav, ok := file.Nav.(interface{ ContextString(offset int) string })
	if !ok {
		return ""
	}
	return nav.ContextString(offset)
}

// mostLines is how many lines of source a diagnostic shows.
const mostLines = 12

// WriteDiagnostics writes diagnostics for people, warnings before errors: what is
// last is seen first.
func WriteDiagnostics(w io.Writer, s Style, diagnostics []plan.Diagnostic) error {
	p := &printer{Style: s, w: w}
	sorted := append([]plan.Diagnostic(nil), diagnostics...)
	sort.SliceStable(sorted, func(i, j int) bool { return sorted[i].Severity == plan.Warning && sorted[j].Severity != plan.Warning })
	for _, d := range sorted {
		p.diagnostic(d)
	}
	return p.err
}

func (p *printer) diagnostic(d plan.Diagnostic) {
	title := p.red("Error: ")
	if d.Severity == plan.Warning {
		title = p.yellow("Warning: ")
	}
	p.flow("", title+p.bold(Clean(d.Summary))) // of an error without a code it may be a long line
	if d.Address != "" {
		p.line("  at ", Clean(d.Address))
	}
	if d.Range != nil {
		p.source(d)
	}
	if d.Detail != "" {
		p.line("")
		p.prose("  ", Clean(d.Detail))
	}
	p.line("")
}

func (p *printer) source(d plan.Diagnostic) {
	text := fmt.Sprintf("  on %s line %d", Clean(d.Range.Filename), d.Range.Start.Line)
	if d.Snippet != nil && d.Snippet.Context != nil {
		text += ", in " + Clean(*d.Snippet.Context)
	}
	p.line(text + ":")
	if d.Snippet == nil {
		return
	}
	at := 0
	for i, line := range strings.Split(d.Snippet.Code, "\n") {
		if i == mostLines {
			p.line("        …")
			return
		}
		from, to := d.Snippet.HighlightStartOffset-at, d.Snippet.HighlightEndOffset-at
		p.linef("  %4d: %s", d.Snippet.StartLine+i, p.highlight(strings.TrimSuffix(line, "\r"), from, to))
		at += len(line) + 1
	}
}

// highlight underlines a stretch of a line. Without colour the line itself and
// its number must do.
func (p *printer) highlight(line string, from, to int) string {
	from, to = min(max(from, 0), len(line)), min(max(to, 0), len(line))
	if from >= to {
		return Clean(line)
	}
	marked := p.paint(Clean(line[from:to]), lipgloss.NewStyle().Underline(true).Bold(true))
	return Clean(line[:from]) + marked + Clean(line[to:])
}

// prose wraps text at the width; a line that is indented is a command or a
// statement, and stays as it is.
func (p *printer) prose(indent, text string) {
	for _, line := range strings.Split(strings.TrimRight(text, "\n"), "\n") {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			p.line(indent, line)
			continue
		}
		for _, part := range Wrap(line, p.width()-len(indent)) {
			p.line(strings.TrimRight(indent+part, " "))
		}
	}
}

// Wrap breaks a text between words into lines of that width.
func Wrap(line string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(line) {
		switch {
		case current == "":
			current = word
		case lipgloss.Width(current)+1+lipgloss.Width(word) > width:
			lines = append(lines, current)
			current = word
		default:
			current += " " + word
		}
	}
	return append(lines, current)
}
