package plan

import (
	_ "embed"
	"strings"
	"sync"
)

// Codes of diagnostics. A program compares the code, which never changes; a person reads
// the summary, which may. Each summary has one code, and codes.txt is where both are
// listed: for this package, the language and the verbs. docs/findings.md is made of it.

//go:embed codes.txt
var codesText string

// OtherCode is the code of what HCL's own parser says and codes.txt does not list.
const OtherCode = "invalid_hcl"

// codes returns the code of each summary.
var codes = sync.OnceValue(func() map[string]string {
	all := map[string]string{}
	for line := range strings.Lines(codesText) {
		code, summary, _ := strings.Cut(strings.TrimSpace(line), " ")
		all[summary] = code
	}
	return all
})

// CodeOf returns the code of a diagnostic with that summary.
func CodeOf(summary string) string {
	if code := codes()[summary]; code != "" {
		return code
	}
	return OtherCode
}

// Codes returns the summary of each code.
func Codes() map[string]string {
	all := map[string]string{}
	for summary, code := range codes() {
		all[code] = summary
	}
	return all
}
