package apply

import (
	"sync"
	"time"

	"github.com/repltool/repltool/plan"
)

// Observer is told of everything that happens, one event at a time: it needs no
// lock of its own, and it should not take long.
type Observer interface{ Observe(Event) }

// Event is a sealed sum: StepStart, StepProgress, StepDone, StepFailed, Gate, Summary.
type Event interface{ When() At }

// At is when and where. Node, Address and Step are empty in a Summary.
type At struct {
	Time    time.Time
	Node    string
	Address string
	Step    string // its ID
}

// When returns when and where it happened.
func (a At) When() At { return a }

// StepStart is a step that begins.
type StepStart struct {
	At
	Why  string // one line for people
	Kind string // sql, file, command, wait
}

// StepProgress is how far a long command or a wait is.
type StepProgress struct {
	At
	Done, Total int64         // bytes; Total 0: unknown
	Rate        float64       // bytes a second; 0: unknown
	ETA         time.Duration // what is left; 0: unknown
	// Detail is what a wait saw last, or "".
	Detail string
}

// StepDone is a step that succeeded.
type StepDone struct {
	At
	Took time.Duration
}

// StepFailed is a step that did not.
type StepFailed struct {
	At
	Took time.Duration
	Err  error // without secrets
	// CutOff reports whether the run was stopped under it: that is no failure of the step's.
	CutOff bool
	// MayStillRun reports whether it was cut off and may continue where it ran.
	MayStillRun bool
}

// Gate is a wait without which the next steps would do harm: told when it begins, and again
// whenever what was seen last is another text.
type Gate struct {
	At
	What    string // waited for
	Else    string // what would come of not waiting
	Timeout time.Duration
	Waited  time.Duration
	Detail  string // seen last; "" at the beginning
}

// Summary is the end of a run.
type Summary struct {
	At
	Report Report
}

// emitter hands events on, one at a time and none after the end.
type emitter struct {
	mu       sync.Mutex
	observer Observer
	now      func() time.Time
	closed   bool
}

// emit makes an event of a step, with its place and time filled in.
func (e *emitter) emit(s plan.Step, make func(At) Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.observer == nil || e.closed {
		return
	}
	e.observer.Observe(make(At{Time: e.now(), Node: s.Node, Address: s.Address, Step: s.ID}))
}

func (e *emitter) close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.closed = true
}

// meter turns counts of bytes into rate and time left. The rate is an average
// that forgets: a copy that slows down is reported soon.
type meter struct {
	now    func() time.Time
	total  int64 // the plan's estimate, until the command knows better
	done   int64
	at     time.Time
	rate   float64
	primed bool
}

// meterMemory is the time constant of the average.
const meterMemory = 10 * time.Second

// read takes a count and returns the progress. The first count of a job that was
// found running says nothing of the rate, so that it only sets the start.
func (m *meter) read(done, total int64) StepProgress {
	if total > 0 {
		m.total = total
	}
	now := m.now()
	if elapsed := now.Sub(m.at); m.primed && elapsed > 0 && done >= m.done {
		m.average(float64(done-m.done)/elapsed.Seconds(), elapsed)
	}
	m.done, m.at, m.primed = done, now, true
	// The estimate may be short: what is there already is never more than all.
	p := StepProgress{Done: done, Rate: m.rate}
	if m.total > 0 {
		p.Total = max(m.total, done)
	}
	if left := p.Total - done; left > 0 && m.rate > 0 {
		p.ETA = time.Duration(float64(left) / m.rate * float64(time.Second))
	}
	return p
}

func (m *meter) average(rate float64, elapsed time.Duration) {
	if m.rate == 0 {
		m.rate = rate
		return
	}
	weight := min(elapsed.Seconds()/meterMemory.Seconds(), 1)
	m.rate += weight * (rate - m.rate)
}
