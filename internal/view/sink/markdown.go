package sink

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
)

// MarkdownLimit is the size that a report stays below: GitHub takes 1 MiB for the summaries of a
// step, and rejects a larger one as a whole.
const MarkdownLimit = 900 << 10

// Markdown writes the run for people: what it comes to, a table of what is not in sync, and the
// details folded away; in at most limit bytes. What has no room there is counted.
func Markdown(w io.Writer, r *Run, limit int) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "### repltool drift: %s: %s\n\n", view.MarkdownText(r.Name), r.verdict())
	fmt.Fprintf(&b, "%s · %s · exit code %d\n", r.Ended.UTC().Format("2006-01-02 15:04:05 UTC"), r.facts(), r.ExitCode)
	limit -= reserve
	rows := slices.DeleteFunc(slices.Clone(r.Results), func(x Result) bool { return x.Outcome == InSync || x.Outcome == NotCompared })
	written := r.table(&b, rows, limit)
	r.details(&b, rows[:written], limit)
	_, err := w.Write(b.Bytes())
	return err
}

// reserve is kept for what closes the report.
const reserve = 1 << 10

// verdict is the run in a few words.
func (r *Run) verdict() string {
	var parts []string
	if refused := r.count(func(x Result) bool { return x.Outcome == Refused && x.Severity == plan.Error }); refused > 0 {
		parts = append(parts, words.Counted(refused, "error"))
	}
	if n := r.differences(); n > 0 {
		parts = append(parts, words.Counted(n, "difference"))
	}
	if n := r.errors(); n > 0 {
		parts = append(parts, words.Counted(n, "health error"))
	}
	if unread := len(r.Plan.Nodes) - r.read(); unread > 0 {
		parts = append(parts, fmt.Sprintf("%d of %s not read", unread, words.Counted(len(r.Plan.Nodes), "node")))
	} else if !r.Plan.Complete && len(parts) == 0 {
		parts = append(parts, "not compared in full")
	}
	switch {
	case len(parts) > 0:
	case len(r.Plan.Targets) > 0:
		parts = []string{"in sync at the targets"}
	default:
		parts = []string{"in sync"}
	}
	if n := r.warnings(); n > 0 {
		parts = append(parts, words.Counted(n, "health warning"))
	}
	return strings.Join(parts, ", ")
}

// facts are the counts of what is well, or not known.
func (r *Run) facts() string {
	parts := []string{fmt.Sprintf("%d of %s read", r.read(), words.Counted(len(r.Plan.Nodes), "node"))}
	if n := r.count(func(x Result) bool { return x.Outcome == InSync }); n > 0 {
		parts = append(parts, words.Counted(n, "object")+" in sync")
	}
	if n := r.count(func(x Result) bool { return x.Outcome == NotCompared }); n > 0 {
		parts = append(parts, words.Counted(n, "object")+" not compared")
	}
	if n := len(r.Plan.Unmanaged); n > 0 {
		parts = append(parts, words.Counted(n, "unmanaged object"))
	}
	return strings.Join(parts, " · ")
}

// table returns how many of the rows it had room for.
func (r *Run) table(b *bytes.Buffer, rows []Result, limit int) int {
	for i, x := range rows {
		if i == 0 {
			b.WriteString("\n| | address | code | what |\n|---|---|---|---|\n")
		}
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", x.word(), codeSpan(x.Address), view.CodeSpan(x.Code), view.MarkdownText(x.Message))
		if b.Len()+len(row) > limit {
			fmt.Fprintf(b, "\n%d more are not shown here: run `repltool drift`.\n", len(rows)-i)
			return i
		}
		b.WriteString(row)
	}
	return len(rows)
}

// details are folded away.
func (r *Run) details(b *bytes.Buffer, rows []Result, limit int) {
	var text bytes.Buffer
	for _, x := range rows {
		if x.Detail == "" {
			continue
		}
		more := cmp.Or(x.Address, x.Message) + "\n" + indented(x.Detail)
		if b.Len()+text.Len()+len(more) > limit {
			text.WriteString("…\n")
			break
		}
		text.WriteString(more)
	}
	if text.Len() == 0 {
		return
	}
	b.WriteString("\n<details><summary>Details</summary>\n\n")
	_ = view.Fence(b, text.String()) // a Buffer takes everything
	b.WriteString("\n</details>\n")
}

// codeSpan is empty for nothing.
func codeSpan(text string) string {
	if text == "" {
		return ""
	}
	return view.CodeSpan(text)
}

func indented(text string) string {
	var b strings.Builder
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		b.WriteString("    " + strings.TrimRight(line, "\n") + "\n")
	}
	return b.String()
}
