package messages

import (
	"go/ast"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/repltool/repltool/plan"
)

// findingCodes returns where the code of each finding is said: as Code of a Finding, or as
// the first argument of what makes one.
func findingCodes(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, s := range sources(t) {
		if !strings.HasPrefix(s.name, "doctor/") && !strings.HasPrefix(s.name, "plan/build/") {
			continue
		}
		note := func(e ast.Expr) {
			if code, ok := text(e); ok {
				all[code] = s.at(e)
			}
		}
		ast.Inspect(s.file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.KeyValueExpr:
				if name(n.Key) == "Code" {
					note(n.Value)
				}
			case *ast.CallExpr:
				if slices.Contains([]string{"at", "lost", "ReportDrift", "ReportUnmanaged", "ReportUnmanagedKind"}, name(n.Fun)) && len(n.Args) > 0 {
					note(n.Args[0])
				}
			case *ast.AssignStmt:
				for i, left := range n.Lhs {
					if name(left) == "Code" {
						note(n.Rhs[i])
					}
				}
			}
			return true
		})
	}
	return all
}

// TestEveryFindingHasACode: a code that is not in plan/codes.txt is listed nowhere.
func TestEveryFindingHasACode(t *testing.T) {
	found := findingCodes(t)
	if len(found) < 60 {
		t.Fatalf("only %d codes were found", len(found))
	}
	for code, at := range found {
		if plan.Codes()[code] == "" {
			t.Errorf("%s: the code %q is not in plan/codes.txt", at, code)
		}
	}
}

// parts are what docs/findings.md says of each finding, and of a diagnostic whose detail
// comes from elsewhere: from HCL, or from what was read.
func parts() []string { return []string{"- Meaning: ", "- Evidence: ", "- Fix: "} }

const unwritten = "TODO"

// written returns the codes that docs/findings.md explains in words of its own: those of
// findings, and those whose detail the code does not have as one text.
func written(t *testing.T) []string {
	t.Helper()
	found, details := findingCodes(t), detailsOf(t)
	var all []string
	for _, code := range slices.Sorted(maps.Keys(plan.Codes())) {
		if found[code] != "" || len(details[code]) == 0 {
			all = append(all, code)
		}
	}
	return all
}

// explanations returns what docs/findings.md says of each of them; of a new one, a skeleton.
func explanations(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	page := strings.Split(read(t, findings), "\n## ")
	for _, code := range written(t) {
		for _, part := range parts() {
			line := part + unwritten
			for _, entry := range page {
				if strings.HasPrefix(entry, code+"\n") {
					if was := regexp.MustCompile(`(?m)^` + regexp.QuoteMeta(part) + `(.|\n  )+`).FindString(entry); was != "" {
						line = strings.TrimRight(was, "\n ")
					}
				}
			}
			all[code] += line + "\n"
		}
	}
	return all
}

// TestFindingsAreExplained: a person who looks up a code finds what it means.
func TestFindingsAreExplained(t *testing.T) {
	for code, says := range explanations(t) {
		if strings.Contains(says, unwritten) {
			t.Errorf("%s: write what %s means, what was read, and how to fix it:\n%s", findings, code, says)
		}
	}
}
