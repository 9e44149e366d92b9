// Package doctor examines the live clusters: what needs attention, how it is known, and how
// to fix it. It decides nothing; status, drift and plan report what it finds.
package doctor

import (
	"fmt"

	"github.com/repltool/repltool/topology"
)

// Severity is how bad a finding is.
type Severity string

// An error stops, loses or endangers something; a warning will, or may.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is a state of the live clusters that needs attention. Its code never changes, is
// listed in plan/codes.txt and explained in docs/findings.md.
type Finding struct {
	Code     string
	Severity Severity
	Address  topology.Address
	Node     string // where it was found; "" for a whole cluster
	Message  string // what is the case, with names and figures
	Evidence string // what was read to know it
	Fix      string // "" where waiting is all there is to do
}

// Saying is the finding with that message.
func (f Finding) Saying(format string, args ...any) Finding {
	f.Message = fmt.Sprintf(format, args...)
	return f
}

// Findings is what was found, in the order of the examination.
type Findings []Finding

func (all *Findings) report(f Finding, format string, args ...any) {
	*all = append(*all, f.Saying(format, args...))
}

// view names a system view, or a file, on a node, for evidence.
func view(name, node string) string { return name + " on " + node }
