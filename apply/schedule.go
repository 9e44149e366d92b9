package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/plan"
)

// ErrInterrupted is why a run stopped: the caller said so.
var ErrInterrupted = errors.New("interrupted")

// run is one run of a plan. Only loop touches the tasks.
type run struct {
	env     Env
	opts    Options
	events  *emitter
	secrets *filler
	outputs *outputs

	back     map[string]*wayBack // by the address of the change
	tasks    []*task
	ready    []*task // in the plan's order
	running  int
	finished chan outcome
	stopped  error
	halted   chan struct{} // closed when stopped is set: waits end then
}

// task is one step and where it stands.
type task struct {
	index   int
	step    plan.Step
	missing int // requirements not yet done
	next    []*task
	state   State
	err     error
	because string
	took    time.Duration
}

// The states that only a run sees.
const (
	waiting State = ""
	running State = "running"
)

// outcome is how a step ended.
type outcome struct {
	task *task
	err  error
	took time.Duration

	back    *wayBack // of a way back, which has no task
	results []Result
}

// load makes the tasks. Steps of one change run in order, whatever they require.
func (r *run) load(steps []plan.Step) {
	r.finished, r.halted = make(chan outcome, len(steps)), make(chan struct{})
	byID, last := map[string]*task{}, map[string]*task{}
	for i, s := range steps {
		t := &task{index: i, step: s}
		var before []*task
		for _, id := range s.Requires {
			before = append(before, byID[id])
		}
		before = append(before, last[s.Address])
		t.after(before)
		byID[s.ID], last[s.Address] = t, t
		r.tasks = append(r.tasks, t)
		if t.missing == 0 {
			r.ready = append(r.ready, t)
		}
	}
}

// after makes t wait for each of the tasks; check refuses a plan in which one
// is not there.
func (t *task) after(before []*task) {
	for _, b := range before {
		if b != nil && !slices.Contains(b.next, t) {
			b.next = append(b.next, t)
			t.missing++
		}
	}
}

// loop starts what is ready and takes in what has ended, until nothing is left
// or the run is stopped.
func (r *run) loop(ctx context.Context) {
	stop, lost := r.opts.Stop, r.env.Locks.Lost()
	for {
		r.look(ctx, stop, lost)
		r.start(ctx)
		if r.running == 0 && !r.takeBackStopped(ctx) {
			return
		}
		select {
		case o := <-r.finished:
			r.settle(ctx, o)
		case <-stop:
			r.stop(ErrInterrupted)
			stop = nil
		case <-lost:
			r.stop(r.env.Locks.Err())
			lost = nil
		case <-ctx.Done():
			r.leave(ctx)
			return
		}
	}
}

// look finds a stop that came while the loop was busy: no step starts after it.
func (r *run) look(ctx context.Context, stop, lost <-chan struct{}) {
	select {
	case <-stop:
		r.stop(ErrInterrupted)
	case <-lost:
		r.stop(r.env.Locks.Err())
	case <-ctx.Done():
		r.stop(ErrInterrupted)
	default:
	}
}

func (r *run) stop(why error) {
	if r.stopped == nil {
		r.stopped = why
		close(r.halted)
	}
	r.ready = nil
}

func (r *run) start(ctx context.Context) {
	for r.stopped == nil && len(r.ready) > 0 && r.running < r.opts.Parallelism {
		t := r.ready[0]
		r.ready = r.ready[1:]
		t.state = running
		r.running++
		go r.begin(ctx, t)
	}
}

// errNotBegun is a step that was ready and did not begin.
var errNotBegun = errors.New("not started")

// begin runs the step of a task, once every lock is known to be held.
func (r *run) begin(ctx context.Context, t *task) {
	if !r.mayBegin(ctx) {
		r.finished <- outcome{task: t, err: errNotBegun}
		return
	}
	began := r.env.Now()
	err := r.perform(ctx, t.step)
	r.finished <- outcome{task: t, err: err, took: r.env.Now().Sub(began)}
}

