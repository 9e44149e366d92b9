package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/repltool/repltool/importer"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/providers/host"
)

// app is one run of the program.
type app struct {
	in       io.Reader
	out, err *view.RedactingWriter
	raw      streams // as given, to see what they are
	redactor *view.Redactor
	signals  *signals

	environ func(string) (string, bool)
	now     func() time.Time
	connect connector
	// For import, which knows no topology.
	lookAround func(context.Context, way, importer.Place, []string) (*host.Survey, error)
	sshAlias   func(by way, address string) string

	noColor bool
	chdir   string
}

// streams are the program's way to the outside.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func newApp(s streams) *app {
	r := view.NewRedactor()
	return &app{
		in: s.in, out: r.Writer(s.out), err: r.Writer(s.err), raw: s, redactor: r, signals: newSignals(),
		environ: os.LookupEnv, now: time.Now, connect: connect, lookAround: lookAround, sshAlias: sshAlias,
	}
}

// flush writes what the redactor holds back.
func (a *app) flush() {
	_ = a.out.Flush() // a closed pipe: nobody reads any more
	_ = a.err.Flush()
}

// outStyle and errStyle are how text is set on stdout and stderr.
func (a *app) outStyle() view.Style { return a.style(a.raw.out) }
func (a *app) errStyle() view.Style { return a.style(a.raw.err) }

func (a *app) style(w io.Writer) view.Style {
	file, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(file.Fd())) {
		return view.Style{}
	}
	s := view.Style{Color: a.colourful()}
	if width, _, err := term.GetSize(int(file.Fd())); err == nil {
		s.Width = width
	}
	return s
}

// variable is one of the environment; "" where it is not set.
func (a *app) variable(name string) string {
	value, set := a.environ(name)
	if !set {
		return ""
	}
	return value
}

func (a *app) colourful() bool {
	no, _ := a.environ("NO_COLOR")
	return !a.noColor && no == "" && !a.dumb()
}

func (a *app) dumb() bool {
	kind, _ := a.environ("TERM")
	return kind == "dumb"
}

// live reports whether lines on stderr can be drawn again.
func (a *app) live() bool { return isTerminal(a.raw.err) && !a.dumb() }

// asks reports whether there is someone to ask.
func (a *app) asks(o common) bool { return o.input && isTerminal(a.raw.in) && isTerminal(a.raw.err) }

func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}

// fail reports an error.
func (a *app) fail(err error) {
	a.diagnostics([]plan.Diagnostic{{Severity: plan.Error, Summary: firstLine(err.Error()), Detail: otherLines(err.Error())}})
}

// diagnostics reports errors and warnings.
func (a *app) diagnostics(all []plan.Diagnostic) {
	_ = view.WriteDiagnostics(a.err, a.errStyle(), all) // stderr is the last resort
}

// sayf reports what happens.
func (a *app) sayf(format string, args ...any) {
	fmt.Fprintln(a.err, view.Clean(fmt.Sprintf(format, args...)))
}

// printf writes to stdout.
func (a *app) printf(format string, args ...any) {
	fmt.Fprintf(a.out, format, args...)
}
