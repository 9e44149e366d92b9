package sink

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"slices"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/plan"
)

// The parts of a SARIF 2.1.0 log that code scanning reads.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		Rule         string            `json:"ruleId"`
		RuleIndex    int               `json:"ruleIndex"`
		Level        string            `json:"level"`
		Message      sarifText         `json:"message"`
		Locations    []sarifLocation   `json:"locations"`
		Fingerprints map[string]string `json:"partialFingerprints"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   sarifRegion   `json:"region"`
	}
	sarifArtifact struct {
		URI  string `json:"uri"`
		Base string `json:"uriBaseId"`
	}
	sarifRegion struct {
		StartLine   int `json:"startLine"`
		StartColumn int `json:"startColumn,omitempty"`
		EndLine     int `json:"endLine,omitempty"`
		EndColumn   int `json:"endColumn,omitempty"`
	}
)

// Sources say where the files of diagnostics are.
type Sources struct {
	Dir  string // of the topology: where a diagnostic without a place is reported
	Base string // directory that files are named from: the checkout's
}

// SARIF writes the diagnostics of a topology for code scanning.
func SARIF(w io.Writer, version string, from Sources, diagnostics []plan.Diagnostic) error {
	run := sarifRun{Tool: sarifTool{sarifDriver{Name: "repltool", Version: version, Rules: []sarifRule{}}}, ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	rules := &run.Tool.Driver.Rules
	for i, p := range from.places(diagnostics) {
		d := diagnostics[i]
		rule := slices.IndexFunc(*rules, func(r sarifRule) bool { return r.ID == d.Code })
		if rule < 0 {
			rule = len(*rules)
			*rules = append(*rules, sarifRule{d.Code, sarifText{cmp.Or(plan.Codes()[d.Code], d.Summary)}})
		}
		run.Results = append(run.Results, sarifResult{
			Rule: d.Code, RuleIndex: rule, Level: string(d.Severity), Message: sarifText{said(d)}, Locations: []sarifLocation{{sarifPhysical{
				Artifact: sarifArtifact{p.at.Filename, "%SRCROOT%"},
				Region:   sarifRegion{p.at.Start.Line, p.at.Start.Column, p.at.End.Line, p.at.End.Column},
			}}}, Fingerprints: map[string]string{"repltool/v1": p.fingerprint},
		})
	}
	return encode(w, sarifLog{"https://json.schemastore.org/sarif-2.1.0.json", "2.1.0", []sarifRun{run}})
}

// climateIssue is an issue of Code Climate's format, as far as GitLab reads it.
type climateIssue struct {
	Description string          `json:"description"`
	Check       string          `json:"check_name"`
	Fingerprint string          `json:"fingerprint"`
	Severity    string          `json:"severity"`
	Location    climateLocation `json:"location"`
}

type climateLocation struct {
	Path  string       `json:"path"`
	Lines climateLines `json:"lines"`
}

type climateLines struct {
	Begin int `json:"begin"`
}

// CodeClimate writes the diagnostics of a topology as GitLab's report on code quality.
func CodeClimate(w io.Writer, from Sources, diagnostics []plan.Diagnostic) error {
	issues := []climateIssue{}
	for i, p := range from.places(diagnostics) {
		d := diagnostics[i]
		severity := "minor"
		if d.Severity == plan.Error {
			severity = "critical"
		}
		issues = append(issues, climateIssue{said(d), d.Code, p.fingerprint, severity, climateLocation{p.at.Filename, climateLines{p.at.Start.Line}}})
	}
	return encode(w, issues)
}

// said is a diagnostic in one text.
func said(d plan.Diagnostic) string {
	if d.Detail == "" {
		return d.Summary
	}
	return d.Summary + ": " + d.Detail
}

// location is where a diagnostic is, and what it is recognized by in the next run.
type location struct {
	at          hcl.Range
	fingerprint string
}

// places returns that of each diagnostic. The fingerprint has no line, which changes with what
// is above it; the same said twice of a file is numbered.
func (s Sources) places(diagnostics []plan.Diagnostic) []location {
	seen := map[string]int{}
	var all []location
	for _, d := range diagnostics {
		at := rangeOf(d)
		if at.Filename == "" {
			at.Filename = s.Dir
		}
		if named := below(s.Base, at); named.Filename != "" {
			at = named
		}
		at.Start.Line = max(at.Start.Line, 1)
		said := d.Code + "\x00" + at.Filename + "\x00" + d.Detail
		seen[said]++
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%d", said, seen[said]))
		all = append(all, location{at, hex.EncodeToString(sum[:16])})
	}
	return all
}

func encode(w io.Writer, value any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	return enc.Encode(value)
}
