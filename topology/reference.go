package topology

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/zclconf/go-cty/cty"
)

// referable are the words that an expression can begin with.
func referable() []string {
	return []string{"var", "local", "node", "cluster", "publication", "subscription", "each"}
}

// resolve returns what a reference names: kind and name of a declaration, or
// the root alone when it is one of extra. It reports what is not declared, with
// the names that come nearest.
func (e *evaluator) resolve(ref hcl.Traversal, extra map[string]cty.Value) (kind, name string, ok bool) {
	root := ref.RootName()
	if _, local := extra[root]; local {
		return root, "", true
	}
	switch root {
	case "var", "local", "node", "cluster", "publication", "subscription":
	case "each":
		e.add(problem(ref.SourceRange(), "Reference to each without for_each",
			"each.key and each.value are available only in a block that has for_each."))
		return root, "", false
	default:
		e.reportRoot(ref)
		return root, "", false
	}
	name, found := stepName(ref)
	if !found {
		e.add(problem(ref.SourceRange(), "Incomplete reference",
			"%q must be followed by the name of an object, for example %s.NAME.", root, root))
		return root, "", false
	}
	decl := e.decls.byAddress[root+"."+name]
	if decl == nil {
		e.reportUndeclared(ref, root, name)
		return root, name, false
	}
	return root, name, e.checkSteps(decl, ref)
}

// stepName returns the name in kind.NAME or kind["NAME"].
func stepName(ref hcl.Traversal) (string, bool) {
	if len(ref) < 2 {
		return "", false
	}
	return literalStep(ref[1])
}

func literalStep(step hcl.Traverser) (string, bool) {
	switch step := step.(type) {
	case hcl.TraverseAttr:
		return step.Name, true
	case hcl.TraverseIndex:
		if step.Key.Type() == cty.String {
			return step.Key.AsString(), true
		}
	}
	return "", false
}

func (e *evaluator) reportRoot(ref hcl.Traversal) {
	name := ref.RootName()
	hint := didYouMean(name, referable())
	if hint == "" && len(ref) == 1 {
		hint = " To use the text itself, put it in quotes: \"" + name + "\"."
	}
	e.add(problem(ref.SourceRange(), "Unknown reference",
		"%q is not defined. A reference begins with var, local, node, cluster, publication or each.%s", name, hint))
}

// mostNames is how many declared names a diagnostic lists.
const mostNames = 10

func (e *evaluator) reportUndeclared(ref hcl.Traversal, kind, name string) {
	declared := e.decls.names(kind)
	hint := didYouMean(name, declared)
	for _, other := range referable() {
		if hint == "" && e.decls.byAddress[other+"."+name] != nil {
			hint = " Did you mean " + other + "." + name + "?"
		}
	}
	if hint == "" && len(declared) > 0 && len(declared) <= mostNames {
		hint = fmt.Sprintf(" Declared: %s.", strings.Join(declared, ", "))
	}
	what := map[string]string{"var": "variable", "local": "local value"}[kind]
	if what == "" {
		what = kind
	}
	e.add(problem(ref.SourceRange(), "Reference to undeclared name",
		"There is no %s %q.%s", what, name, hint))
}

// checkSteps looks at what follows kind.NAME as far as the text tells it.
func (e *evaluator) checkSteps(decl *declaration, ref hcl.Traversal) bool {
	typ, ok := objectType(decl.kind)
	if !ok {
		return true
	}
	steps := ref[2:]
	v := e.value(decl.address)
	if v.Type() == cty.DynamicPseudoType {
		return true
	}
	if v.Type().IsMapType() && len(steps) > 0 {
		if key, ok := literalStep(steps[0]); ok && !e.hasKey(v, key, decl, ref) {
			return false
		}
		steps = steps[1:]
	}
	if len(steps) == 0 {
		return true
	}
	attr, ok := literalStep(steps[0])
	if !ok || typ.HasAttribute(attr) {
		return true
	}
	names := slices.Sorted(maps.Keys(typ.AttributeTypes()))
	e.add(problem(ref.SourceRange(), "Unknown attribute",
		"A %s has no attribute %q in expressions. Use %s.%s", decl.kind, attr, oneOfList(names), didYouMean(attr, names)))
	return false
}

func (e *evaluator) hasKey(v cty.Value, key string, decl *declaration, ref hcl.Traversal) bool {
	if !v.IsKnown() || v.HasIndex(cty.StringVal(key)).True() {
		return true
	}
	keys := slices.Sorted(maps.Keys(v.AsValueMap()))
	hint := didYouMean(key, keys)
	if v.Type().ElementType().HasAttribute(key) && len(keys) > 0 {
		hint = fmt.Sprintf(" Specify which %s: %s[%q].%s.", decl.kind, decl.address, keys[0], key)
	}
	e.add(problem(ref.SourceRange(), "Reference to undeclared name",
		"for_each of %s has no key %q.%s", decl.address, key, hint))
	return false
}
