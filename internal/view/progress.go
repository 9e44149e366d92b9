package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/plan"
)

// ProgressOptions are how progress is shown.
type ProgressOptions struct {
	// Live draws one line per node that changes in place: for a terminal. Elsewhere a
	// step has a line at its end and, if it takes longer than a moment, one at its start
	// and a heartbeat in between. Each line begins with the time.
	Live bool
	// Each writes the line at the start of short steps too.
	Each bool
	Now  func() time.Time
	// Width is asked before each drawing, since a window may change; nil: the
	// style's.
	Width func() int
}

const (
	redrawEvery = 200 * time.Millisecond
	moment      = time.Second
	heartbeat   = 30 * time.Second
)

// Progress shows a run while it goes on. It is an apply.Observer.
type Progress struct {
	mu    sync.Mutex
	p     printer
	opts  ProgressOptions
	steps map[string]plan.Step
	left  map[string]int // steps of a change that are not done
	spent map[string]time.Duration
	total int
	done  int
	begin time.Time

	running []*activity // in the order in which they began
	drawn   []int       // widths of the live lines on the screen
	closed  bool
	stop    chan struct{}
	ticking sync.WaitGroup
}

// activity is one step that runs.
type activity struct {
	at    apply.At
	what  string
	began time.Time
	last  *apply.StepProgress
	said  string    // what a wait or a gate saw last
	told  time.Time // when its last line was written; zero: none is
}

// NewProgress makes one for a plan and begins to draw. Close ends it.
func NewProgress(w io.Writer, s Style, p *plan.Plan, o ProgressOptions) *Progress {
	v := &Progress{
		p: printer{Style: s, w: w}, opts: o, steps: map[string]plan.Step{}, left: map[string]int{}, spent: map[string]time.Duration{},
		total: len(p.Steps), begin: o.Now(), stop: make(chan struct{}),
	}
	for _, step := range p.Steps {
		v.steps[step.ID] = step
		v.left[step.Address]++
	}
	for _, c := range p.Changes {
		for _, step := range c.Undo {
			v.steps[step.ID] = step
		}
	}
	v.ticking.Go(v.tick)
	return v
}

// Close takes the live lines away.
func (v *Progress) Close() {
	close(v.stop)
	v.ticking.Wait()
	v.mu.Lock()
	defer v.mu.Unlock()
	v.erase()
	v.closed = true
}

func (v *Progress) tick() {
	every := moment
	if v.opts.Live {
		every = redrawEvery
	}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-ticker.C:
			v.mu.Lock()
			v.beat()
			v.mu.Unlock()
		}
	}
}

// beat draws the live lines again, or writes the line that is due for a step that runs:
// that of its start, or a heartbeat.
func (v *Progress) beat() {
	if v.opts.Live {
		v.redraw()
		return
	}
	now := v.opts.Now()
	for _, a := range v.running {
		switch {
		case a.told.IsZero() && now.Sub(a.began) >= moment:
			v.write(a, "")
		case !a.told.IsZero() && now.Sub(a.told) >= heartbeat:
			v.write(a, ": "+v.figures(a))
		}
	}
}

// write writes a line about a step, with the time.
func (v *Progress) write(a *activity, text string) {
	a.told = v.opts.Now()
	v.say(a.place() + text)
}

// Observe takes one event in.
func (v *Progress) Observe(event apply.Event) {
	v.mu.Lock()
	defer v.mu.Unlock()
	at := event.When()
	switch event := event.(type) {
	case apply.StepStart:
		v.start(at, event.Why)
	case apply.StepProgress:
		if a := v.activity(at.Step); a != nil {
			a.last = &event
			a.said = event.Detail
		}
	case apply.Gate:
		v.gate(at, event)
	case apply.StepDone:
		v.done++
		v.end(at, event.Took, nil)
	case apply.StepFailed:
		if event.CutOff { // the report says what became of it
			v.forget(at)
			return
		}
		v.end(at, event.Took, event.Err)
	}
}

