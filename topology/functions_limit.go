package topology

import (
	"fmt"
	"regexp"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// Some functions allocate at once what their arguments multiply to, or call themselves for
// each level of a text. They look at their arguments first.

// limited is a function that looks at its arguments first.
func limited(f function.Function, check func(args []cty.Value) error) function.Function {
	return function.New(&function.Spec{
		Params: f.Params(), VarParam: f.VarParam(), Type: f.ReturnTypeForValues,
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if err := check(args); err != nil {
				return cty.NilVal, err
			}
			return f.Call(args)
		},
	})
}

func decodeJSON() function.Function {
	check := func(text cty.Value) error {
		if !text.IsKnown() {
			return nil
		}
		return jsonNesting([]byte(text.AsString()), func([]byte) error { return nil })
	}
	f := stdlib.JSONDecodeFunc
	return function.New(&function.Spec{
		Params: f.Params(),
		Type: func(args []cty.Value) (cty.Type, error) {
			if err := check(args[0]); err != nil {
				return cty.NilType, err
			}
			return f.ReturnTypeForValues(args)
		},
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) { return f.Call(args) },
	})
}

func joinLimit(args []cty.Value) error {
	text := 0
	for _, list := range args[1:] {
		if list.IsKnown() && !list.IsNull() {
			text += list.LengthInt() * len(args[0].AsString())
		}
	}
	return textLimit(text)
}

func replaceLimit(args []cty.Value) error {
	text, by := args[0].AsString(), args[2].AsString()
	if len(by) == 0 {
		return nil
	}
	if len(text)+1 > mostText/len(by) {
		return textLimit(mostText + 1)
	}
	return nil
}

func indentLimit(args []cty.Value) error {
	spaces, err := wholeNumber(args[0], 0)
	if err == nil && spaces > 1000 {
		err = function.NewArgErrorf(0, "must be 1000 or fewer spaces")
	}
	return err
}

// formatLimit looks for a width or precision that no text needs.
func formatLimit(args []cty.Value) error {
	format, _ := args[0].Unmark()
	if !format.IsKnown() || format.IsNull() || format.Type() != cty.String {
		return nil
	}
	if regexp.MustCompile(`%[-+ #.0-9]*[0-9]{5,}`).MatchString(format.AsString()) {
		return function.NewArgErrorf(0, "width and precision are limited to four digits")
	}
	return nil
}

func productLimit(args []cty.Value) error {
	product := 1
	for _, set := range args {
		set, _ = set.Unmark()
		if !set.IsKnown() || set.IsNull() || !set.CanIterateElements() {
			return nil
		}
		n := set.LengthInt()
		if n > 0 && product > mostElements/n {
			return fmt.Errorf("the product has more than %d elements", mostElements)
		}
		product *= n
	}
	return nil
}

func textLimit(n int) error {
	if n > mostText {
		return fmt.Errorf("the text is longer than %d MB", mostText>>20)
	}
	return nil
}
