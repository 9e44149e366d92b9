package topology

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/convert"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// The functions of this file are those of Terraform's that go-cty's standard
// library does not have, or has in a narrower form.

func stringParams(names ...string) []function.Parameter {
	params := make([]function.Parameter, len(names))
	for i, name := range names {
		params[i] = function.Parameter{Name: name, Type: cty.String}
	}
	return params
}

func stringFunction(params []function.Parameter, impl func(args []string) (string, error)) function.Function {
	return function.New(&function.Spec{
		Params: params, Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			texts := make([]string, len(args))
			for i, arg := range args {
				texts[i] = arg.AsString()
			}
			text, err := impl(texts)
			return cty.StringVal(text), err
		},
	})
}

// replaceFunction replaces a text, or with slashes around it an expression.
func replaceFunction() function.Function {
	return function.New(&function.Spec{
		Params: stringParams("str", "substr", "replace"), Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			pattern := args[1].AsString()
			if len(pattern) > 1 && strings.HasPrefix(pattern, "/") && strings.HasSuffix(pattern, "/") {
				return stdlib.RegexReplace(args[0], cty.StringVal(pattern[1:len(pattern)-1]), args[2])
			}
			return cty.StringVal(strings.ReplaceAll(args[0].AsString(), pattern, args[2].AsString())), nil
		},
	})
}

func textTest(what string) function.Function {
	test := map[string]func(text, part string) bool{
		"prefix": strings.HasPrefix, "suffix": strings.HasSuffix, "part": strings.Contains,
	}[what]
	return function.New(&function.Spec{
		Params: stringParams("str", what), Type: function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return cty.BoolVal(test(args[0].AsString(), args[1].AsString())), nil
		},
	})
}

func base64Encode() function.Function {
	return stringFunction(stringParams("str"), func(args []string) (string, error) {
		return base64.StdEncoding.EncodeToString([]byte(args[0])), nil
	})
}

func base64Decode() function.Function {
	return stringFunction(stringParams("str"), func(args []string) (string, error) {
		text, err := base64.StdEncoding.DecodeString(args[0])
		if err != nil || !utf8.Valid(text) {
			return "", errors.New("it is not base64-encoded UTF-8 text")
		}
		return string(text), nil
	})
}

func sumFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			total := cty.Zero
			numbers, err := convert.Convert(args[0], cty.List(cty.Number))
			if err != nil || numbers.IsNull() {
				return cty.NilVal, function.NewArgErrorf(0, "must be a list or set of numbers")
			}
			for _, n := range numbers.AsValueSlice() {
				if n.IsNull() {
					return cty.NilVal, function.NewArgErrorf(0, "an element is null")
				}
				total = total.Add(n)
			}
			return total, nil
		},
	})
}

func boolFold(fold func(all []cty.Value) bool) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.List(cty.Bool)}},
		Type:   function.StaticReturnType(cty.Bool),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].IsWhollyKnown() {
				return cty.UnknownVal(cty.Bool), nil
			}
			return cty.BoolVal(fold(args[0].AsValueSlice())), nil
		},
	})
}

func allTrue() function.Function {
	return boolFold(func(all []cty.Value) bool {
		for _, v := range all {
			if v.IsNull() || v.False() {
				return false
			}
		}
		return true
	})
}

func anyTrue() function.Function {
	return boolFold(func(all []cty.Value) bool {
		for _, v := range all {
			if !v.IsNull() && v.True() {
				return true
			}
		}
		return false
	})
}

// lengthFunction counts the elements of a collection or the characters of a
// text.
func lengthFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType, AllowDynamicType: true}},
		Type:   function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			v := args[0]
			switch {
			case v.Type() == cty.String:
				return stdlib.Strlen(v)
			case v.Type().IsObjectType():
				return cty.NumberIntVal(int64(len(v.Type().AttributeTypes()))), nil
			case v.Type().IsTupleType() || v.Type().IsCollectionType():
				return v.Length(), nil
			}
			return cty.NilVal, function.NewArgErrorf(0, "must be a string, list, set, map or object")
		},
	})
}

func indexFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "list", Type: cty.DynamicPseudoType}, {Name: "value", Type: cty.DynamicPseudoType},
		},
		Type: function.StaticReturnType(cty.Number),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			if !args[0].Type().IsListType() && !args[0].Type().IsTupleType() {
				return cty.NilVal, function.NewArgErrorf(0, "must be a list")
			}
			for i, v := range args[0].AsValueSlice() {
				equal, err := stdlib.Equal(v, args[1])
				if err == nil && equal.IsKnown() && !equal.IsNull() && equal.True() {
					return cty.NumberIntVal(int64(i)), nil
				}
			}
			return cty.NilVal, errors.New("the list does not contain that value")
		},
	})
}

// oneFunction returns the only element of a list, or null of an empty one.
func oneFunction() function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
		Type: func(args []cty.Value) (cty.Type, error) {
			typ := args[0].Type()
			switch {
			case typ.IsListType() || typ.IsSetType():
				return typ.ElementType(), nil
			case typ.IsTupleType() && typ.Length() == 1:
				return typ.TupleElementType(0), nil
			case typ.IsTupleType() && typ.Length() == 0:
				return cty.DynamicPseudoType, nil
			}
			return cty.NilType, function.NewArgErrorf(0, "must be a list or set with at most one element")
		},
		Impl: func(args []cty.Value, want cty.Type) (cty.Value, error) {
			all := args[0].AsValueSlice()
			if len(all) > 1 {
				return cty.NilVal, function.NewArgErrorf(0, "the list has %d elements; at most one is allowed", len(all))
			}
			if len(all) == 0 {
				return cty.NullVal(want), nil
			}
			return all[0], nil
		},
	})
}

// wholeNumber returns a whole number, or an error that names the argument.
func wholeNumber(v cty.Value, arg int) (int, error) {
	n, exact := v.AsBigFloat().Int64()
	if exact != 0 || n != int64(int(n)) {
		return 0, function.NewArgError(arg, fmt.Errorf("must be a whole number"))
	}
	return int(n), nil
}
