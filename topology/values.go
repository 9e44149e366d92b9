package topology

import (
	"fmt"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
)

// environmentPrefix begins the names of variables in the environment.
const environmentPrefix = "REPLTOOL_VAR_"

// givenValue is what was given for a variable, before its type is known: a
// value of a file, or a text of the environment, a flag or a saved plan.
type givenValue struct {
	value cty.Value // cty.NilVal for a text
	text  string
	// literal: a text is a string unless the type says otherwise. A saved
	// plan's texts are expressions always.
	literal bool
	source  string // what gave the text, for diagnostics
	at      hcl.Range
}

// rangeOr returns where the value stands; a text stands in no file, so the
// variable's declaration is shown.
func (g givenValue) rangeOr(other hcl.Range) hcl.Range {
	if g.value == cty.NilVal {
		return other
	}
	return g.at
}

// giveValues gathers the values of variables. Later ones win.
func (e *evaluator) giveValues() {
	for _, name := range e.decls.names("var") {
		if text, ok := e.in.Environ(environmentPrefix + name); ok {
			e.given[name] = givenValue{text: text, literal: true, source: environmentPrefix + name}
		}
	}
	for _, path := range e.src.values {
		e.giveFile(path)
	}
	for name, text := range e.in.Variables {
		if e.decls.byAddress["var."+name] != nil {
			e.given[name] = givenValue{text: text, source: "the saved plan"}
		}
	}
	for _, a := range e.in.Vars {
		if a.File != "" {
			e.report(e.src.parse(a.File, readPipe))
			e.giveFile(a.File)
		} else {
			e.giveFlag(a.Var)
		}
	}
}

func (e *evaluator) giveFlag(text string) {
	name, value, found := strings.Cut(text, "=")
	name = strings.TrimSpace(name)
	switch {
	case !found:
		e.add(failure("Invalid -var flag", "A -var flag has the form NAME=VALUE; this one has no equals sign."))
	case e.decls.byAddress["var."+name] == nil:
		e.add(failure("Value for an undeclared variable",
			"-var sets %q, which no variable block declares.%s", name, didYouMean(name, e.decls.names("var"))))
	default:
		e.given[name] = givenValue{text: value, literal: true, source: "-var"}
	}
}

func (e *evaluator) giveFile(path string) {
	file := e.src.files[path]
	if file == nil {
		return
	}
	attrs, diags := file.Body.JustAttributes()
	e.report(diags)
	for _, attr := range inOrder(attrs) {
		if e.decls.byAddress["var."+attr.Name] == nil {
			e.add(problem(attr.NameRange, "Value for an undeclared variable",
				"No variable block declares %q.%s", attr.Name, didYouMean(attr.Name, e.decls.names("var"))))
			continue
		}
		e.given[attr.Name] = e.fileValue(attr)
	}
}

func (e *evaluator) fileValue(attr *hcl.Attribute) givenValue {
	given := givenValue{value: cty.DynamicVal, at: attr.Expr.Range()}
	for _, ref := range attr.Expr.Variables() {
		e.add(problem(ref.SourceRange(), "Reference in a values file",
			"A values file can contain only literal values, not references. Put strings in quotes."))
		return given
	}
	value, diags := attr.Expr.Value(&hcl.EvalContext{Functions: e.functions})
	e.report(diags)
	if !diags.HasErrors() {
		given.value = value
	}
	return given
}

// givenExpression turns a text into a value: as it is for a variable of a
// primitive type or none, as an expression for every other.
func (e *evaluator) givenExpression(v *variableBlock, given givenValue) cty.Value {
	if given.value != cty.NilVal {
		return given.value
	}
	if given.literal && (!v.typed || v.typ.IsPrimitiveType()) {
		return cty.StringVal(given.text)
	}
	name := fmt.Sprintf("<value of var.%s>", v.name)
	value, err := expressionValue(given.text, name)
	if err != nil {
		e.add(problem(v.at, "Invalid expression for variable",
			"The value that %s gives variable %q is not a valid expression of its type. Write lists and maps as in a "+
				"topology, for example:\n  -var '%s=[\"a\", \"b\"]'",
			given.source, v.name, v.name))
		return cty.DynamicVal
	}
	return value
}

func expressionValue(text, name string) (cty.Value, error) {
	if err := expressionNesting(text); err != nil {
		return cty.NilVal, err
	}
	expr, diags := hclsyntax.ParseExpression([]byte(text), name, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	value, diags := expr.Value(nil)
	if diags.HasErrors() {
		return cty.NilVal, diags
	}
	return value, nil
}

// recordVariable keeps a given value for a saved plan, as an expression.
func (e *evaluator) recordVariable(v *variableBlock, value cty.Value) {
	if v.sensitive || !value.IsWhollyKnown() {
		return
	}
	e.top.Variables[v.name] = string(hclwrite.TokensForValue(value).Bytes())
}