// perform runs one step and tells of it.
func (r *run) perform(ctx context.Context, s plan.Step) error {
	r.events.emit(s, func(at At) Event { return StepStart{At: at, Why: s.Why, Kind: kind(s.Op)} })
	began := r.env.Now()
	err := r.do(ctx, s)
	took := r.env.Now().Sub(began)
	if err == nil {
		r.events.emit(s, func(at At) Event { return StepDone{At: at, Took: took} })
		return nil
	}
	cut := ctx.Err() != nil || errors.Is(err, errHalted)
	r.events.emit(s, func(at At) Event {
		return StepFailed{At: at, Took: took, Err: err, CutOff: cut, MayStillRun: cut && goesOn(s.Op)}
	})
	return err
}

// mayBegin tells, once every lock is known to be held, whether a step may begin: not when
// a lock is lost, or the run was stopped meanwhile.
func (r *run) mayBegin(ctx context.Context) bool {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-r.halted:
			cancel()
		case <-ctx.Done():
		}
	}()
	if r.env.Locks.Hold(ctx) != nil {
		return false
	}
	select {
	case <-r.halted:
		return false
	default:
		return true
	}
}

// settle takes in a step that ended.
func (r *run) settle(ctx context.Context, o outcome) {
	t := o.task
	r.running--
	if o.back != nil {
		o.back.results = o.results
		return
	}
	if errors.Is(o.err, errNotBegun) { // the run is stopped: look says why
		t.state = waiting
		return
	}
	t.state, t.err, t.took = Done, o.err, o.took
	if o.err == nil {
		r.release(t)
		return
	}
	t.state = Failed
	if ctx.Err() != nil || errors.Is(o.err, errHalted) {
		t.state = CutOff
	}
	block(t.next, t.step.ID)
	if t.state == Failed {
		r.takeBack(ctx, t.step.Address)
	}
}

// release makes ready what waited for t alone.
func (r *run) release(t *task) {
	for _, n := range t.next {
		n.missing--
		if n.missing > 0 || n.state != waiting || r.stopped != nil {
			continue
		}
		at, _ := slices.BinarySearchFunc(r.ready, n.index, func(x *task, index int) int { return x.index - index })
		r.ready = slices.Insert(r.ready, at, n)
	}
}

// block marks all that depends on a failed step.
func block(tasks []*task, because string) {
	for _, t := range tasks {
		if t.state == waiting {
			t.state, t.because = NotTried, because
			block(t.next, because)
		}
	}
}

// leave gives cancelled steps a moment to end, and cuts off the others.
func (r *run) leave(ctx context.Context) {
	r.stop(ErrInterrupted)
	grace := time.NewTimer(leaveGrace)
	defer grace.Stop()
	for r.running > 0 {
		select {
		case o := <-r.finished:
			r.settle(ctx, o)
		case <-grace.C:
			r.abandon()
			return
		}
	}
}

// abandon gives up on steps that do not notice that they were cancelled.
func (r *run) abandon() {
	for _, t := range r.tasks {
		if t.state == running {
			t.state = CutOff
			t.err = r.secrets.clean(t.step, errors.New("interrupted while it was running"))
			block(t.next, t.step.ID)
		}
	}
	r.running = 0
}

// fill writes the tasks into the report.
func (r *run) fill(report *Report) {
	for _, t := range r.tasks {
		if t.state == waiting {
			t.state = NotTried
		}
		report.Steps = append(report.Steps, Result{Step: t.step, State: t.state, Err: t.err, Because: t.because, Took: t.took})
	}
	for _, b := range r.back {
		report.Back = append(report.Back, b.results...)
	}
	slices.SortStableFunc(report.Back, func(x, y Result) int { return strings.Compare(x.Step.Address, y.Step.Address) })
	if len(report.With(Done)) < len(report.Steps) { // else the stop came too late to matter
		report.Stopped = r.stopped
	}
}
