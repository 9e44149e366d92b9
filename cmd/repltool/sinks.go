package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/pflag"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/internal/webhook"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// sinks are what a run of drift is written to besides stdout.
type sinks struct {
	files  []fileSink
	github bool
	hook   hook
	target *webhook.Hook // nil for none
}

// fileSink is one file.
type fileSink struct {
	flag, path string
	write      func(a *app, path string, w io.Writer, r *sink.Run) error
}

func (s *sinks) register(f *pflag.FlagSet) {
	s.file(f, "prom-file", "write metrics to `FILE.prom`, for the textfile collector of node_exporter; repeatable", metrics)
	s.file(f, "junit-file", "write a JUnit report to `FILE`; repeatable", plainly(sink.JUnit))
	s.file(f, "gitlab-file", "write the counts for GitLab's terraform report to `FILE`; repeatable", plainly(sink.GitLab))
	s.file(f, "markdown-file", "write a report in Markdown to `FILE`; repeatable", plainly(func(w io.Writer, r *sink.Run) error {
		return sink.Markdown(w, r, sink.MarkdownLimit)
	}))
	f.BoolVar(&s.github, "github", false, "annotations, step summary and outputs for GitHub Actions")
	s.hook.register(f)
}

// file registers the flag of a sink that is a file.
func (s *sinks) file(f *pflag.FlagSet, flag, usage string, write func(*app, string, io.Writer, *sink.Run) error) {
	f.Func(flag, usage, func(path string) error {
		for _, other := range s.files {
			if filepath.Clean(other.path) == filepath.Clean(path) {
				return fmt.Errorf("-%s writes that file", other.flag)
			}
		}
		if path == "" {
			return errors.New("must name a file")
		}
		if flag == "prom-file" && filepath.Ext(path) != ".prom" {
			return errors.New("must end in .prom: node_exporter reads no other files")
		}
		s.files = append(s.files, fileSink{flag, path, write})
		return nil
	})
}

// plainly is the writer of a sink that needs the run alone.
func plainly(write func(io.Writer, *sink.Run) error) func(*app, string, io.Writer, *sink.Run) error {
	return func(_ *app, _ string, w io.Writer, r *sink.Run) error { return write(w, r) }
}

// largestMetrics is the size of a file of metrics at most.
const largestMetrics = 64 << 20

// metrics takes over from the file that is replaced when all was last read.
func metrics(_ *app, path string, w io.Writer, r *sink.Run) error {
	old, _ := topology.ReadFile(path, largestMetrics) // none yet, or none that says so
	return sink.Prometheus(w, r, sink.LastComplete(old, r.Name))
}

// deliver writes a run to every sink, however it ended, and returns how it ended. A sink that
// cannot be written is an error, and keeps none of the others from being written.
func (a *app) deliver(ctx context.Context, s *sinks, o *common, r sink.Run, ended error) error {
	if len(s.files) == 0 && !s.github && s.target == nil {
		return ended
	}
	r.ExitCode = codeOf(ended)
	run := sink.New(r)
	errs := append(a.writeFiles(s, run), a.writeGitHub(s, o, run)...)
	if err := a.sendAlarm(ctx, s, run); err != nil { // last: it may take a while
		errs = append(errs, err)
	}
	failed := len(errs) > 0
	for _, err := range errs {
		a.fail(err)
	}
	if failed && ended == nil {
		return exitError
	}
	return ended
}

// codeOf is the exit code of what a verb returns.
func codeOf(err error) int {
	var code exit
	switch {
	case err == nil:
		return 0
	case errors.As(err, &code):
		return int(code)
	}
	return int(exitError)
}

func (a *app) writeFiles(s *sinks, run *sink.Run) (failed []error) {
	for _, f := range s.files {
		err := writeFile(f.path, public, a.redacted(func(w io.Writer) error { return f.write(a, f.path, w, run) }))
		if err != nil {
			failed = append(failed, fmt.Errorf("-%s: %w", f.flag, err))
		}
	}
	return failed
}

// writeGitHub writes the annotations where GitHub reads them, and adds to the files that it
// names in the environment.
func (a *app) writeGitHub(s *sinks, o *common, run *sink.Run) (failed []error) {
	if !s.github {
		return nil
	}
	out := a.out
	if o.json {
		out = a.err // stdout is one JSON document
	}
	failed = append(failed, sink.Annotations(out, run))
	if path := a.variable("GITHUB_STEP_SUMMARY"); path != "" {
		failed = append(failed, a.addSummary(path, run))
	}
	if path := a.variable("GITHUB_OUTPUT"); path != "" {
		failed = append(failed, appendFile(path, a.redacted(func(w io.Writer) error { return sink.Outputs(w, run) })))
	}
	var all []error
	for _, err := range failed {
		if err != nil {
			all = append(all, fmt.Errorf("-github: %w", err))
		}
	}
	return all
}

// addSummary stays below the limit together with what other commands of the step wrote.
func (a *app) addSummary(path string, run *sink.Run) error {
	var written int64
	if info, err := os.Stat(path); err == nil {
		written = info.Size()
	}
	const least = 16 << 10
	limit := sink.MarkdownLimit - int(min(written, sink.MarkdownLimit))
	if limit < least {
		return fmt.Errorf("the summary of this step is full (%s): see the log", view.Bytes(written))
	}
	return appendFile(path, a.redacted(func(w io.Writer) error { return sink.Markdown(w, run, limit) }))
}

// redacted hides the secrets in what is written.
func (a *app) redacted(write func(io.Writer) error) func(io.Writer) error {
	return func(w io.Writer) error {
		redacting := a.redactor.Writer(w)
		return errors.Join(write(redacting), redacting.Flush())
	}
}

// runOf is a run for the sinks; without a reading the topology did not load.
func (a *app) runOf(dir string, r *reading, loading []plan.Diagnostic) sink.Run {
	run := sink.Run{Name: nameOf(dir), Version: version, Ended: a.now(), Base: a.checkout(), Redact: a.redactor.String}
	if r == nil {
		run.Plan = view.EmptyPlan(version)
		run.Plan.Diagnostics = loading
		return run
	}
	run.Topology, run.Facts, run.Plan, run.Took = r.topology, r.facts, r.plan, r.took
	return run
}

// nameOf is what a topology is called where several report to one place: its directory.
func nameOf(dir string) string {
	path, err := filepath.Abs(dir)
	if err != nil {
		path = dir
	}
	return filepath.Base(path)
}

// checkout is the directory that CI names files from.
func (a *app) checkout() string {
	here, _ := os.Getwd()
	return cmp.Or(a.variable("GITHUB_WORKSPACE"), a.variable("CI_PROJECT_DIR"), here)
}
