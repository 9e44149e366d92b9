package topology

import "github.com/hashicorp/hcl/v2"

// Database is a database of a cluster, wanted or found. "" says nothing.
type Database struct {
	Name       string
	Owner      string
	Encoding   string
	Locale     string
	Template   string
	Parameters Parameters // ALTER DATABASE … SET; only those named are compared

	Lifecycle Lifecycle
	Range     hcl.Range
}
