package e2e

import (
	"bufio"
	"encoding/json"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// program is the program in the topology's directory.
func (w *world) program(args ...string) *exec.Cmd {
	c := exec.CommandContext(w.t.Context(), binary, args...)
	c.Dir, c.Env = w.dir, w.env
	return c
}

// followed runs the program with -json, has look see each event of its steps as it comes, and
// returns the exit code and what the run told.
func (w *world) followed(args []string, look func(c *exec.Cmd, e event)) (int, string) {
	w.t.Helper()
	c := w.program(append(args, "-json")...)
	c.Stderr = &w.sinks
	out, err := c.StdoutPipe()
	if err != nil {
		w.t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		w.t.Fatal(err)
	}
	var told strings.Builder
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	whys := map[string]string{}
	for lines.Scan() {
		told.WriteString(lines.Text() + "\n")
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			continue
		}
		if e.Type == "step_start" {
			whys[e.Step] = e.Why
		}
		e.Why = whys[e.Step]
		look(c, e)
	}
	_ = c.Wait() // the exit code tells
	w.sinks.WriteString(told.String())
	return c.ProcessState.ExitCode(), told.String()
}

// event is what a run prints of a step.
type event struct{ Type, Node, Address, Step, Why string }

// name is that of the step among those of all applies of a stage: numbers change.
func (e event) name() string { return e.Node + " " + e.Address + " " + e.Why }

// running is a run of the program that has not ended.
type running struct {
	w   *world
	cmd *exec.Cmd
	out *said
}

// said is what a run has told so far.
type said struct {
	mu   sync.Mutex
	text strings.Builder
}

func (s *said) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(b)
}

func (s *said) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

// launch starts an apply, and does not wait for its end.
func (w *world) launch(options ...string) running {
	w.t.Helper()
	r := running{w, w.program(append([]string{"apply", "-auto-approve", "-verbose"}, options...)...), &said{}} // verbose: a line when a step starts
	r.cmd.Stdout, r.cmd.Stderr = r.out, r.out
	if err := r.cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	return r
}

// intoStep launches an apply and waits until it is in that step.
func (w *world) intoStep(step string, options ...string) running {
	w.t.Helper()
	r := w.launch(options...)
	r.until(step)
	return r
}

// until waits until the run has told that.
func (r running) until(text string) {
	r.w.t.Helper()
	for end := time.Now().Add(60 * time.Second); !strings.Contains(r.out.String(), text); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			r.w.t.Fatalf("it does not tell %q:\n%s", text, r.out)
		}
	}
}

// wait returns the exit code and what the run told.
func (r running) wait() (int, string) {
	_ = r.cmd.Wait() // the exit code tells
	r.w.sinks.WriteString(r.out.String())
	return r.cmd.ProcessState.ExitCode(), r.out.String()
}

func (r running) signal(s syscall.Signal) {
	r.w.t.Helper()
	if err := r.cmd.Process.Signal(s); err != nil {
		r.w.t.Fatal(err)
	}
}

func (r running) kill() {
	r.w.t.Helper()
	if err := r.cmd.Process.Signal(syscall.SIGKILL); err != nil {
		r.w.t.Fatal(err)
	}
	if code, out := r.wait(); code >= 0 {
		r.w.t.Fatalf("it had ended before it was killed: exit code %d\n%s", code, out)
	}
}

// until waits until a command of the host's shell ends well.
func (w *world) until(i int, command string) {
	w.t.Helper()
	for end := time.Now().Add(60 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		if _, err := w.host(i).Exec(w.t.Context(), "sh", "-c", command); err == nil {
			return
		} else if time.Now().After(end) {
			w.t.Fatalf("pg%d: %s: %v", i, command, err)
		}
	}
}
