package apply

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// machine is a node in memory that writes down what reaches it.
type machine struct {
	name  string
	log   *recorder
	files map[string]string

	started func(ctx context.Context) (string, error)
	exec    func(ctx context.Context, sql string) error
	query   func(ctx context.Context, sql string) ([][]string, error)
	run     func(ctx context.Context, argv []string) error
	prints  string // what a program prints
	watch   func(ctx context.Context, progress func(done, total int64)) error
}

// recorder is what reached all machines, in order.
type recorder struct {
	mu    sync.Mutex
	lines []string
}

func (r *recorder) add(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lines = append(r.lines, fmt.Sprintf(format, args...))
}

func (r *recorder) last() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lines[len(r.lines)-1]
}

func (m *machine) Exec(ctx context.Context, database, sql string) error {
	m.log.add("%s exec %s: %s", m.name, database, sql)
	if m.exec != nil {
		return m.exec(ctx, sql)
	}
	return ctx.Err()
}

func (m *machine) ExecSecret(ctx context.Context, database, sql string) error {
	m.log.add("%s exec secret %s: %s", m.name, database, sql)
	if m.exec != nil {
		return m.exec(ctx, sql)
	}
	return ctx.Err()
}

func (m *machine) Query(ctx context.Context, database, sql string) ([][]string, error) {
	m.log.add("%s query %s: %s", m.name, database, sql)
	if m.query != nil {
		return m.query(ctx, sql)
	}
	return [][]string{{"t"}}, nil
}

func (m *machine) Started(ctx context.Context) (string, error) {
	if m.started != nil {
		return m.started(ctx)
	}
	return "", ctx.Err()
}

func (m *machine) ReadFile(_ context.Context, path string) ([]byte, error) {
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	text, ok := m.files[path]
	if !ok {
		return nil, fmt.Errorf("open %s: %w", path, fs.ErrNotExist)
	}
	return []byte(text), nil
}

func (m *machine) WriteFile(ctx context.Context, path string, content []byte, mode uint32) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	m.log.add("%s write %s %o: %s", m.name, path, mode, content)
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	m.files[path] = string(content)
	return nil
}

func (m *machine) RemoveFile(_ context.Context, path string) error {
	m.log.add("%s remove %s", m.name, path)
	m.log.mu.Lock()
	defer m.log.mu.Unlock()
	delete(m.files, path)
	return nil
}

func (m *machine) Run(ctx context.Context, argv []string, root bool) (string, error) {
	m.log.add("%s run root=%t: %s", m.name, root, strings.Join(argv, "|"))
	if m.run != nil {
		return m.prints, m.run(ctx, argv)
	}
	return m.prints, nil
}

func (m *machine) Job(ctx context.Context, id string, argv []string, progress func(done, total int64)) error {
	m.log.add("%s job %s: %s", m.name, id, strings.Join(argv, "|"))
	if m.watch != nil {
		return m.watch(ctx, progress)
	}
	return nil
}

// world is an Env with machines in memory.
type world struct {
	Env
	log    *recorder
	nodes  map[string]*machine
	events *watcher
}

// watcher keeps the events. It has no lock: apply promises one at a time, and
// the race detector checks the promise.
type watcher struct{ events []Event }

func (w *watcher) Observe(e Event) { w.events = append(w.events, e) }

func newWorld(names ...string) *world {
	w := &world{log: &recorder{}, nodes: map[string]*machine{}, events: &watcher{}}
	w.Env = Env{
		Machines: map[string]Machine{}, Observer: w.events,
		Secrets: topology.Secrets{},
		SCRAM:   func(password string) (string, error) { return "SCRAM-SHA-256$of:" + password, nil },
	}
	for _, name := range names {
		m := &machine{name: name, log: w.log, files: map[string]string{}}
		w.nodes[name], w.Machines[name] = m, m
	}
	return w
}

func (w *world) secret(ref, text string) { w.Secrets[ref] = topology.NewSecret(ref, text) }

// sqlStep is a step of its own change.
func sqlStep(id, node, sql string, requires ...string) plan.Step {
	return plan.Step{
		ID: id, Address: "change." + id, Node: node, Why: "do " + id, Requires: requires,
		Op: plan.SQL{Database: "postgres", SQL: plan.Text{Text: sql}},
	}
}

func opStep(id, node string, op plan.Op, requires ...string) plan.Step {
	return plan.Step{ID: id, Address: "change." + id, Node: node, Why: "do " + id, Requires: requires, Op: op}
}

func planOf(steps ...plan.Step) *plan.Plan {
	return &plan.Plan{FormatVersion: plan.FormatVersion, Fingerprint: "f", Steps: steps}
}

// text makes a Text; each {ref} stands for a secret in the form given.
func text(template string, form plan.SecretForm) plan.Text {
	var t plan.Text
	for {
		before, rest, ok := strings.Cut(template, "{")
		t.Text += before
		if !ok {
			return t
		}
		ref, rest, _ := strings.Cut(rest, "}")
		t.Secrets = append(t.Secrets, plan.SecretUse{Offset: len(t.Text), Ref: ref, Form: form})
		t.Text += topology.Redacted
		template = rest
	}
}

// states prints a report in short: "a=done b=failed c=not tried(b)".
func states(r Report) string {
	var parts []string
	for _, s := range r.Steps {
		part := s.Step.ID + "=" + string(s.State)
		if s.Because != "" {
			part += "(" + s.Because + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, " ")
}

func wantStates(t *testing.T, r Report, want string) {
	t.Helper()
	if got := states(r); got != want {
		t.Errorf("states\n got %s\nwant %s\nrefused: %v\nerr: %v", got, want, r.Refused, r.Err())
	}
}

func wantLog(t *testing.T, w *world, want ...string) {
	t.Helper()
	if !slices.Equal(w.log.lines, want) {
		t.Errorf("what reached the machines:\n%s\nwant:\n%s", strings.Join(w.log.lines, "\n"), strings.Join(want, "\n"))
	}
}

// printed is all that a sink could show of a run.
func printed(w *world, r Report) string {
	var b strings.Builder
	for _, e := range w.events.events {
		fmt.Fprintf(&b, "%v\n%+v\n%#v\n", e, e, e)
	}
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "%v\n%+v\n%#v\n", s, s, s)
	}
	fmt.Fprintf(&b, "%v\n%s\n%v\n%#v\n", r, r.String(), r.Err(), r.Err())
	return b.String()
}

func sleep(ctx context.Context, d time.Duration) error { return pause(ctx, d) }
