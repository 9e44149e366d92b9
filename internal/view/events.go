package view

import (
	"encoding/json"
	"io"
	"time"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/plan"
)

// Events writes what happens as JSON, one object a line. It is an
// apply.Observer.
type Events struct {
	w   io.Writer
	now func() time.Time
	err error
}

// NewEvents makes one.
func NewEvents(w io.Writer, now func() time.Time) *Events { return &Events{w: w, now: now} }

// Err returns the first error of writing.
func (e *Events) Err() error { return e.err }

type object map[string]any

// write writes one line. Keys come sorted, so that lines are stable.
func (e *Events) write(kind string, at time.Time, o object) {
	if e.err != nil {
		return
	}
	o["type"], o["@timestamp"] = kind, at.UTC().Format(time.RFC3339Nano)
	enc := json.NewEncoder(e.w)
	enc.SetEscapeHTML(false)
	e.err = enc.Encode(o)
}

// Version is the first line.
func (e *Events) Version(version string) {
	e.write("version", e.now(), object{"repltool": version, "format_version": plan.FormatVersion})
}

// Plan reports the plan as a whole.
func (e *Events) Plan(p *plan.Plan) { e.write("plan", e.now(), object{"plan": p}) }

// Diagnostics reports each diagnostic.
func (e *Events) Diagnostics(diagnostics []plan.Diagnostic) {
	for _, d := range diagnostics {
		e.write("diagnostic", e.now(), object{"diagnostic": d})
	}
}

// Observe writes an event of a run.
func (e *Events) Observe(event apply.Event) {
	at := event.When()
	o := object{}
	if at.Step != "" {
		o["node"], o["address"], o["step"] = at.Node, at.Address, at.Step
	}
	switch event := event.(type) {
	case apply.StepStart:
		o["why"], o["kind"] = event.Why, event.Kind
		e.write("step_start", at.Time, o)
	case apply.StepProgress:
		o["done"], o["total"], o["rate"], o["eta"] = event.Done, event.Total, event.Rate, event.ETA.Seconds()
		o["detail"] = event.Detail
		e.write("step_progress", at.Time, o)
	case apply.StepDone:
		o["took"] = event.Took.Seconds()
		e.write("step_done", at.Time, o)
	case apply.StepFailed:
		o["took"], o["error"], o["may_still_run"] = event.Took.Seconds(), event.Err.Error(), event.MayStillRun
		o["cut_off"] = event.CutOff
		e.write("step_failed", at.Time, o)
	case apply.Gate:
		o["what"], o["else"], o["timeout"] = event.What, event.Else, event.Timeout.Seconds()
		o["waited"], o["detail"] = event.Waited.Seconds(), event.Detail
		e.write("gate", at.Time, o)
	case apply.Summary:
		e.Summary(event.Report)
	}
}

// Summary is the last line.
func (e *Events) Summary(r apply.Report) {
	steps := []object{}
	for _, s := range r.Steps {
		one := object{"step": s.Step.ID, "address": s.Step.Address, "node": s.Step.Node, "state": s.State, "took": s.Took.Seconds()}
		if s.Err != nil {
			one["error"] = s.Err.Error()
		}
		if s.Because != "" {
			one["because"] = s.Because
		}
		steps = append(steps, one)
	}
	o := object{
		"result": r.String(), "ok": r.OK(), "steps": steps, "fingerprint": r.Fingerprint, "took": r.Ended.Sub(r.Started).Seconds(),
		"done": len(r.With(apply.Done)), "failed": len(r.With(apply.Failed)),
		"not_tried": len(r.With(apply.NotTried)), "cut_off": len(r.With(apply.CutOff)),
	}
	if r.Stopped != nil {
		o["stopped"] = r.Stopped.Error()
	}
	if r.Refused != nil {
		o["refused"] = r.Refused.Error()
	}
	e.write("summary", e.now(), o)
}

// Observers hands events on to several.
type Observers []apply.Observer

// Observe hands the event to each, in order.
func (all Observers) Observe(event apply.Event) {
	for _, o := range all {
		o.Observe(event)
	}
}
