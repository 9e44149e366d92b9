package messages

import (
	"flag"
	"fmt"
	"go/ast"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/plan"
)

var update = flag.Bool("update", false, "write docs/findings.md")

// callees are the functions that take the summary of a diagnostic as their first literal.
func callees() []string {
	return []string{
		"problem", "caution", "failure", "fail", "finding", "warn", "diagnose", "refuse", "refused", "raiseDiagnostic", "checkLimit",
	}
}

// said is one summary in the code, with the detail that follows it.
type said struct{ at, summary, detail string }

// summaries finds the summaries of diagnostics in the code.
func summaries(t *testing.T) []said {
	t.Helper()
	var all []said
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.CallExpr:
				if slices.ContainsFunc(callees(), func(c string) bool { return strings.EqualFold(c, name(n.Fun)) }) {
					all = append(all, literals(s, n.Args)...)
				}
			case *ast.KeyValueExpr:
				if key, ok := n.Key.(*ast.Ident); ok && strings.EqualFold(key.Name, "summary") {
					all = append(all, literals(s, []ast.Expr{n.Value})...)
				}
			}
			return true
		})
	}
	return all
}

func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// literals returns the first literal of a list as a summary, and the second as its detail.
func literals(s source, list []ast.Expr) []said {
	var texts []string
	for i, e := range list {
		if text, ok := text(e); ok {
			texts = append(texts, text)
		} else if id := name(e); id == "summary" {
			return nil // handed on
		} else if i > 0 && len(texts) == 0 && strings.HasSuffix(id, "summary") {
			return nil
		}
	}
	if len(texts) == 0 || texts[0] == "" || strings.Contains(texts[0], "%") {
		return nil
	}
	return []said{{s.at(list[0]), texts[0], strings.Join(texts[1:min(2, len(texts))], "")}}
}

// TestEveryDiagnosticHasACode: a summary that is not in plan/codes.txt has none.
func TestEveryDiagnosticHasACode(t *testing.T) {
	found := summaries(t)
	if len(found) < 200 {
		t.Fatalf("only %d summaries were found", len(found))
	}
	for _, s := range found {
		if plan.CodeOf(s.summary) == plan.OtherCode {
			t.Errorf("%s: %q has no code: add one to plan/codes.txt", s.at, s.summary)
		}
	}
}

// TestCodes: a code is a word for programs, is listed once, and something says its summary.
func TestCodes(t *testing.T) {
	all := plan.Codes()
	lines := strings.Split(strings.TrimSpace(read(t, "plan/codes.txt")), "\n")
	if len(lines) != len(all) || !slices.IsSorted(lines) {
		t.Errorf("plan/codes.txt has %d lines and %d codes; each is listed once, in order", len(lines), len(all))
	}
	literals, found := map[string]bool{}, findingCodes(t)
	for _, s := range sources(t) {
		ast.Inspect(s.file, func(n ast.Node) bool {
			if e, ok := n.(ast.Expr); ok {
				if text, ok := text(e); ok {
					literals[text] = true
				}
			}
			return true
		})
	}
	for code, summary := range all {
		if !regexp.MustCompile(`^[a-z][a-z0-9]*(_[a-z0-9]+)*$`).MatchString(code) {
			t.Errorf("%q is not a code", code)
		}
		if !literals[summary] && found[code] == "" && !slices.Contains(ofHCL(), summary) {
			t.Errorf("nothing says %q (%s) any more", summary, code)
		}
	}
}

// ofHCL are the summaries of HCL's own diagnostics that have a code.
func ofHCL() []string {
	return []string{
		"Argument or block definition required", "Attribute redefined", "Call to unknown function", "Duplicate argument",
		"Error in function call", "Incorrect JSON value type", "Invalid expression", "Invalid function argument",
		"Invalid index", "Invalid operand", "Invalid template interpolation value", "Invalid type specification",
		"Unsupported attribute",
	}
}

const findings = "docs/findings.md"

// TestFindingsAreListed compares docs/findings.md with the list.
func TestFindingsAreListed(t *testing.T) {
	want := document(t)
	if *update {
		if err := os.WriteFile(filepath.Join(root, findings), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, read(t, findings)); diff != "" {
		t.Errorf("%s is not up to date (-update writes it):\n%s", findings, diff)
	}
}

// detailsOf returns the details of each code, as people read them.
func detailsOf(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, s := range summaries(t) {
		code, line := plan.CodeOf(s.summary), template(s.detail)
		if len(line) > 12 && !slices.Contains(all[code], line) {
			all[code] = append(all[code], line)
		}
	}
	return all
}

func document(t *testing.T) string {
	t.Helper()
	details, explained := detailsOf(t), explanations(t)
	var b strings.Builder
	b.WriteString(head)
	all := plan.Codes()
	for _, code := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n", code, all[code])
		if explained[code] != "" {
			fmt.Fprintf(&b, "\n%s", explained[code])
			continue
		}
		slices.Sort(details[code])
		for _, d := range details[code] {
			fmt.Fprintf(&b, "\n> %s\n", d)
		}
	}
	return b.String()
}

const head = `# Errors, warnings and findings

Each error and warning of ` + "`validate`, `plan`, `apply`, `drift` and `status`" + ` has a code, which is the field ` + "`code`" + ` of a diagnostic
in their JSON. So has each finding: a state of the live clusters that needs attention, in ` + "`findings`, `drift` or `unmanaged`" + ` of
the JSON. The code never changes; the text that people read may. Below each code is its summary. Then follows what it means,
what was read to know it, and how to fix it; or, for an error or a warning whose detail is always the same, that detail:
"…" is a name or a figure. An error that plan and apply refuse to continue over, such as two live primaries,
is a finding of ` + "`drift` and `status`" + ` too, with the same code. Errors of HCL's parser that are not listed have the code
` + "`invalid_hcl`" + `.

This page is made of plan/codes.txt and the code by ` + "`go test ./internal/messages -update`" + `, which keeps what is written by hand.
`

// template writes a format for people, in one line.
func template(format string) string {
	format = regexp.MustCompile(`%(\[\d+\])?[-+# 0-9.]*[a-zA-Z]`).ReplaceAllString(format, "…")
	format = strings.ReplaceAll(format, "%%", "%")
	return strings.Join(strings.Fields(strings.NewReplacer("<", "&lt;", "*", `\*`, "_", `\_`).Replace(format)), " ")
}
