package topology

import (
	"github.com/zclconf/go-cty/cty"
)

// instance is one element of a for_each.
type instance struct {
	key   string
	value cty.Value
}

// scope returns each.key and each.value.
func (i instance) scope() map[string]cty.Value {
	return map[string]cty.Value{"each": cty.ObjectVal(map[string]cty.Value{
		"key": cty.StringVal(i.key), "value": i.value,
	})}
}

// forEach returns the elements of a block's for_each in the order of their
// keys, and nil without one. False: what it says cannot be used, and why is
// reported.
func (e *evaluator) forEach(decl *declaration, s *schema) ([]instance, bool) {
	content, _, _ := decl.block.Body.PartialContent(s.body())
	attr := content.Attributes["for_each"]
	if attr == nil {
		return nil, true
	}
	v, diags := e.expression(attr.Expr)
	e.report(diags)
	wrong := func(why string) ([]instance, bool) {
		e.add(problem(attr.Expr.Range(), "Invalid for_each", "%s", why))
		return nil, false
	}
	// Marks within a map's values travel on through each.value; the keys and
	// their number show in every plan.
	if v.IsMarked() {
		return wrong("The keys of for_each are part of addresses, so they cannot be sensitive. If they may be shown, wrap the " +
			"value in nonsensitive(…).")
	}
	if !v.IsKnown() && e.in.NoSecrets {
		return wrong("The keys of for_each depend on a variable, or an environment variable, that has no value. Set it.")
	}
	if !v.IsKnown() {
		return nil, false
	}
	typ := v.Type()
	switch {
	case v.IsNull():
		return wrong("for_each is null. Use {} for no instances.")
	case typ.IsMapType() || typ.IsObjectType():
		return elements(v), true
	case typ.IsSetType() && typ.ElementType() == cty.String:
		if !v.IsWhollyKnown() {
			return nil, false
		}
		return elements(v), true
	case typ.IsListType() || typ.IsTupleType() || typ.IsSetType():
		return wrong("for_each must be a map or a set of strings: write toset([…]) around a list of strings.")
	default:
		return wrong("for_each must be a map or a set of strings, not " + withArticle(typ.FriendlyName()) + ".")
	}
}

func elements(v cty.Value) []instance {
	list := []instance{}
	for it := v.ElementIterator(); it.Next(); {
		key, value := it.Element()
		if v.Type().IsSetType() {
			key = value
		}
		if key.IsNull() {
			continue
		}
		list = append(list, instance{key: key.AsString(), value: value})
	}
	return list
}
