// Package sink writes one run of drift for the programs that watch it: Prometheus, JUnit,
// GitHub, GitLab, Nagios, webhooks, and Markdown for people; and what validate finds for code
// scanning.
//
// One file is one sink. Those of a run are given the same Run, which is computed once, and hold to
// these rules:
//   - what was not read is said: it is never left out as if it were in sync;
//   - no statement, no connection string, no password: results hold what differs, not the steps;
//   - the order is that of addresses and codes, so that two runs can be compared;
//   - nothing here opens a file or a connection. Texts are redacted before a sink escapes them,
//     and the caller's redactor is around every writer as well.
package sink

import (
	"slices"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Run is one run of drift.
type Run struct {
	Name     string // of the topology: its directory's
	Version  string // of repltool
	Ended    time.Time
	Took     time.Duration
	ExitCode int
	Topology *topology.Topology // with nothing in it where it did not load
	Base     string             // directory that files are named from: the checkout's
	Redact   func(string) string
	Facts    facts.Facts
	Plan     *plan.Plan
	Status   view.Status
	Results  []Result // by address and code
}

// Failed reports whether the run ended with an error: what differs is not known then.
func (r *Run) Failed() bool {
	return slices.ContainsFunc(r.Plan.Diagnostics, func(d plan.Diagnostic) bool { return d.Severity == plan.Error })
}

// Whole reports whether everything was compared.
func (r *Run) Whole() bool { return r.Plan.Complete && len(r.Plan.Targets) == 0 && !r.Failed() }

// wasRead reports whether a node could be read in full.
func wasRead(n plan.Node) bool { return n.Reachable && n.Error == "" }

// read returns how many nodes could be read in full.
func (r *Run) read() int {
	read := 0
	for _, n := range r.Plan.Nodes {
		if wasRead(n) {
			read++
		}
	}
	return read
}

// compared reports whether all of a cluster was compared: only then nothing found means that
// nothing is there.
func (r *Run) compared(c *topology.Cluster) bool {
	if r.Failed() || len(r.Plan.Targets) > 0 {
		return false
	}
	return r.Plan.Complete || !slices.ContainsFunc(r.Plan.Nodes, func(n plan.Node) bool { return n.Cluster == c.ID && !wasRead(n) }) &&
		!slices.ContainsFunc(r.Results, func(x Result) bool {
			return x.Cluster == c.Name && x.Outcome == Unhealthy && x.Severity == plan.Error
		})
}

// count returns how many results are so.
func (r *Run) count(is func(Result) bool) int {
	n := 0
	for _, x := range r.Results {
		if is(x) {
			n++
		}
	}
	return n
}

// errors and warnings count the findings.
func (r *Run) errors() int {
	return r.count(func(x Result) bool { return x.Outcome == Unhealthy && x.Severity == plan.Error })
}

func (r *Run) warnings() int {
	return r.count(func(x Result) bool { return x.Outcome == Unhealthy && x.Severity == plan.Warning })
}

// differences counts what differs from the topology: changes, and drift that no change fixes.
func (r *Run) differences() int {
	return r.count(func(x Result) bool { return x.Outcome == Differs })
}

// leader is the member that was found to be the primary, or "".
func leader(r *Run, c *topology.Cluster) string {
	for _, n := range r.Plan.Nodes {
		if n.Cluster == c.ID && n.Role == string(facts.RolePrimary) {
			return n.Name
		}
	}
	return ""
}

// server is what was read of a node's server, or nil.
func (r *Run) server(node string) *facts.Server {
	if n := r.Facts.Nodes[node]; n != nil {
		return n.Server
	}
	return nil
}
