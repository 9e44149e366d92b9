package cluster

// Decision is what becomes of a node's server in this plan.
type Decision int

// The decisions. What becomes of a node is decided once (decide.go), when its cluster's world is
// made, and all kinds use it.
const (
	Unknown Decision = iota // nothing is done: it could not be read, or holds what no plan touches
	Keep                    // its server runs, and stays what it is
	Start                   // it has a cluster, and no server runs
	Create                  // it should lead a cluster that does not exist yet
	Clone                   // a standby without data, or with part of a copy: it is copied
	Reclone                 // a standby that is copied again, as -replace asks, or since it has diverged
)

// Copies reports whether the node is filled by a copy of its upstream.
func (d Decision) Copies() bool { return d == Clone || d == Reclone }

// Makes reports whether the node has no server of its own yet, and gets one.
func (d Decision) Makes() bool { return d == Create || d.Copies() }
