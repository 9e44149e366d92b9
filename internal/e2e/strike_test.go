package e2e

import (
	"fmt"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// moment is when in a step a fault strikes.
type moment int

const (
	begins moment = iota
	runs          // some time after its begin: from 10 ms to 1.3 s, in turn
	ends
)

func (m moment) String() string {
	return [...]string{"before a step", "in a step", "after a step"}[m]
}

// of reports whether the event is the gate of the moment.
func (m moment) of(e event) bool {
	return e.Type == "step_done" && m == ends || e.Type == "step_start" && m != ends
}

// striker applies a stage and strikes each apply as the walk says: each step once, so that
// there is an end also where an apply begins with the steps of the one before.
type striker struct {
	w       *world
	walk    walk
	turn    int             // strikes of all stages: whose turn it is
	done    int             // steps since the last strike
	struck  map[string]bool // the steps of the stage
	applies int             // of the stage
	strikes int             // of the stage
	failing time.Time       // since when applies have failed without a fault

	host int        // the one that was struck last
	last fault      // by what; the zero one once it is over
	left int        // steps until it ends
	over chan error // what ends a fault after a while; nil when none is in force
}

// apply runs one, strikes it, and reports whether another is needed: it was struck, or it
// failed.
func (s *striker) apply(more []string) bool {
	w := s.w
	w.t.Helper()
	s.applies++
	before, struck := s.strikes, false
	args := append([]string{"apply", "-auto-approve", "-allow=restart,drop,reclone", "-lock-timeout=2m"}, more...)
	code, said := w.followed(args, func(c *exec.Cmd, e event) {
		due := s.walk.at.of(e) && s.done >= s.walk.every-1 && !s.struck[e.name()]
		if due && s.strike(c, e.Node, struck) {
			struck, s.struck[e.name()], s.done = true, true, 0
			return
		}
		s.passed(e)
	})
	s.heal()
	return s.judge(code, s.strikes > before, said)
}

// passed counts the steps since the last strike, and those until its fault ends.
func (s *striker) passed(e event) {
	s.w.t.Helper()
	if e.Type == "step_done" {
		s.done++
	}
	if s.last.steps > 0 && (e.Type == "step_done" || e.Type == "step_failed") {
		if s.left--; s.left == 0 {
			s.heal()
		}
	}
}

// judge expects that an apply ends well which nothing has struck, a minute or so after the
// last fault: until then a server may be in recovery.
func (s *striker) judge(code int, struck bool, said string) bool {
	s.w.t.Helper()
	switch {
	case struck || code == 0:
		s.failing = time.Time{}
	case s.failing.IsZero():
		s.failing = time.Now()
	case time.Since(s.failing) < 90*time.Second:
		time.Sleep(time.Second)
	default:
		s.w.t.Fatalf("no apply has ended well since %s\n%s", s.failing, said)
	}
	if strings.Contains(said, "panic: ") || code == 2 {
		s.w.t.Fatalf("exit code %d\n%s", code, said)
	}
	return struck || code != 0
}

// strike does so unless a fault is in force that has its own end. A fault that lasts until
// the end of the apply strikes once.
func (s *striker) strike(c *exec.Cmd, node string, again bool) bool {
	w := s.w
	w.t.Helper()
	f := s.walk.faults[s.turn%len(s.walk.faults)]
	if s.over != nil {
		select {
		case err := <-s.over:
			s.ended(err)
		default:
			return false
		}
	}
	if again && s.last.cure != nil && s.last.during == 0 {
		return false
	}
	if s.walk.at == runs {
		time.Sleep(10 * time.Millisecond << (s.strikes % 8))
	}
	s.host, s.last, s.left = map[string]int{"pg1": 1, "pg2": 2, "dw1": 3}[node], f, f.steps
	s.strikes++
	s.turn++
	if f.kills {
		_ = c.Process.Signal(syscall.SIGKILL) // it may have ended
		return true
	}
	if err := f.strike(w, s.host); err != nil {
		w.t.Fatal(err)
	}
	if f.during > 0 {
		over, host := make(chan error, 1), s.host
		time.AfterFunc(f.during, func() { over <- f.cure(w, host) })
		s.over = over
	}
	return true
}

// heal ends what is still in force.
func (s *striker) heal() {
	s.w.t.Helper()
	if s.over != nil {
		s.ended(<-s.over)
	}
	if s.last.cure != nil && s.last.during == 0 {
		s.ended(s.last.cure(s.w, s.host))
	}
	s.last = fault{}
}

func (s *striker) ended(err error) {
	s.w.t.Helper()
	s.over = nil
	if err != nil {
		s.w.t.Fatal(err)
	}
}

// writer commits rows in pg1, one after another, and notes those that were acknowledged. A
// server that is away is asked again.
type writer struct {
	w            *world
	quit         chan struct{}
	done         chan struct{}
	acknowledged []string
	pause        time.Duration // the longest between two
}

func (w *world) startWriter() *writer {
	wr := &writer{w: w, quit: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(wr.done)
		for last := time.Now(); ; {
			select {
			case <-w.t.Context().Done():
				return
			case <-wr.quit:
				return
			case <-time.After(50 * time.Millisecond):
			}
			id, err := w.host(1).SQL(w.t.Context(), "INSERT INTO rows DEFAULT VALUES RETURNING id")
			if _, bad := strconv.Atoi(id); err != nil || bad != nil {
				continue
			}
			wr.acknowledged = append(wr.acknowledged, id)
			wr.pause, last = max(wr.pause, time.Since(last)), time.Now()
		}
	}()
	return wr
}

// stop returns how many rows were acknowledged, how many of them are lost, and the longest
// pause between two, as cells of the table.
func (wr *writer) stop() string {
	w := wr.w
	w.t.Helper()
	close(wr.quit)
	<-wr.done
	there := strings.Fields(w.sql(1, "SELECT id FROM rows ORDER BY id"))
	slices.Sort(there)
	lost := 0
	for _, id := range wr.acknowledged {
		if _, found := slices.BinarySearch(there, id); !found {
			lost++
		}
	}
	if lost > 0 || len(wr.acknowledged) == 0 {
		w.t.Errorf("%d acknowledged rows, %d are lost", len(wr.acknowledged), lost)
	}
	w.sql(1, "TRUNCATE rows")
	return fmt.Sprintf("%d | %d | %.1f s", len(wr.acknowledged), lost, wr.pause.Seconds())
}
