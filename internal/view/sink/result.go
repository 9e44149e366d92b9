package sink

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/plan"
)

// Outcome is what became of one address in a run.
type Outcome int

// The outcomes.
const (
	InSync      Outcome = iota
	NotCompared         // it rests on what could not be read, or the run had an error
	Differs             // a plan would change it, or it differs and no change fixes that
	Unhealthy           // a finding
	NotRead             // a node that could not be read
	Refused             // an error, or a warning, of loading or planning
)

// notReadCode is the code of a node that could not be read.
const notReadCode = "node_not_read"

// Result is one address in a run, or one of several things that are so of it.
type Result struct {
	Address  string
	Cluster  string // its name; "" beside the clusters
	Node     string // where it was found; "" for a whole cluster
	Outcome  Outcome
	Code     string        // of a change its action
	Severity plan.Severity // "" where nothing is wrong
	Message  string        // one line
	Detail   string        // what differs in full, or how to fix it; may be ""
	Range    hcl.Range     // where the topology declares it; empty where it does not
}

// word is what a result is called.
func (x Result) word() string {
	switch x.Outcome {
	case InSync:
		return "in sync"
	case NotCompared:
		return "not compared"
	case Differs:
		return "differs"
	case NotRead:
		return "not read"
	case Unhealthy:
		return "health " + string(x.Severity)
	default:
		return string(x.Severity)
	}
}
