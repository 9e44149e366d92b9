// Package apply runs a plan.Plan.
//
// Rules:
//   - apply adds nothing: what reaches a machine is what a step says, byte for
//     byte, with the secrets put in at the last moment. The locks and the row in
//     the ledger go over a session of their own (lock.go, ledger.go);
//   - a plan is checked whole before its first step runs; one that was altered is
//     refused;
//   - a step runs once all that it requires is done. What depends on a failed
//     step is not tried, and everything else continues; a change that has a way back is taken
//     back when one of its steps fails (undo.go);
//   - no secret is in an event, an error or a report;
//   - this package knows neither pgx nor ssh. It declares the interfaces that it
//     needs; cmd/repltool/wire.go fills them.
package apply

import (
	"context"
	"time"

	"github.com/repltool/repltool/plan"
)

// Run runs the plan and reports on every step of it.
func Run(ctx context.Context, p *plan.Plan, env Env, o Options) Report {
	env, o = withDefaults(env, o)
	r := &run{
		env: env, opts: o, events: &emitter{observer: env.Observer, now: env.Now},
		secrets: &filler{secrets: env.Secrets, scram: env.SCRAM}, outputs: &outputs{},
	}
	report := Report{Fingerprint: p.Fingerprint, Started: env.Now()}
	r.load(p.Steps)
	r.ways(p.Changes)
	if err := check(p, env); err != nil {
		report.Refused = err
	} else {
		r.loop(ctx)
	}
	r.fill(&report)
	report.Ended = env.Now()
	r.events.emit(plan.Step{}, func(at At) Event { return Summary{At: at, Report: report} })
	r.events.close()
	return report
}

func withDefaults(env Env, o Options) (Env, Options) {
	if env.Now == nil {
		env.Now = time.Now
	}
	if o.Parallelism <= 0 {
		o.Parallelism = defaultParallelism
	}
	if o.StepTimeout <= 0 {
		o.StepTimeout = defaultStepTimeout
	}
	return env, o
}
