package topology

import (
	_ "embed" // for the list of names
	"strings"
)

// parametersText is the list of PostgreSQL's own parameters, one a line.
//
//go:embed known_parameters.txt
var parametersText string

func parameterNames() []string { return strings.Fields(parametersText) }

func knownParameters() map[string]bool {
	known := map[string]bool{}
	for _, name := range parameterNames() {
		known[name] = true
	}
	return known
}
