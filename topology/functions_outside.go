package topology

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"unicode/utf8"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
)

// longestFile is the most that file() reads: what is longer was named by
// mistake.
const longestFile = 16 << 20

// outsideFunctions read the environment and files. Paths are relative to the
// topology's directory.
func (e *evaluator) outsideFunctions() map[string]function.Function {
	return map[string]function.Function{
		"env": function.New(&function.Spec{
			Params:   stringParams("name"),
			VarParam: &function.Parameter{Name: "default", Type: cty.String},
			Type:     function.StaticReturnType(cty.String),
			Impl:     func(args []cty.Value, _ cty.Type) (cty.Value, error) { return e.environment(args) },
		}),
		"file": stringFunction(stringParams("path"), func(args []string) (string, error) {
			return e.readText(args[0])
		}),
		"fileexists": function.New(&function.Spec{
			Params: stringParams("path"), Type: function.StaticReturnType(cty.Bool),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				info, err := os.Stat(e.path(args[0].AsString()))
				return cty.BoolVal(err == nil && info.Mode().IsRegular()), nil
			},
		}),
	}
}

func (e *evaluator) environment(args []cty.Value) (cty.Value, error) {
	name := args[0].AsString()
	text, ok := e.in.Environ(name)
	switch {
	case ok:
		return cty.StringVal(text), nil
	case len(args) > 1:
		return args[1], nil
	case e.in.Unset || e.in.NoSecrets:
		e.ask(name)
		return cty.UnknownVal(cty.String), nil
	}
	return cty.NilVal, function.NewArgErrorf(0,
		"environment variable %s is not set. Set it, or give a default: env(\"%s\", \"…\")", name, name)
}

func (e *evaluator) path(path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(e.dir, path)
}

func (e *evaluator) readText(path string) (string, error) {
	text, err := ReadFile(e.path(path), longestFile)
	switch {
	case err != nil:
		return "", function.NewArgErrorf(0, "%s: %s", path, reason(err))
	case !utf8.Valid(text):
		return "", function.NewArgErrorf(0, "%s is not valid UTF-8 text", path)
	}
	return string(text), nil
}

// templateFileFunction evaluates a file as a template with the variables that
// the second argument gives.
func (e *evaluator) templateFileFunction(functions map[string]function.Function) function.Function {
	return function.New(&function.Spec{
		Params: []function.Parameter{
			{Name: "path", Type: cty.String}, {Name: "vars", Type: cty.DynamicPseudoType},
		},
		Type: function.StaticReturnType(cty.String),
		Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
			return e.template(args[0].AsString(), args[1], functions)
		},
	})
}

func (e *evaluator) template(path string, vars cty.Value, functions map[string]function.Function) (cty.Value, error) {
	text, err := e.readText(path)
	if err != nil {
		return cty.NilVal, err
	}
	if !vars.Type().IsObjectType() && !vars.Type().IsMapType() {
		return cty.NilVal, function.NewArgErrorf(1, "must be a map of variables")
	}
	if err := templateNesting(text); err != nil {
		return cty.NilVal, fmt.Errorf("%s: %w", path, err)
	}
	expr, diags := hclsyntax.ParseTemplate([]byte(text), path, hcl.InitialPos)
	if diags.HasErrors() {
		return cty.NilVal, templateError(diags)
	}
	v, diags := expr.Value(&hcl.EvalContext{Variables: vars.AsValueMap(), Functions: functions})
	if diags.HasErrors() {
		return cty.NilVal, templateError(diags)
	}
	if !v.IsWhollyKnown() {
		return cty.UnknownVal(cty.String), nil
	}
	return cty.StringVal(textOf(v)), nil
}

// templateError keeps to the place and the kind of the error: its detail may
// quote a value.
func templateError(diags hcl.Diagnostics) error {
	for _, d := range diags {
		if d.Severity == hcl.DiagError && d.Subject != nil {
			return fmt.Errorf("%s: %s", where(*d.Subject), d.Summary)
		}
	}
	return errors.New("the template is invalid")
}

// addressFunctions calculate with networks.
func addressFunctions() map[string]function.Function {
	number := func(name string) function.Parameter { return function.Parameter{Name: name, Type: cty.Number} }
	prefix := function.Parameter{Name: "prefix", Type: cty.String}
	return map[string]function.Function{
		"cidrhost": function.New(&function.Spec{
			Params: []function.Parameter{prefix, number("hostnum")}, Type: function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				return cidrHost(args[0].AsString(), args[1])
			},
		}),
		"cidrsubnet": function.New(&function.Spec{
			Params: []function.Parameter{prefix, number("newbits"), number("netnum")},
			Type:   function.StaticReturnType(cty.String),
			Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
				return cidrSubnet(args[0].AsString(), args[1], args[2])
			},
		}),
		"cidrnetmask": stringFunction(stringParams("prefix"), func(args []string) (string, error) {
			p, err := parsePrefix(args[0])
			if err != nil || !p.Addr().Is4() {
				return "", function.NewArgErrorf(0, "must be an IPv4 network in CIDR notation, such as \"10.0.0.0/8\"")
			}
			mask := ^uint32(0) << (32 - p.Bits())
			return netip.AddrFrom4([4]byte{byte(mask >> 24), byte(mask >> 16), byte(mask >> 8), byte(mask)}).String(), nil
		}),
	}
}
