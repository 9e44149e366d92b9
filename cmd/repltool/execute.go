package main

import (
	"context"
	"errors"
	"io"
	"os"
	"time"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
)

// execute runs the plan and reports. From here on the first signal is a request.
func (x *application) execute(ctx context.Context, r *reading, locks *apply.Locks) error {
	observer, say, done := x.observer(r.plan)
	report := apply.Run(ctx, r.plan, x.live.Env(observer, locks), apply.Options{
		Parallelism: x.o.parallelism, Stop: x.signals.gentle(say),
	})
	done()
	x.report = &report
	x.record(ctx, locks, report)
	if !x.o.json {
		if err := view.Report(x.out, x.outStyle(), r.plan, report, x.next(report)); err != nil {
			return err
		}
	}
	return reportCode(report, r.plan)
}

// recordLimit is how long the row in the ledger may take.
const recordLimit = 10 * time.Second

// record writes down in the ledger how the apply ended: after a signal, too. That
// it could not is no failure of what was done.
func (x *application) record(ctx context.Context, locks *apply.Locks, report apply.Report) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordLimit)
	defer cancel()
	if err := locks.Record(ctx, report); err != nil {
		const summary = "Apply not recorded in the ledger"
		x.tell([]plan.Diagnostic{{Severity: plan.Warning, Code: plan.CodeOf(summary), Summary: summary, Detail: err.Error()}})
	}
}

// observer returns who watches the run: progress on stderr, events as JSON. Where
// there is progress, say puts a line between.
func (x *application) observer(p *plan.Plan) (all view.Observers, say func(string), done func()) {
	done = func() {}
	if !x.o.quiet && !x.o.json {
		progress := view.NewProgress(x.err, x.errStyle(), p, view.ProgressOptions{
			Live: x.app.live(), Each: x.o.verbose, Now: x.now, Width: func() int { return x.errStyle().Width },
		})
		all, say, done = append(all, progress), progress.Say, progress.Close
	}
	if x.events != nil {
		all = append(all, x.events)
	}
	return all, say, done
}

func (x *application) next(r apply.Report) string {
	words := append(x.o.again(x.topology), dirWord(x.dir))
	if r.OK() {
		return "Check: " + x.command(append([]string{"status"}, words...)...)
	}
	return "Resume with: " + x.command(append([]string{"apply"}, words...)...)
}

func reportCode(r apply.Report, p *plan.Plan) error {
	var held *apply.LockedError
	switch {
	case r.OK() && !p.Complete:
		return exitIncomplete
	case r.OK():
		return nil
	case errors.Is(r.Stopped, apply.ErrInterrupted):
		return exitInterrupted
	case errors.As(r.Stopped, &held):
		return exitStale
	default:
		return exitError
	}
}

// withEvents gives use a writer of events where the flags want one: to stdout,
// into a file, or both.
func (a *app) withEvents(o *common, use func(*view.Events) error) error {
	var sinks []io.Writer
	if o.json {
		sinks = append(sinks, a.out)
	}
	if o.jsonInto == "" {
		return a.useEvents(sinks, use)
	}
	file, err := os.OpenFile(o.jsonInto, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	redacting := a.redactor.Writer(file)
	err = a.useEvents(append(sinks, redacting), use)
	if closing := errors.Join(redacting.Flush(), file.Close()); err == nil {
		err = closing
	}
	return err
}

func (a *app) useEvents(sinks []io.Writer, use func(*view.Events) error) error {
	if len(sinks) == 0 {
		return use(nil)
	}
	events := view.NewEvents(io.MultiWriter(sinks...), a.now)
	events.Version(version)
	if err := use(events); err != nil {
		return err
	}
	return events.Err()
}
