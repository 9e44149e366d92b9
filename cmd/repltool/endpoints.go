package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/repltool/repltool/facts"
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
	watch        bool
	write        string // the file
	run          string // the command
	after        string // a token
	place        facts.Branch
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
		Example: "  repltool endpoints shop\n  repltool endpoints shop -format=haproxy -watch -write=/etc/haproxy/shop.cfg -run=\"systemctl reload haproxy\"\n  repltool endpoints shop -for=rw -format=dsn\n  repltool endpoints shop -for=ro -max-lag=1s -json",
		RunE: func(c *cobra.Command, args []string) error {
			return a.endpoints(c.Context(), args[0], dirOf(args[1:]), &o)
		},
	}
	f := c.Flags()
	o.register(f)
	readsOnly(f)
	lacks(f, "verbose")
	f.Lookup("target").Hidden = true // it is refused
	f.Lookup("quiet").Usage = "no progress"
	f.StringVar(&o.wanted, "for", "", "`rw` or ro: for writes, or for reads only")
	f.StringVar(&o.format, "format", "text", "`FORMAT`: "+words.Few(endpoint.Formats()))
	f.DurationVar(&o.maxLag, "max-lag", 5*time.Second, "a standby that is `DURATION` behind is not fit for reads")
	f.BoolVar(&o.standbysOnly, "standbys-only", false, "do not give the primary for reads, even if no standby is fit")
	f.BoolVar(&o.watch, "watch", false, "look again and again until interrupted, and write what has changed")
	f.StringVar(&o.write, "write", "", "write to `FILE` instead of stdout, at once or not at all, if a server's part has changed")
	f.StringVar(&o.run, "run", "", "run `COMMAND` in a shell after the file has changed, and again until it succeeds")
	f.StringVar(&o.after, "after", "", "give for reads only who has what was written up to `TOKEN`, such as 3:0/5000060")
	return c
}

// check refuses flags that say nothing, or two things.
func (o *endpointFlags) check() error {
	if o.json {
		o.format = "json"
	}
	if o.after != "" {
		var err error
		if o.place, err = endpoint.ParseToken(o.after); err != nil {
			return fmt.Errorf("-after=%s: %w", o.after, err)
		}
	}
	switch {
	case o.after != "" && o.watch:
		return fmt.Errorf("-after cannot be used with -watch: a token is of one write")
	case !slices.Contains([]string{"", "rw", "ro"}, o.wanted):
		return fmt.Errorf("-for=%s: must be rw or ro", o.wanted)
	case !slices.Contains(endpoint.Formats(), o.format):
		return fmt.Errorf("-format=%s: must be one of %s", o.format, words.Few(endpoint.Formats()))
	case o.format == "dsn" && o.wanted == "":
		return fmt.Errorf("-format=dsn requires -for=rw or -for=ro")
	case o.maxLag <= 0:
		return fmt.Errorf("-max-lag=%s: must be more than 0", o.maxLag)
	case o.run != "" && o.write == "":
		return fmt.Errorf("-run=%s requires -write=FILE", o.run)
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
	looker := endpoints.New(one, live, o.maxLag, o.place)
	of := func(answer endpoints.Answer) *endpoint.Endpoints {
		return &endpoint.Endpoints{
			Cluster: c, Version: version, For: endpoint.For(o.wanted), StandbysOnly: o.standbysOnly, MaxLag: o.maxLag, At: answer.At,
			Unread: answer.Unread, Verdict: answer.Verdict, Diagnostics: loading,
		}
	}
	if o.watch {
		return a.watchEndpoints(ctx, o, looker, of)
	}
	done := a.announce(one, o.quiet || o.format == "json")
	answer, err := looker.Look(ctx)
	done()
	if err != nil {
		return err
	}
	return a.give(ctx, o, of(answer), answer.Blind())
}

// give writes the endpoints, and what is wrong with them to stderr. A file stays as it is while the
// primary may be one that could not be read: what repltool does not see is not taken away.
func (a *app) give(ctx context.Context, o *endpointFlags, e *endpoint.Endpoints, blind bool) error {
	problems := e.Problems()
	if o.format != "json" {
		a.diagnostics(append(e.Diagnostics, problems...))
	}
	e.Diagnostics = append(e.Diagnostics, problems...)
	put := func() error { return e.Write(a.out, o.format) }
	switch {
	case o.write != "" && blind:
		put = func() error { a.sayf("%s stays as it is.", o.write); return nil }
	case o.write != "":
		put = func() error { return a.publish(ctx, a.endpointFile(o), o.format, e) }
	}
	if err := put(); err != nil {
		return err
	}
	return orExit(a.document(&common{jsonInto: o.jsonInto}, e.JSON), endpointCode(e))
}

// watchEndpoints writes the endpoints whenever they change.
func (a *app) watchEndpoints(ctx context.Context, o *endpointFlags, looker *endpoints.Looker, of func(endpoints.Answer) *endpoint.Endpoints) error {
	file, before := a.endpointFile(o), ""
	publish := func(answer endpoints.Answer) error {
		e := of(answer)
		if key := e.Key() + e.Refused; key != before {
			a.diagnostics(e.Problems())
			if o.write == "" {
				if err := orExit(e.Write(a.out, o.format), nil); err != nil {
					return err
				}
				a.flush()
			}
			before = key
		}
		if o.write == "" {
			return nil
		}
		return a.publish(ctx, file, o.format, e)
	}
	return endpoints.Watch(looker).Run(ctx, publish, func(text string) { a.sayf("%s %s", a.now().Format(time.TimeOnly), text) })
}

// endpointFile is the file of -write with the command of -run.
func (a *app) endpointFile(o *endpointFlags) *endpoints.File {
	f := &endpoints.File{Path: o.write, Command: o.run, Output: a.err, Write: func(path string, write func(io.Writer) error) error {
		return writeFile(path, public, a.redacted(write))
	}}
	if o.format == "haproxy" || o.format == "pgbouncer" {
		f.Comment = endpoint.Comment
	}
	return f
}

func (a *app) publish(ctx context.Context, file *endpoints.File, format string, e *endpoint.Endpoints) error {
	var text bytes.Buffer
	if err := e.Write(&text, format); err != nil {
		return err
	}
	return file.Publish(ctx, e.Key(), text.Bytes())
}

// endpointCode is that of the answer: nobody is given, or not all were read.
func endpointCode(e *endpoint.Endpoints) error {
	switch {
	case e.None() || e.Refused != "" || e.Void != "":
		return exitError
	case !e.Complete():
		return exitIncomplete
	}
	return nil
}
