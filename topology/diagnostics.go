package topology

import (
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/hashicorp/hcl/v2"
)

// Rules of a diagnostic: the summary is constant and holds no user's data; the
// detail says what, why and how to fix it; commands stand on a line of their
// own, indented by two spaces.

// problem makes an error diagnostic at a range.
func problem(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	d := failure(summary, format, args...)
	d.Subject = &at
	return d
}

// caution makes a warning diagnostic at a range.
func caution(at hcl.Range, summary, format string, args ...any) *hcl.Diagnostic {
	d := problem(at, summary, format, args...)
	d.Severity = hcl.DiagWarning
	return d
}

// failure makes an error diagnostic that no text is to blame for.
func failure(summary, format string, args ...any) *hcl.Diagnostic {
	return &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Detail: fmt.Sprintf(format, args...)}
}

func unsupported(at hcl.Range, format string, args ...any) *hcl.Diagnostic {
	return problem(at, "Unsupported feature", format, args...)
}

// didYouMean returns a sentence with the nearest name, or "". It begins with a
// space, so that it can follow a sentence.
func didYouMean(given string, names []string) string {
	if near := Nearest(given, names); near != "" {
		return fmt.Sprintf(" Did you mean %q?", near)
	}
	return ""
}

// Nearest returns the name that is a slip away: two letters at most, and of a
// short name not the half of it, unless only their order is wrong.
func Nearest(given string, names []string) string {
	best, distance := "", 3
	for _, name := range names {
		d := levenshtein.Distance(given, name, nil)
		if d < distance && (2*d < len(given) || sameLetters(given, name)) {
			best, distance = name, d
		}
	}
	return best
}

func sameLetters(a, b string) bool {
	x, y := []rune(a), []rune(b)
	slices.Sort(x)
	slices.Sort(y)
	return slices.Equal(x, y)
}

// where returns file and line for the text of a diagnostic.
func where(r hcl.Range) string { return fmt.Sprintf("%s:%d", r.Filename, r.Start.Line) }

// oneOfList returns "a", "b" or "c".
func oneOfList(names []string) string { return quotedList(names, "or") }

// allOfList returns "a", "b" and "c".
func allOfList(names []string) string { return quotedList(names, "and") }

func quotedList(names []string, conjunction string) string {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = fmt.Sprintf("%q", name)
	}
	if len(quoted) < 2 {
		return strings.Join(quoted, "")
	}
	last := len(quoted) - 1
	return strings.Join(quoted[:last], ", ") + " " + conjunction + " " + quoted[last]
}

// ordered sorts diagnostics by place and leaves out repetitions, so that the
// order of evaluation does not show.
func ordered(diags hcl.Diagnostics) hcl.Diagnostics {
	sort.SliceStable(diags, func(i, j int) bool {
		a, b := diags[i].Subject, diags[j].Subject
		switch {
		case a == nil || b == nil:
			return a == nil && b != nil
		case a.Filename != b.Filename:
			return a.Filename < b.Filename
		default:
			return a.Start.Byte < b.Start.Byte
		}
	})
	seen := map[string]bool{}
	var out hcl.Diagnostics
	for _, d := range diags {
		key := fmt.Sprint(d.Severity, d.Subject, d.Summary, d.Detail)
		if !seen[key] {
			seen[key] = true
			out = append(out, d)
		}
	}
	return out
}
