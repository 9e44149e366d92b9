package check

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Parameters, judged by the server that will have them.

// paramFault is what is wrong with a wanted parameter, on some nodes.
type paramFault struct {
	at            hcl.Range
	summary, text string
	nodes         []string
}

// checkParameters lets the server judge the wanted values: by pg_settings where
// it runs, by its binary where it does not. A fault that several nodes have is
// reported once.
func checkParameters(s *cluster.Cluster, out *draft.Findings) {
	var faults []*paramFault
	for _, n := range s.Cluster.Members() {
		for _, fault := range paramFaults(s, n) {
			faults = addFault(faults, n.Name, fault)
		}
	}
	for _, f := range faults {
		out.Fail(f.at, f.summary, "%s: %s", strings.Join(f.nodes, ", "), f.text)
	}
}

func paramFaults(s *cluster.Cluster, n *topology.Node) []*paramFault {
	f := s.Found(n)
	if !f.Complete() {
		return nil
	}
	wanted := s.ParametersOf(n)
	if f.Server == nil || s.Recloned(n) {
		if f.Host.ParameterError == "" {
			return startFaults(s, n)
		}
		return []*paramFault{{
			at: paramRange(s, wanted, f.Host.ParameterError), summary: "Invalid parameter value",
			text: fmt.Sprintf("PostgreSQL %d rejects it: %s", f.Host.Version, f.Host.ParameterError),
		}}
	}
	var faults []*paramFault
	for _, name := range wanted.Names() {
		if fault := judge(f.Server, name, wanted[name]); fault != nil {
			faults = append(faults, fault)
		}
	}
	if len(faults) > 0 {
		return faults
	}
	return startFaults(s, n)
}

// paramRange returns where the parameter stands that the server's words name.
func paramRange(s *cluster.Cluster, wanted topology.Parameters, words string) hcl.Range {
	for _, name := range wanted.Names() {
		if strings.Contains(words, `"`+name+`"`) {
			return wanted[name].Range
		}
	}
	return s.Cluster.Range
}

// judge returns what a running server would say of a value, or nil.
func judge(server *facts.Server, name string, p topology.Parameter) *paramFault {
	setting, known := server.Settings[name]
	value := p.Value
	if p.Secret.IsSet() {
		value = p.Secret.Reveal()
	}
	_, err := cluster.Normalise(setting, value)
	switch {
	case !known && strings.Contains(name, "."):
		return nil // an extension's: the server takes it as it is
	case !known:
		return &paramFault{
			at: p.Range, summary: "Unknown parameter",
			text: fmt.Sprintf("PostgreSQL %d has no parameter %q.%s", server.Major(), name, words.Near(name, list.SortedKeys(server.Settings))),
		}
	case setting.Context == "internal":
		return &paramFault{
			at: p.Range, summary: "Parameter cannot be set",
			text: fmt.Sprintf("%q reports how the server was built or its cluster was initialized.", name),
		}
	case err != nil && p.Secret.IsSet():
		return &paramFault{at: p.Range, summary: "Invalid parameter value", text: fmt.Sprintf("%s does not accept the (sensitive) value.", name)}
	case err != nil:
		return &paramFault{at: p.Range, summary: "Invalid parameter value", text: fmt.Sprintf("%s: %s.", name, err)}
	}
	return nil
}
