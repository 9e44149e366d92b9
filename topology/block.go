package topology

import (
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/dynblock"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

// block is one block that is being read. Its methods take an attribute's name
// and a place for its value; the place keeps what it has (the default) when the
// attribute is absent, null, unknown or wrong, and what is wrong is reported.
type block struct {
	e       *evaluator
	ctx     *hcl.EvalContext
	content *hcl.BodyContent
	schema  *schema
	label   string
	at      hcl.Range // the header
	address string    // of the object that the block describes
	object  any       // what places are kept for
}

// places remember where attributes of an object stand, for checks that come
// after all objects are read.
type places map[any]map[string]hcl.Range

func (p places) put(object any, attribute string, at hcl.Range) {
	if p[object] == nil {
		p[object] = map[string]hcl.Range{}
	}
	p[object][attribute] = at
}

// of returns where the attribute stands, or else where the object does.
func (p places) of(object any, attribute string, otherwise hcl.Range) hcl.Range {
	if at, ok := p[object][attribute]; ok {
		return at
	}
	return otherwise
}

// read checks a body against its schema and makes its scope from the
// references in it.
func (e *evaluator) read(header *hcl.Block, body hcl.Body, s *schema, address string, extra map[string]cty.Value) *block {
	ctx := e.context(s.references(body), extra)
	content, diags := s.content(dynblock.Expand(body, ctx), e.src.files)
	e.report(diags)
	b := &block{e: e, ctx: ctx, content: content, schema: s, at: header.DefRange, address: address}
	if len(header.Labels) > 0 {
		b.label = header.Labels[0]
	}
	return b
}

// about says which object's places the block's attributes are.
func (b *block) about(object any) { b.object = object }

// blocks returns the nested blocks of one type.
func (b *block) blocks(name string) []*block {
	var list []*block
	for _, inner := range b.content.Blocks {
		if inner.Type != name {
			continue
		}
		s := b.schema.block(name)
		content, diags := s.content(inner.Body, b.e.src.files)
		b.e.report(diags)
		nested := &block{
			e: b.e, ctx: b.ctx, content: content, schema: s, at: inner.DefRange,
			address: b.address + "." + name,
		}
		if len(inner.Labels) > 0 {
			nested.label = inner.Labels[0]
			nested.address += "." + nested.label
		}
		list = append(list, nested)
	}
	return list
}

// block returns the one nested block of a type, or nil.
func (b *block) block(name string) *block {
	list := b.blocks(name)
	if len(list) == 0 {
		return nil
	}
	for _, extra := range list[1:] {
		b.e.add(problem(extra.at, "Duplicate block",
			"Only one %s block is allowed here; the first one is at %s.", name, where(list[0].at)))
	}
	return list[0]
}

func (b *block) has(name string) bool { return b.content.Attributes[name] != nil }

// rangeOf returns where an attribute's value stands, or else the header.
func (b *block) rangeOf(name string) hcl.Range {
	if attr := b.content.Attributes[name]; attr != nil {
		return attr.Expr.Range()
	}
	return b.at
}

// evaluate returns an attribute's value with its marks; false when there is
// nothing to continue with.
func (b *block) evaluate(name string) (cty.Value, bool) {
	attr := b.content.Attributes[name]
	if attr == nil {
		return cty.NilVal, false
	}
	if b.object != nil {
		b.e.places.put(b.object, name, attr.Expr.Range())
	}
	v, diags := attr.Expr.Value(b.ctx)
	b.e.report(diags)
	if diags.HasErrors() || !v.IsWhollyKnown() {
		b.e.unknowns++
	}
	if diags.HasErrors() {
		return cty.NilVal, false
	}
	if !v.IsMarked() && v.IsKnown() && v.IsNull() {
		b.requireNotNull(name)
		return cty.NilVal, false
	}
	return v, true
}

// requireNotNull: null is as good as absent, which a required attribute must
// not be.
func (b *block) requireNotNull(name string) {
	if b.schema != nil && slices.Contains(b.schema.required, name) {
		b.e.add(problem(b.rangeOf(name), "Missing value", "%s is required and must not be null.", name))
	}
}

// value is evaluate for what will be shown: sensitive values are refused.
func (b *block) value(name string) (cty.Value, bool) {
	v, ok := b.evaluate(name)
	if !ok {
		return v, false
	}
	v, marks := v.UnmarkDeep()
	if len(marks) > 0 {
		b.e.add(sensitiveHere(b.rangeOf(name), name))
		return cty.NilVal, false
	}
	return v, v.IsWhollyKnown() && !v.IsNull()
}

func sensitiveHere(at hcl.Range, name string) *hcl.Diagnostic {
	return problem(at, "Sensitive value not allowed here",
		"Plans and servers show the value of %s, so it cannot be sensitive. If it may be shown, wrap it in "+
			"nonsensitive(…).", name)
}

// convert returns an attribute's value as that type.
func (b *block) convert(name string, typ cty.Type, want string) (cty.Value, bool) {
	v, ok := b.value(name)
	if !ok {
		return v, false
	}
	converted, err := convert.Convert(v, typ)
	if err != nil || converted.IsNull() {
		b.wrongType(name, want, v.Type())
		return cty.NilVal, false
	}
	return converted, true
}

func (b *block) wrongType(name, want string, got cty.Type) {
	b.e.add(problem(b.rangeOf(name), "Incorrect value type",
		"%s must be %s, not %s.", name, want, withArticle(got.FriendlyName())))
}

func withArticle(noun string) string {
	switch {
	case strings.HasPrefix(noun, "dynamic"):
		return "a value of unknown type"
	case strings.ContainsAny(noun[:1], "aeio"):
		return "an " + noun
	default:
		return "a " + noun
	}
}

// invalid reports a value that has the right type and a wrong content.
func (b *block) invalid(name, why string) {
	b.e.add(problem(b.rangeOf(name), "Invalid value", "%s: %s", name, why))
}
