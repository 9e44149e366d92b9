package topology

import (
	"sort"

	"github.com/hashicorp/hcl/v2"
)

// Parameters are settings of a server, a role or a database by name. Names are
// in lower case, as PostgreSQL folds them.
type Parameters map[string]Parameter

// Parameter is one wanted setting. Values are compared by meaning (1GB is
// 1024MB, on is true): by package plan, which knows the server's units.
type Parameter struct {
	// Value is the text as written, "" when Secret is set.
	Value string
	// Secret stands in for Value when the value was marked sensitive.
	Secret Secret
	Range  hcl.Range
}

// Names returns the names in order.
func (p Parameters) Names() []string {
	names := make([]string, 0, len(p))
	for name := range p {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}
