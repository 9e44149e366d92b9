package topology

import (
	"sort"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// evaluator turns declarations into values, each when something first asks for
// it. So the order of blocks and files does not matter, and a cycle shows as a
// declaration that is asked for while it is being evaluated.
//
// What could not be evaluated is reported once and becomes an unknown value;
// whatever rests on an unknown value is passed over in silence.
type evaluator struct {
	dir   string
	in    Inputs
	src   *sources
	decls *declarations
	diags hcl.Diagnostics
	top   *Topology

	functions    map[string]function.Function
	values       map[string]cty.Value // by address
	stack        []string             // addresses being evaluated
	at           *place               // the last of them, for who waits
	broken       bool                 // a file has a syntax error
	unknowns     int                  // attributes passed over since their value is unknown
	doubtful     map[*Cluster]bool    // with such attributes: what is missing may be there
	given        map[string]givenValue
	nodes        map[string]*Node // by ID, as are clusters and publications
	clusters     map[string]*Cluster
	defaults     *nodeDefaults
	places       places
	known        map[string]bool // PostgreSQL's parameters
	publications map[string]*Publication
	marked       map[string]bool // texts that sensitive() was called with
	shown        map[string]bool // texts that nonsensitive() was called with
	hidden       []hcl.Range     // texts of sensitive values in the files
	movedBlocks  []*hcl.Block
	moves        []moved
}

func newEvaluator(dir string, in Inputs, src *sources) *evaluator {
	e := &evaluator{
		dir: dir, in: in, src: src,
		decls:        &declarations{byAddress: map[string]*declaration{}},
		values:       map[string]cty.Value{},
		given:        map[string]givenValue{},
		nodes:        map[string]*Node{},
		clusters:     map[string]*Cluster{},
		publications: map[string]*Publication{},
		places:       places{},
		doubtful:     map[*Cluster]bool{},
		known:        knownParameters(),
		marked:       map[string]bool{},
		shown:        map[string]bool{},
		defaults:     &nodeDefaults{},
		top: &Topology{
			Dir: dir, Variables: map[string]string{}, Secrets: Secrets{}, Files: map[string]*hcl.File{},
		},
	}
	e.functions = e.functionTable()
	return e
}

func (e *evaluator) report(diags hcl.Diagnostics) { e.diags = append(e.diags, diags...) }

// add reports one diagnostic of our own.
func (e *evaluator) add(d *hcl.Diagnostic) { e.diags = append(e.diags, d) }

// run evaluates everything. After a syntax error nothing but the variables is
// looked at, for their secrets: the rest would be reported as missing.
func (e *evaluator) run() {
	e.broken = e.diags.HasErrors()
	e.collect()
	e.giveValues()
	for _, name := range e.decls.names("var") {
		e.value("var." + name)
	}
	if e.broken {
		return
	}
	for _, address := range e.decls.order {
		e.value(address)
	}
	e.validateVariables()
	sort.Slice(e.top.Nodes, func(i, j int) bool { return e.top.Nodes[i].Name < e.top.Nodes[j].Name })
	sort.Slice(e.top.Clusters, func(i, j int) bool { return e.top.Clusters[i].Name < e.top.Clusters[j].Name })
	sort.Slice(e.top.Publications, func(i, j int) bool { return e.top.Publications[i].ID < e.top.Publications[j].ID })
	sort.Slice(e.top.Subscriptions, func(i, j int) bool { return e.top.Subscriptions[i].ID < e.top.Subscriptions[j].ID })
	e.readMoved()
	e.validate()
}

// value returns the value of an address, evaluating it if need be.
func (e *evaluator) value(address string) cty.Value {
	if v, ok := e.values[address]; ok {
		return v
	}
	decl := e.decls.byAddress[address]
	if decl == nil {
		return cty.DynamicVal
	}
	for i, visiting := range e.stack {
		if visiting == address {
			e.reportCycle(decl, e.stack[i:])
			return cty.DynamicVal
		}
	}
	if len(e.stack) >= mostReferences {
		e.add(problem(decl.at, "Reference chain too long",
			"%s is reached through a chain of %d references. Shorten the chain.", address, mostReferences))
		return cty.DynamicVal
	}
	e.stack = append(e.stack, address)
	e.at.set(address)
	v := e.withinLimits(decl, e.evaluate(decl))
	e.stack = e.stack[:len(e.stack)-1]
	e.values[address] = v
	return v
}

func (e *evaluator) evaluate(decl *declaration) cty.Value {
	switch decl.kind {
	case "var":
		return e.variable(decl)
	case "local":
		v, diags := e.expression(decl.expr)
		e.report(diags)
		return v
	case "defaults":
		e.decodeDefaults(decl)
		return cty.True
	case "node":
		return e.decodeNodes(decl)
	case "cluster":
		return e.decodeClusters(decl)
	case "publication":
		return e.decodePublications(decl)
	default:
		return e.decodeSubscriptions(decl)
	}
}

func (e *evaluator) reportCycle(decl *declaration, members []string) {
	chain := append(append([]string{}, members...), members[0])
	e.add(problem(decl.at, "Circular reference",
		"%s depends on itself: %s. Remove one of these references.", decl.address, strings.Join(chain, " -> ")))
}

// expression evaluates an expression that stands outside of any block of ours.
func (e *evaluator) expression(expr hcl.Expression) (cty.Value, hcl.Diagnostics) {
	v, diags := expr.Value(e.context(expr.Variables(), nil))
	if diags.HasErrors() {
		return cty.DynamicVal, diags
	}
	return v, diags
}

// context makes the scope for expressions that hold these references. Extra
// names (each) stand beside the declared ones.
func (e *evaluator) context(refs []hcl.Traversal, extra map[string]cty.Value) *hcl.EvalContext {
	roots := map[string]map[string]cty.Value{}
	vars := map[string]cty.Value{}
	for name, v := range extra {
		vars[name] = v
	}
	for _, ref := range refs {
		kind, name, ok := e.resolve(ref, extra)
		switch {
		case ok && name == "": // a name of extra
		case name == "":
			vars[kind] = cty.DynamicVal
		default:
			if roots[kind] == nil {
				roots[kind] = map[string]cty.Value{}
			}
			_, known := roots[kind][name]
			if ok && !known {
				roots[kind][name] = e.value(kind + "." + name)
			}
			if !ok {
				roots[kind][name] = cty.DynamicVal
			}
		}
	}
	for kind, members := range roots {
		if _, unknown := vars[kind]; !unknown {
			vars[kind] = cty.ObjectVal(members)
		}
	}
	return &hcl.EvalContext{Variables: vars, Functions: e.functions}
}

// inOrder returns attributes in the order of the text.
func inOrder(attrs hcl.Attributes) []*hcl.Attribute {
	list := make([]*hcl.Attribute, 0, len(attrs))
	for _, attr := range attrs {
		list = append(list, attr)
	}
	sort.Slice(list, func(i, j int) bool {
		return list[i].Range.Start.Byte < list[j].Range.Start.Byte
	})
	return list
}

// finish checks nothing more: it makes the result safe to show.
func (e *evaluator) finish() (*Topology, hcl.Diagnostics) {
	e.forgetShown()
	mask := e.newMask()
	e.top.Files = mask.files(e.src.files)
	return e.top, ordered(mask.diagnostics(e.diags))
}