func (v *Progress) start(at apply.At, why string) {
	a := &activity{at: at, what: oneLine(v.what(at.Step, why)), began: at.Time}
	v.running = append(v.running, a)
	if !v.opts.Live && v.opts.Each {
		v.write(a, "")
	}
}

// what is a step in a few words.
func (v *Progress) what(step, why string) string {
	w, ok := v.steps[step].Op.(plan.Wait)
	switch {
	case ok && w.Gate:
		return "gate: " + w.What
	case ok:
		return "wait until " + w.What
	case why == "":
		return step
	default:
		return why
	}
}

// place is where and what, as the lines begin that are not drawn again.
func (a *activity) place() string { return Clean(a.at.Node+": "+a.at.Address) + ": " + a.what }

func (v *Progress) gate(at apply.At, g apply.Gate) {
	a := v.activity(at.Step)
	if a == nil {
		return
	}
	a.said = g.Detail
	if !v.opts.Live && g.Detail != "" {
		v.write(a, ": "+v.figures(a))
	}
}

func (v *Progress) activity(step string) *activity {
	i := slices.IndexFunc(v.running, func(a *activity) bool { return a.at.Step == step })
	if i < 0 {
		return nil
	}
	return v.running[i]
}

// forget takes a step off the screen.
func (v *Progress) forget(at apply.At) {
	v.running = slices.DeleteFunc(v.running, func(a *activity) bool { return a.at.Step == at.Step })
}

// end writes the line of a step's end; live, that of a change's end. The report has the
// whole error.
func (v *Progress) end(at apply.At, took time.Duration, err error) {
	a := v.activity(at.Step)
	if a == nil {
		a = &activity{at: at, what: at.Step}
	} else {
		v.running = slices.DeleteFunc(v.running, func(other *activity) bool { return other == a })
	}
	v.left[at.Address]--
	v.spent[at.Address] += took
	switch {
	case err != nil:
		reason, _, _ := strings.Cut(err.Error(), "\n")
		v.say(v.p.red("failed ") + Clean(at.Address+": "+reason))
	case !v.opts.Live:
		v.say(a.place() + ": " + v.p.green("done") + " in " + Duration(took))
	case v.left[at.Address] == 0:
		v.say(v.p.green("done   ") + Clean(at.Address) + v.p.dim(" in "+Duration(v.spent[at.Address])))
	}
}

// Say writes a line that stays, above the live ones: who else writes to the same
// terminal would have it drawn over.
func (v *Progress) Say(text string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.say(Clean(text))
}

func (v *Progress) say(text string) {
	v.erase()
	if !v.opts.Live {
		text = v.opts.Now().Format(time.TimeOnly) + " " + text
	}
	v.p.flow("", text)
	if v.opts.Live && !v.closed {
		v.redraw()
	}
}

// figures is how far a step is: bytes, rate and time left, or what it waits for.
func (v *Progress) figures(a *activity) string {
	parts := []string{seconds(v.opts.Now().Sub(a.began))}
	if l := a.last; l != nil && l.Done > 0 {
		parts = append(parts, amounts(*l)...)
	}
	if a.said != "" {
		parts = append(parts, oneLine(a.said))
	}
	return strings.Join(parts, " · ")
}

func amounts(l apply.StepProgress) []string {
	parts := []string{Bytes(l.Done)}
	if l.Total > 0 {
		parts[0] = fmt.Sprintf("%s of %s (%d%%)", Bytes(l.Done), Bytes(l.Total), l.Done*100/l.Total)
	}
	if l.Rate > 0 {
		parts = append(parts, Bytes(int64(l.Rate))+"/s")
	}
	if l.ETA > 0 {
		parts = append(parts, Duration(l.ETA.Round(time.Second))+" left")
	}
	return parts
}

// seconds is a Duration without fractions, for what is drawn again and again.
func seconds(d time.Duration) string {
	if d < time.Second {
		return "0s"
	}
	return Duration(d.Truncate(time.Second))
}
