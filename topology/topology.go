// Package topology is the language: it reads HCL and returns checked values.
//
// The types in this file and its siblings are the vocabulary of the whole
// program. What lives on a server is reported in the same words (package facts
// embeds these types), so that a diff compares two values of one type.
//
// Rules:
//   - a value that came out of Load without an error diagnostic is complete:
//     defaults are filled in and references are pointers;
//   - every value knows the range of the text that it came from;
//   - a secret is a Secret and nothing else;
//   - nothing here contacts a host or knows a server's state.
package topology

import (
	"github.com/hashicorp/hcl/v2"
)

// Topology is everything that one directory of HCL describes.
type Topology struct {
	// Dir is the directory that was loaded, as given.
	Dir string
	// Nodes and Clusters are sorted by name.
	Nodes    []*Node
	Clusters []*Cluster
	// Publications and Subscriptions are sorted by ID.
	Publications  []*Publication
	Subscriptions []*Subscription
	// Variables holds the values that were given for variables that are not
	// sensitive, as HCL expressions: what a saved plan needs to be read again
	// with the same ones (Inputs.Variables).
	Variables map[string]string
	// Asked are the environment variables that would give what Inputs.Unset or Inputs.NoSecrets
	// took for unknown, sorted.
	Asked []string
	// Secrets are all sensitive texts of the topology by their reference.
	Secrets Secrets
	// Files are the sources, for snippets in diagnostics: secrets in their
	// bytes are struck out by asterisks, one for one.
	Files map[string]*hcl.File
}

// Cluster returns the cluster that n belongs to, or nil.
func (t *Topology) Cluster(n *Node) *Cluster {
	for _, c := range t.Clusters {
		if c.Primary == n || c.Standby(n) != nil {
			return c
		}
	}
	return nil
}

// Node returns the node of that name, or nil.
func (t *Topology) Node(name string) *Node {
	for _, n := range t.Nodes {
		if n.Name == name {
			return n
		}
	}
	return nil
}
