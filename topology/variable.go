package topology

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/typeexpr"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// sensitiveMark is the cty mark of a value that must not be shown.
type sensitiveMark struct{}

// longestType is the most that the text of a type takes.
const longestType = 16 << 10

// variableBlock is a variable as declared.
type variableBlock struct {
	name      string
	typ       cty.Type
	typed     bool // type was given: texts of complex types are expressions
	optional  *typeexpr.Defaults
	def       cty.Value // cty.NilVal: no default
	sensitive bool
	nullable  bool
	at        hcl.Range
}

// variable returns the value of var.NAME: what was given, else the default,
// converted to the declared type and marked when sensitive.
func (e *evaluator) variable(decl *declaration) cty.Value {
	content, diags := variableSchema().content(decl.block.Body, e.src.files)
	e.report(diags)
	// No scope: the attributes of a variable block are constants, and those of
	// its validation blocks are evaluated last.
	v := e.variableBlock(decl, &block{e: e, content: content, at: decl.at, address: decl.address})
	value := e.variableValue(v)
	if v.sensitive {
		e.keepSecrets("var."+v.name, value)
		return value.Mark(sensitiveMark{})
	}
	return value
}

func (e *evaluator) variableBlock(decl *declaration, b *block) *variableBlock {
	v := &variableBlock{name: decl.name, typ: cty.DynamicPseudoType, nullable: true, at: decl.at}
	b.flag("sensitive", &v.sensitive)
	b.flag("nullable", &v.nullable)
	var description string
	b.text("description", &description)
	if attr := b.content.Attributes["type"]; attr != nil {
		typ, optional, diags := typeConstraint(attr.Expr)
		e.report(diags)
		v.typ, v.optional, v.typed = typ, optional, true
		if diags.HasErrors() {
			v.typ, v.optional = cty.DynamicPseudoType, nil
		}
	}
	if attr := b.content.Attributes["default"]; attr != nil {
		v.def = e.variableDefault(v, attr)
	}
	return v
}

// typeConstraint reads a type. In JSON it is a string, which is parsed only here.
func typeConstraint(expr hcl.Expression) (cty.Type, *typeexpr.Defaults, hcl.Diagnostics) {
	if at := expr.Range(); at.End.Byte-at.Start.Byte > longestType {
		return cty.DynamicPseudoType, nil, hcl.Diagnostics{problem(at, "Type too long",
			"A type constraint is limited to %d bytes. Split the variable into several variables.", longestType)}
	}
	return typeexpr.TypeConstraintWithDefaults(expr)
}

func (e *evaluator) variableDefault(v *variableBlock, attr *hcl.Attribute) cty.Value {
	if v.sensitive {
		e.hidden = append(e.hidden, attr.Expr.Range())
	}
	for _, ref := range attr.Expr.Variables() {
		e.add(problem(ref.SourceRange(), "Reference in a default value",
			"The default of a variable cannot contain references. Use a local value instead."))
		return cty.DynamicVal
	}
	value, diags := attr.Expr.Value(&hcl.EvalContext{Functions: e.functions})
	e.report(diags)
	if diags.HasErrors() {
		return cty.DynamicVal
	}
	return e.convertVariable(v, value, attr.Expr.Range())
}

// variableValue chooses the value: given, default, or an error.
func (e *evaluator) variableValue(v *variableBlock) cty.Value {
	given, ok := e.given[v.name]
	if !ok {
		if v.def == cty.NilVal && (e.in.Unset || e.in.NoSecrets && v.sensitive) {
			e.ask("REPLTOOL_VAR_" + v.name)
			return cty.UnknownVal(v.typ)
		}
		if v.def == cty.NilVal {
			e.add(problem(v.at, "No value for variable",
				"Variable %q has no default, and no value was given. Set it with -var '%s=…', -var-file, "+
					"repltool.vars.hcl, or REPLTOOL_VAR_%s in the environment.", v.name, v.name, v.name))
			return cty.DynamicVal
		}
		return v.def
	}
	if v.sensitive && given.value != cty.NilVal {
		e.hidden = append(e.hidden, given.at)
	}
	value := e.convertVariable(v, e.givenExpression(v, given), given.rangeOr(v.at))
	if value.IsKnown() && value.IsNull() && !v.nullable && v.def != cty.NilVal {
		return v.def
	}
	e.recordVariable(v, value)
	return value
}

// ask remembers an environment variable that is not set.
func (e *evaluator) ask(name string) {
	if i, found := slices.BinarySearch(e.top.Asked, name); !found {
		e.top.Asked = slices.Insert(e.top.Asked, i, name)
	}
}

