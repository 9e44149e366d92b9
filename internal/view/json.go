package view

import (
	"encoding/json"
	"fmt"
	"io"

	"github.com/repltool/repltool/plan"
)

// EmptyPlan is what is told as JSON when there is no plan, for its diagnostics.
func EmptyPlan(version string) *plan.Plan {
	return &plan.Plan{
		FormatVersion: plan.FormatVersion, RepltoolVersion: version,
		Nodes: []plan.Node{}, Changes: []plan.Change{}, Steps: []plan.Step{},
		Drift: []plan.Notice{}, Unmanaged: []plan.Notice{}, Findings: []plan.Finding{},
		Summary:     plan.Summary{Restarts: []string{}, Copies: []plan.Copy{}},
		Diagnostics: []plan.Diagnostic{},
	}
}

// Validation writes the result of validate in the shape of terraform's.
func Validation(w io.Writer, diagnostics []plan.Diagnostic) error {
	result := struct {
		FormatVersion string            `json:"format_version"`
		Valid         bool              `json:"valid"`
		ErrorCount    int               `json:"error_count"`
		WarningCount  int               `json:"warning_count"`
		Diagnostics   []plan.Diagnostic `json:"diagnostics"`
	}{FormatVersion: plan.FormatVersion, Diagnostics: []plan.Diagnostic{}}
	for _, d := range diagnostics {
		if d.Severity == plan.Error {
			result.ErrorCount++
		} else {
			result.WarningCount++
		}
		result.Diagnostics = append(result.Diagnostics, d)
	}
	result.Valid = result.ErrorCount == 0
	return document(w, result)
}

// document writes one JSON value, indented.
func document(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(value); err != nil {
		return fmt.Errorf("encode: %w", err)
	}
	return nil
}
