package topology

import (
	"maps"

	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functionTable returns every function of the language. Names are Terraform's
// where it has the function.
func (e *evaluator) functionTable() map[string]function.Function {
	table := map[string]function.Function{}
	for _, group := range []map[string]function.Function{
		numberFunctions(), textFunctions(), collectionFunctions(), conversionFunctions(),
		addressFunctions(), e.sensitiveFunctions(), e.outsideFunctions(),
	} {
		maps.Copy(table, group)
	}
	// A template file sees all functions except itself.
	table["templatefile"] = e.templateFileFunction(maps.Clone(table))
	return table
}

func numberFunctions() map[string]function.Function {
	return map[string]function.Function{
		"abs": stdlib.AbsoluteFunc, "ceil": stdlib.CeilFunc, "floor": stdlib.FloorFunc,
		"log": stdlib.LogFunc, "max": stdlib.MaxFunc, "min": stdlib.MinFunc,
		"parseint": stdlib.ParseIntFunc, "pow": stdlib.PowFunc, "signum": stdlib.SignumFunc,
		"sum": sumFunction(),
	}
}

func textFunctions() map[string]function.Function {
	return map[string]function.Function{
		"chomp": stdlib.ChompFunc, "format": limited(stdlib.FormatFunc, formatLimit), "formatlist": limited(stdlib.FormatListFunc, formatLimit),
		"indent": limited(stdlib.IndentFunc, indentLimit), "join": limited(stdlib.JoinFunc, joinLimit), "lower": stdlib.LowerFunc,
		"regex": stdlib.RegexFunc, "regexall": stdlib.RegexAllFunc, "replace": limited(replaceFunction(), replaceLimit),
		"split": stdlib.SplitFunc, "strrev": stdlib.ReverseFunc, "substr": stdlib.SubstrFunc,
		"title": stdlib.TitleFunc, "trim": stdlib.TrimFunc, "trimprefix": stdlib.TrimPrefixFunc,
		"trimspace": stdlib.TrimSpaceFunc, "trimsuffix": stdlib.TrimSuffixFunc, "upper": stdlib.UpperFunc,
		"startswith": textTest("prefix"), "endswith": textTest("suffix"), "strcontains": textTest("part"),
		"formatdate": stdlib.FormatDateFunc, "timeadd": stdlib.TimeAddFunc,
		"jsonencode": stdlib.JSONEncodeFunc, "jsondecode": decodeJSON(), "csvdecode": stdlib.CSVDecodeFunc,
		"base64encode": base64Encode(), "base64decode": base64Decode(),
	}
}

func collectionFunctions() map[string]function.Function {
	return map[string]function.Function{
		"alltrue": allTrue(), "anytrue": anyTrue(),
		"chunklist": stdlib.ChunklistFunc, "coalesce": stdlib.CoalesceFunc, "coalescelist": stdlib.CoalesceListFunc,
		"compact": stdlib.CompactFunc, "concat": stdlib.ConcatFunc, "contains": stdlib.ContainsFunc,
		"distinct": stdlib.DistinctFunc, "element": stdlib.ElementFunc, "flatten": stdlib.FlattenFunc,
		"index": indexFunction(), "keys": stdlib.KeysFunc, "length": lengthFunction(), "lookup": stdlib.LookupFunc,
		"merge": stdlib.MergeFunc, "one": oneFunction(), "range": stdlib.RangeFunc, "reverse": stdlib.ReverseListFunc,
		"setintersection": stdlib.SetIntersectionFunc, "setproduct": limited(stdlib.SetProductFunc, productLimit),
		"setsubtract": stdlib.SetSubtractFunc, "setunion": stdlib.SetUnionFunc, "slice": stdlib.SliceFunc,
		"sort": stdlib.SortFunc, "values": stdlib.ValuesFunc, "zipmap": stdlib.ZipmapFunc,
	}
}

func conversionFunctions() map[string]function.Function {
	return map[string]function.Function{
		"tostring": stdlib.MakeToFunc(cty.String), "tonumber": stdlib.MakeToFunc(cty.Number),
		"tobool": stdlib.MakeToFunc(cty.Bool), "tolist": stdlib.MakeToFunc(cty.List(cty.DynamicPseudoType)),
		"toset": stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
		"tomap": stdlib.MakeToFunc(cty.Map(cty.DynamicPseudoType)),
		"try":   tryfunc.TryFunc, "can": tryfunc.CanFunc,
	}
}

// sensitiveFunctions put the mark on a value, take it off and look for it. A
// text that is marked in the middle of an expression is a secret too.
func (e *evaluator) sensitiveFunctions() map[string]function.Function {
	anything := []function.Parameter{{
		Name: "value", Type: cty.DynamicPseudoType,
		AllowUnknown: true, AllowNull: true, AllowMarked: true, AllowDynamicType: true,
	}}
	same := func(args []cty.Value) (cty.Type, error) { return args[0].Type(), nil }
	return map[string]function.Function{
		"sensitive": function.New(&function.Spec{
			Params: anything, Type: same,
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				e.keepMarked(args[0])
				return args[0].Mark(sensitiveMark{}), nil
			},
		}),
		"nonsensitive": function.New(&function.Spec{
			Params: anything, Type: same,
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				plain, _ := args[0].UnmarkDeep()
				for _, text := range textsIn(plain) {
					e.shown[text] = true
				}
				return plain, nil
			},
		}),
		"issensitive": function.New(&function.Spec{
			Params: anything, Type: function.StaticReturnType(cty.Bool),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				return cty.BoolVal(args[0].ContainsMarked()), nil
			},
		}),
	}
}
