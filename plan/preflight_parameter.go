package plan

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
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
// told once.
func (s *scope) checkParameters(out *findings) {
	var faults []*paramFault
	for _, n := range s.cluster.Members() {
		for _, fault := range s.paramFaults(n) {
			faults = addFault(faults, n.Name, fault)
		}
	}
	for _, f := range faults {
		out.fail(f.at, f.summary, "%s: %s", strings.Join(f.nodes, ", "), f.text)
	}
}

func (s *scope) paramFaults(n *topology.Node) []*paramFault {
	f := s.found(n)
	if !f.Complete() {
		return nil
	}
	wanted := s.parametersOf(n)
	if f.Server == nil || s.recloned(n) {
		if f.Host.ParameterError == "" {
			return s.startFaults(n)
		}
		return []*paramFault{{
			at: s.paramRange(wanted, f.Host.ParameterError), summary: "Parameter not accepted",
			text: fmt.Sprintf("PostgreSQL %d says: %s", f.Host.Version, f.Host.ParameterError),
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
	return s.startFaults(n)
}

// paramRange answers where the parameter stands that the server's words name.
func (s *scope) paramRange(wanted topology.Parameters, words string) hcl.Range {
	for _, name := range wanted.Names() {
		if strings.Contains(words, `"`+name+`"`) {
			return wanted[name].Range
		}
	}
	return s.cluster.Range
}

// judge answers what a running server would say of a value, or nil.
func judge(server *facts.Server, name string, p topology.Parameter) *paramFault {
	setting, known := server.Settings[name]
	value := p.Value
	if p.Secret.IsSet() {
		value = p.Secret.Reveal()
	}
	_, err := normalise(setting, value)
	switch {
	case !known && strings.Contains(name, "."):
		return nil // an extension's: the server takes it as it is
	case !known:
		return &paramFault{
			at: p.Range, summary: "Unknown parameter",
			text: fmt.Sprintf("PostgreSQL %d has no parameter %q.%s", server.Major(), name, near(name, sortedKeys(server.Settings))),
		}
	case setting.Context == "internal":
		return &paramFault{
			at: p.Range, summary: "Parameter cannot be set",
			text: fmt.Sprintf("%q shows how the server was built or its cluster was made.", name),
		}
	case err != nil && p.Secret.IsSet():
		return &paramFault{at: p.Range, summary: "Parameter not accepted", text: fmt.Sprintf("%s does not take the (sensitive) value.", name)}
	case err != nil:
		return &paramFault{at: p.Range, summary: "Parameter not accepted", text: fmt.Sprintf("%s: %s.", name, err)}
	}
	return nil
}