// convertVariable converts to the declared type. The value stays out of the
// diagnostic: it may be a secret.
func (e *evaluator) convertVariable(v *variableBlock, value cty.Value, at hcl.Range) cty.Value {
	value, _ = value.UnmarkDeep()
	if v.optional != nil && !value.IsNull() {
		value = v.optional.Apply(value)
	}
	converted, err := convert.Convert(value, v.typ)
	if err != nil {
		e.add(problem(at, "Incorrect value type",
			"The value of variable %q does not match its type %s: %s.", v.name, typeexpr.TypeString(v.typ), err))
		return cty.DynamicVal
	}
	if converted.IsKnown() && converted.IsNull() && !v.nullable && v.def == cty.NilVal {
		e.add(problem(at, "Null value for variable", "Variable %q is not nullable. Give it a value.", v.name))
		return cty.DynamicVal
	}
	return converted
}

// validateVariables evaluates the validation blocks. They come last, so that a
// condition may refer to anything.
func (e *evaluator) validateVariables() {
	for _, name := range e.decls.names("var") {
		decl := e.decls.byAddress["var."+name]
		content, _ := decl.block.Body.Content(variableSchema().body())
		for _, rule := range content.Blocks {
			body, diags := variableSchema().block("validation").content(rule.Body, e.src.files)
			e.report(diags)
			if !diags.HasErrors() {
				e.validateVariable(decl, body.Attributes)
			}
		}
	}
}

func (e *evaluator) validateVariable(decl *declaration, attrs hcl.Attributes) {
	condition := attrs["condition"].Expr
	result, diags := e.expression(condition)
	e.report(diags)
	result, _ = result.Unmark()
	if !result.IsKnown() {
		return
	}
	held, err := convert.Convert(result, cty.Bool)
	if err != nil || held.IsNull() {
		e.add(problem(condition.Range(), "Invalid condition", "A condition must be true or false."))
		return
	}
	if held.True() {
		return
	}
	given, ok := e.given[decl.name]
	at := decl.at
	if ok {
		at = given.rangeOr(at)
	}
	e.add(problem(at, "Invalid value for variable", "%s\n\nThis was checked by the validation rule at %s.",
		e.errorMessage(attrs["error_message"].Expr), where(condition.Range())))
}

func (e *evaluator) errorMessage(expr hcl.Expression) string {
	message, diags := e.expression(expr)
	e.report(diags)
	plain, marks := message.UnmarkDeep()
	if len(marks) > 0 {
		return "The error message of this rule contains a sensitive value, so it is not shown."
	}
	text, err := convert.Convert(plain, cty.String)
	if err != nil || text.IsNull() || !text.IsKnown() {
		return "The value is not allowed."
	}
	return strings.TrimSpace(text.AsString())
}

// keepSecrets remembers every text within a sensitive value.
func (e *evaluator) keepSecrets(ref string, v cty.Value) { collectSecrets(e.top.Secrets, ref, v) }

func collectSecrets(into Secrets, ref string, v cty.Value) {
	v, _ = v.UnmarkDeep()
	if !v.IsKnown() || v.IsNull() {
		return
	}
	switch {
	case v.Type() == cty.String:
		into[ref] = NewSecret(ref, v.AsString())
	case v.Type() == cty.Number:
		collectNumber(into, ref, v)
	case v.CanIterateElements():
		for i, it := 0, v.ElementIterator(); it.Next(); i++ {
			key, element := it.Element()
			step := fmt.Sprintf("[%d]", i) // a map's keys may be secrets too
			if v.Type().IsObjectType() {
				step = "." + key.AsString()
			}
			collectSecrets(into, ref+step, element)
		}
	}
}

// keepMarked remembers the texts of a value that an expression marks. It has no
// address; and since an expression may be evaluated many times, only a text
// that is new counts.
func (e *evaluator) keepMarked(v cty.Value) {
	for _, text := range textsIn(v) {
		if !e.marked[text] {
			e.marked[text] = true
			ref := fmt.Sprintf("sensitive()[%d]", len(e.marked)-1)
			e.top.Secrets[ref] = NewSecret(ref, text)
		}
	}
}

// forgetShown takes out the texts that the topology itself allows to be shown.
// What is a password or a secret parameter stays one.
func (e *evaluator) forgetShown() {
	for ref, secret := range e.top.Secrets {
		if e.shown[secret.Reveal()] && (strings.HasPrefix(ref, "var.") || strings.HasPrefix(ref, "sensitive()")) {
			delete(e.top.Secrets, ref)
		}
	}
}

// textsIn returns the texts within a value.
func textsIn(v cty.Value) []string {
	found := Secrets{}
	collectSecrets(found, "", v)
	return found.Texts()
}

// collectNumber leaves out what is too short to be a secret: striking out every 1
// would make all output unreadable.
func collectNumber(into Secrets, ref string, v cty.Value) {
	text, err := convert.Convert(v, cty.String)
	if err == nil && len(text.AsString()) >= 4 {
		into[ref] = NewSecret(ref, text.AsString())
	}
}
