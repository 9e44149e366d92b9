package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/internal/endpoints"
	"github.com/repltool/repltool/internal/view/endpoint"
	"github.com/repltool/repltool/internal/words"
)

// endpointFlags are those of endpoints.
type endpointFlags struct {
	common
	wanted       string // for what
	format       string
	maxLag       time.Duration
	standbysOnly bool
}

func (a *app) endpointsCommand() *cobra.Command {
	var o endpointFlags
	c := &cobra.Command{
		Use: "endpoints CLUSTER [flags] [DIR]", GroupID: groupSee, Args: moveArgs,
		Short: "show which servers to write to and to read from now",
		Long: "Show which members of CLUSTER may be written to and read from now, and why the others may not. A standby is fit for reads if it " +
			"streams from the primary and has replayed what the primary had written at most -max-lag ago; if none is fit, the primary is given. " +
			"Nothing is given for writes if two members accept them, or if the one that does has been replaced. " +
			"Exit code 1: nothing is given; 3: a member could not be read, and what is given does not depend on it.",
		Example: "  repltool endpoints shop\n  repltool endpoints shop -for=rw -format=dsn\n  repltool endpoints shop -for=ro -max-lag=1s -json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.endpoints(c.Context(), args[0], dirOf(args[1:]), &o)
		},
	}
	f := c.Flags()
	o.register(f)
	readsOnly(f)
	for _, name := range []string{"verbose", "target"} {
		f.Lookup(name).Hidden = true
	}
	f.Lookup("quiet").Usage = "no progress"
	f.StringVar(&o.wanted, "for", "", "`rw` or ro: for writes, or for reads only")
	f.StringVar(&o.format, "format", "text", "`FORMAT`: "+words.Few(endpoint.Formats()))
	f.DurationVar(&o.maxLag, "max-lag", 5*time.Second, "a standby that is `DURATION` behind is not fit for reads")
	f.BoolVar(&o.standbysOnly, "standbys-only", false, "do not give the primary for reads, even if no standby is fit")
	return c
}

// check refuses flags that say nothing, or two things.
func (o *endpointFlags) check() error {
	if o.json {
		o.format = "json"
	}
	switch {
	case !slices.Contains([]string{"", "rw", "ro"}, o.wanted):
		return fmt.Errorf("-for=%s: must be rw or ro", o.wanted)
	case !slices.Contains(endpoint.Formats(), o.format):
		return fmt.Errorf("-format=%s: must be one of %s", o.format, words.Few(endpoint.Formats()))
	case o.format == "dsn" && o.wanted == "":
		return fmt.Errorf("-format=dsn requires -for=rw or -for=ro")
	case o.maxLag <= 0:
		return fmt.Errorf("-max-lag=%s: must be more than 0", o.maxLag)
	case len(o.targets) > 0:
		return fmt.Errorf("-target cannot be used with endpoints: all members are compared")
	}
	return nil
}

func (a *app) endpoints(ctx context.Context, name, dir string, o *endpointFlags) error {
	if err := o.check(); err != nil {
		return err
	}
	t, loading := a.load(dir, o.inputs(a))
	if hasErrors(loading) {
		return a.refuse(&o.common, loading)
	}
	c, err := clusterOfName(t, name)
	if err != nil {
		return err
	}
	one := endpoints.Only(t, c)
	live := a.connect(one, a.way(&o.common))
	defer live.Close()
	done := a.announce(one, o.quiet || o.format == "json")
	answer, err := endpoints.New(one, live, o.maxLag).Look(ctx)
	done()
	if err != nil {
		return err
	}
	e := &endpoint.Endpoints{
		Cluster: c, Version: version, For: endpoint.For(o.wanted), StandbysOnly: o.standbysOnly, MaxLag: o.maxLag, At: answer.At,
		Unread: answer.Unread, Verdict: answer.Verdict, Diagnostics: loading,
	}
	return a.give(o, e)
}

// give writes the endpoints, and what is wrong with them to stderr.
func (a *app) give(o *endpointFlags, e *endpoint.Endpoints) error {
	problems := e.Problems()
	if o.format != "json" {
		a.diagnostics(append(e.Diagnostics, problems...))
	}
	e.Diagnostics = append(e.Diagnostics, problems...)
	if o.format != "json" {
		if err := e.Write(a.out, o.format); err != nil {
			return err
		}
	}
	return orExit(a.document(&common{json: o.format == "json", jsonInto: o.jsonInto}, e.JSON), endpointCode(e))
}

// endpointCode is that of the answer: nobody is given, or not all were read.
func endpointCode(e *endpoint.Endpoints) error {
	switch {
	case e.None() || e.Refused != "":
		return exitError
	case !e.Complete():
		return exitIncomplete
	}
	return nil
}
