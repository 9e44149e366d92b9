package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/repltool/repltool/topology"
)

// normalise writes every flag as --name or --name=value, so that one dash or two,
// and a value that begins with a dash, make no difference to the parser.
func normalise(root *cobra.Command, args []string) []string {
	if len(args) > 0 && strings.HasPrefix(args[0], "__complete") {
		return args
	}
	wantsValue := valueFlags(root)
	var out []string
	for i := 0; i < len(args); i++ {
		arg := args[i]
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if arg == "-" || !strings.HasPrefix(arg, "-") {
			out = append(out, arg)
			continue
		}
		name := strings.TrimPrefix(strings.TrimPrefix(arg, "-"), "-")
		if name == "h" {
			name = "help"
		}
		if wantsValue[name] && i+1 < len(args) {
			i++
			name += "=" + args[i]
		}
		out = append(out, "--"+name)
	}
	return out
}

// valueFlags returns the names of flags that need a value. A name means the same
// in every verb.
func valueFlags(root *cobra.Command) map[string]bool {
	names := map[string]bool{}
	note := func(f *pflag.Flag) { names[f.Name] = f.NoOptDefVal == "" }
	for _, c := range append(root.Commands(), root) {
		c.Flags().VisitAll(note)
		c.PersistentFlags().VisitAll(note)
	}
	return names
}

// flagError writes the parser's error with one dash, and the nearest flag.
func flagError(c *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	isInvalid := errors.As(err, &invalid)
	if isInvalid && errors.Is(err, errUnknownFlag) {
		return noFlag(c, invalid.GetFlag().Name)
	}
	if isInvalid {
		return fmt.Errorf("%s\n%s", invalidValue(invalid), seeHelp(c))
	}
	text := strings.NewReplacer(" --", " -", `"--`, `"-`).Replace(err.Error())
	name, unknown := strings.CutPrefix(text, "unknown flag: -")
	if !unknown {
		return fmt.Errorf("%s\n%s", text, seeHelp(c))
	}
	return noFlag(c, name)
}

// noFlag says that a verb does not have a flag, and names the nearest that it has.
func noFlag(c *cobra.Command, name string) error {
	var names []string
	note := func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	}
	c.Flags().VisitAll(note)
	c.InheritedFlags().VisitAll(note)
	text := fmt.Sprintf("%s has no flag -%s", verbName(c), name)
	if near := topology.Nearest(name, names); near != "" {
		text += fmt.Sprintf(". Did you mean -%s?", near)
	}
	return fmt.Errorf("%s\n%s", text, seeHelp(c))
}

// invalidValue does not quote the value of -var, which may be a secret.
func invalidValue(err *pflag.InvalidValueError) string {
	f := err.GetFlag()
	switch f.Value.Type() {
	case "assignment":
		return fmt.Sprintf("-%s: must be NAME=VALUE", f.Name)
	case "int":
		return fmt.Sprintf("-%s=%s: must be a number", f.Name, err.GetValue())
	case "duration":
		return fmt.Sprintf("-%s=%s: must be a duration, such as 30s or 5m", f.Name, err.GetValue())
	case "bool":
		return fmt.Sprintf("-%s=%s: must be true or false", f.Name, err.GetValue())
	}
	return fmt.Sprintf("-%s=%s: %v", f.Name, err.GetValue(), err.Unwrap())
}

func verbName(c *cobra.Command) string {
	if !c.HasParent() {
		return "repltool"
	}
	return c.Name()
}

func seeHelp(c *cobra.Command) string { return "See: " + c.CommandPath() + " -help" }

// unknownCommand returns the error for a verb that does not exist.
func unknownCommand(root *cobra.Command, name string) error {
	var names []string
	for _, c := range root.Commands() {
		if !c.Hidden {
			names = append(names, c.Name())
		}
	}
	text := fmt.Sprintf("unknown command %q", name)
	if near := topology.Nearest(name, names); near != "" {
		text += fmt.Sprintf(". Did you mean %q?", near)
	}
	return fmt.Errorf("%s\n%s", text, seeHelp(root))
}

func firstLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return line
}

func otherLines(text string) string {
	_, rest, _ := strings.Cut(text, "\n")
	return rest
}

// dirOf returns the directory argument.
func dirOf(args []string) string {
	if len(args) == 0 {
		return "."
	}
	return args[0]
}

// atMost refuses more arguments than a verb takes.
func atMost(n int, names string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > n {
			return fmt.Errorf("%s accepts %s; unexpected argument %q\n%s", verbName(c), names, args[n], seeHelp(c))
		}
		return nil
	}
}
