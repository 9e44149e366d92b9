package topology

import (
	"fmt"
	"slices"
	"time"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
)

func (b *block) text(name string, to *string, checks ...check) {
	v, ok := b.convert(name, cty.String, "a string")
	if !ok {
		return
	}
	for _, c := range append([]check{singleLine}, checks...) {
		if why := c(v.AsString()); why != "" {
			b.invalid(name, why)
			return
		}
	}
	*to = v.AsString()
}

func (b *block) flag(name string, to *bool) {
	if v, ok := b.convert(name, cty.Bool, "true or false"); ok {
		*to = v.True()
	}
}

// number reads a whole number between low and high.
func (b *block) number(name string, to *int, low, high int) {
	v, ok := b.convert(name, cty.Number, "a whole number")
	if !ok {
		return
	}
	n, exact := v.AsBigFloat().Int64()
	if exact != 0 || n < int64(low) || n > int64(high) {
		b.invalid(name, fmt.Sprintf("must be a whole number from %d to %d.", low, high))
		return
	}
	*to = int(n)
}

func (b *block) port(to *int) { b.number("port", to, 1, 65535) }

func (b *block) duration(name string, to *time.Duration) {
	v, ok := b.convert(name, cty.String, "a duration like \"10min\"")
	if !ok {
		return
	}
	d, why := parseDuration(v.AsString())
	if why != "" {
		b.invalid(name, why)
		return
	}
	*to = d
}

func (b *block) size(name string) *int64 {
	v, ok := b.convert(name, cty.String, "a size like \"16MB\"")
	if !ok {
		return nil
	}
	n, why := parseSize(v.AsString())
	if why != "" {
		b.invalid(name, why)
		return nil
	}
	return &n
}

// texts reads a list or set of strings; nil when the attribute is absent.
func (b *block) texts(name string, checks ...check) []string {
	v, ok := b.value(name)
	if !ok {
		return nil
	}
	list, err := stringList(v)
	if err != nil {
		b.wrongType(name, "a list of strings", v.Type())
		return nil
	}
	return b.elements(name, list, checks)
}

// stringList is convert.Convert, which compares the types of all elements with each other:
// of thousands of strings it need not.
func stringList(v cty.Value) (cty.Value, error) {
	isString := func(t cty.Type) bool { return t == cty.String }
	if t := v.Type(); !t.IsTupleType() || v.IsMarked() || !v.IsKnown() || v.IsNull() || t.Length() == 0 || !allOf(t.TupleElementTypes(), isString) {
		return convert.Convert(v, cty.List(cty.String))
	}
	return cty.ListVal(v.AsValueSlice()), nil
}

func allOf[T any](list []T, is func(T) bool) bool {
	return !slices.ContainsFunc(list, func(x T) bool { return !is(x) })
}

// textOrTexts reads a string or a list of them.
func (b *block) textOrTexts(name string, checks ...check) []string {
	v, ok := b.value(name)
	if !ok {
		return nil
	}
	if v.Type().IsPrimitiveType() {
		v = cty.TupleVal([]cty.Value{v})
	}
	list, err := stringList(v)
	if err != nil {
		b.wrongType(name, "a string or a list of strings", v.Type())
		return nil
	}
	return b.elements(name, list, checks)
}

func (b *block) elements(name string, list cty.Value, checks []check) []string {
	out := []string{}
	for _, v := range list.AsValueSlice() {
		if v.IsNull() {
			b.invalid(name, "an element is null.")
			return nil
		}
		for _, c := range append([]check{singleLine}, checks...) {
			if why := c(v.AsString()); why != "" {
				b.invalid(name, why)
				return nil
			}
		}
		out = append(out, v.AsString())
	}
	return out
}
