package main

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/topology"
)

// The groups of verbs in -help.
const (
	groupWrite = "write"
	groupRun   = "run"
	groupSee   = "see"
)

// common are the flags of every verb that reads the clusters.
type common struct {
	variables
	targets     []string
	parallelism int
	timeout     time.Duration
	json        bool
	jsonInto    string
	quiet       bool
	verbose     bool
	lockTimeout time.Duration
	input       bool
}

func (o *common) register(f *pflag.FlagSet) {
	o.variables.register(f)
	f.StringArrayVar(&o.targets, "target", nil, "limit to what is at or under `ADDRESS`, and what that requires; repeatable")
	f.IntVar(&o.parallelism, "parallelism", 10, "read `N` nodes, and run as many steps, at a time")
	f.DurationVar(&o.timeout, "timeout", 30*time.Second, "give up on a node that is not read within `DURATION`")
	f.BoolVar(&o.json, "json", false, "write JSON to stdout")
	f.StringVar(&o.jsonInto, "json-into", "", "also write the JSON to `FILE`")
	f.BoolVar(&o.quiet, "quiet", false, "no progress, no steps, and nothing at all when in sync")
	f.BoolVar(&o.verbose, "verbose", false, "also show checks, queries, each unmanaged object, and the evidence of each finding")
	f.DurationVar(&o.lockTimeout, "lock-timeout", 0, "wait up to `DURATION` for another apply to finish")
	f.BoolVar(&o.input, "input", true, "do not ask for anything")
}

// readsOnly is for verbs that run no steps and take no lock. They accept the flag of the
// lock, and that of the prompt, so that a script can give them to all verbs alike, and do not
// show them.
func readsOnly(f *pflag.FlagSet) {
	f.Lookup("lock-timeout").Hidden, f.Lookup("input").Hidden = true, true
	f.Lookup("parallelism").Usage = "read `N` nodes at a time"
}

// lacks takes flags of common from a verb that has no use for them: given to it, they are as
// unknown as any other, and not ignored.
func lacks(f *pflag.FlagSet, names ...string) {
	for _, name := range names {
		flag := f.Lookup(name)
		flag.Hidden, flag.Value = true, unknownFlag{flag.Value}
	}
}

// unknownFlag is the value of a flag that a verb lacks.
type unknownFlag struct{ pflag.Value }

var errUnknownFlag = errors.New("unknown flag")

func (unknownFlag) Set(string) error { return errUnknownFlag }

func (o *common) detail() view.Detail {
	switch {
	case o.verbose:
		return view.Verbose
	case o.quiet:
		return view.Brief
	default:
		return view.Normal
	}
}

// again returns the flags that make another verb see the same, for the next
// command that is shown. The value of a sensitive variable is left out.
func (o *common) again(t *topology.Topology) []string {
	var flags []string
	for _, v := range o.given {
		name, _, _ := strings.Cut(v.Var, "=")
		_, plain := t.Variables[name]
		switch {
		case v.File != "":
			flags = append(flags, "-var-file="+v.File)
		case plain:
			flags = append(flags, "-var="+v.Var)
		default:
			flags = append(flags, "-var="+name+"=…")
		}
	}
	for _, t := range o.targets {
		flags = append(flags, "-target="+t)
	}
	return flags
}

// variables are -var and -var-file, in the order given: later wins.
type variables struct{ given []topology.Assignment }

func (v *variables) register(f *pflag.FlagSet) {
	f.Var(&assignment{into: v}, "var", "set a variable: `NAME=VALUE`; repeatable")
	f.Var(&assignment{into: v, file: true}, "var-file", "read variables from `FILE`; repeatable")
}

func (v *variables) inputs(a *app) topology.Inputs {
	return topology.Inputs{Vars: v.given, Environ: a.environ}
}

// assignment is the flag that fills variables.
type assignment struct {
	into *variables
	file bool
}

func (a *assignment) String() string { return "" }
func (a *assignment) Type() string   { return "assignment" }

// Set takes one -var or -var-file. Its errors do not quote the value, which may
// be a secret.
func (a *assignment) Set(text string) error {
	if a.file {
		a.into.given = append(a.into.given, topology.Assignment{File: text})
		return nil
	}
	if name, _, ok := strings.Cut(text, "="); !ok || name == "" {
		return fmt.Errorf("must be NAME=VALUE")
	}
	a.into.given = append(a.into.given, topology.Assignment{Var: text})
	return nil
}

// command writes a command for people to copy.
func (a *app) command(words ...string) string {
	if a.chdir != "" {
		words = append([]string{words[0], "-chdir=" + a.chdir}, words[1:]...)
	}
	parts := []string{"repltool"}
	for _, w := range words {
		if w != "" {
			parts = append(parts, view.Shell(w))
		}
	}
	return strings.Join(parts, " ")
}

// dirWord is a directory as an argument: "" for the default.
func dirWord(dir string) string {
	if dir == "." {
		return ""
	}
	return dir
}
