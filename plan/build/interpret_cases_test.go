package build

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Every plan without an error is done step by step on a model of its servers: after all
// steps nothing is left to do, and after every prefix of them, as a kill leaves it, the plan
// made then leads to the same end.

// notInterpreted are the beginnings of steps that models do not know yet. The list only
// shrinks: one that no plan has any more is an error, and so is a step that it lacks.
func notInterpreted() []string {
	return []string{
		"CREATE SUBSCRIPTION of one whose slot is not in the topology",
		"start of a server of which nothing else is known", "command rm", "command sh: NOTE_ABSENT",
		"command sh: MOVE_ASIDE", "command sh: job=$1; shift;", "file pg2.pass",
	}
}

// waitsForHands are cases that only a person brings to their end, or of which the world is not
// whole.
func waitsForHands() map[string]string {
	return map[string]string{
		"sync-own-name-died":      "the set to be restored names a standby that nobody is any more: its gate says so",
		"relax-file-died":         "the world lacks the lines of the files that the set stands in",
		"down-included":           "the world lacks the file that the connection stands in",
		"logical-replace-foreign": "a kill leaves the slot of somebody else without its subscription: the plan says what to do",
		"recreated-slot-replaced": "a kill leaves the slot of somebody else without its subscription: the plan says what to do",
		"rejoin-replaced":         "a kill before the clone leaves the member as it was: to discard what it has takes -replace again",
		"port-resumed":            "the world lacks the lines of the files that the set stands in",
	}
}

// attempt is what came of the plans that were done.
type attempt struct {
	done    int
	missing map[string][]string // steps not interpreted, and who has them
}

// try does a plan of a case; why tells why it does not come to its end.
func (a *attempt) try(t *testing.T, i *interpreter, name, why string, top *topology.Topology, f facts.Facts, p *plan.Plan) {
	t.Helper()
	err := i.everyPrefix(t, top, f, p)
	var u unknown
	switch {
	case errors.As(err, &u):
		a.missing[u.step] = append(a.missing[u.step], name)
	case err != nil && why == "":
		t.Errorf("%s: %v", name, err)
	case err == nil && why != "":
		t.Errorf("%s comes to its end, and is listed as one that does not: %s", name, why)
	default:
		a.done++
	}
}

func TestInterpretGolden(t *testing.T) {
	t.Parallel()
	i, a := newInterpreter(), attempt{missing: map[string][]string{}}
	for _, file := range goldenFiles(t) {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		top, f, o := goldenWorld(t, partsOf(archive))
		if p, diags := Build(top, f, o); !diags.HasErrors() && len(p.Steps) > 0 && len(o.Targets) == 0 {
			a.try(t, i, caseName(file), waitsForHands()[caseName(file)], top, f, p)
		}
	}
	for _, file := range recordedWorlds(t) {
		archive, err := txtar.ParseFile(file)
		if err != nil {
			t.Fatal(err)
		}
		parts := partsOf(archive)
		for _, name := range []string{"main.hcl", "change.hcl"} {
			top, f := loadText(t, parts[name]), recordedFacts(t, parts["facts.json"])
			if p, diags := Build(top, f, cluster.Options{}); !diags.HasErrors() {
				a.try(t, i, "worlds/"+caseName(file)+"/"+name, "", top, f, p)
			}
		}
	}
	a.listed(t)
}

// listed checks the list of what is not interpreted.
func (a *attempt) listed(t *testing.T) {
	t.Helper()
	used := map[string]bool{}
	for step, names := range a.missing {
		known := false
		for _, begin := range notInterpreted() {
			if strings.HasPrefix(step, begin) {
				known, used[begin] = true, true
			}
		}
		if !known {
			t.Errorf("not interpreted, and not listed: %s (%d cases, %s)", step, len(names), names[0])
		}
	}
	for _, begin := range notInterpreted() {
		if !used[begin] {
			t.Errorf("no plan has %q any more: take it from notInterpreted", begin)
		}
	}
	t.Logf("%d plans done, %d shapes of steps not interpreted", a.done, len(a.missing))
}

// TestInterpretRandom is the same for random topologies and worlds.
func TestInterpretRandom(t *testing.T) {
	t.Parallel()
	i, a := newInterpreter(), attempt{missing: map[string][]string{}}
	for seed := range uint64(63) {
		if seed >= 60 {
			seed = []uint64{115, 305, 372}[seed-60] // killed between ALTER SYSTEM and the reload
		}
		g := newGenerator(seed, 9)
		top, f := g.world(t)
		if p, diags := Build(top, f, cluster.Options{}); !diags.HasErrors() {
			a.try(t, i, g.String(), "", top, f, p)
		}
	}
	if a.done < 20 {
		t.Errorf("only %d plans were done", a.done)
	}
}

// everyPrefix does the steps of a plan, and after each those of the plan made then.
func (i *interpreter) everyPrefix(t testing.TB, top *topology.Topology, f facts.Facts, p *plan.Plan) error {
	t.Helper()
	o := cluster.Options{RepltoolVersion: "test"}
	m := i.model(t, top, f)
	for n, s := range p.Steps {
		if err := m.do(s); err != nil {
			return fmt.Errorf("%s: %w", s.ID, err)
		}
		if _, wait := s.Op.(plan.Wait); wait && n < len(p.Steps)-1 {
			continue // it has changed nothing
		}
		if err := m.killed().finish(o, false); err != nil {
			return fmt.Errorf("killed after %s: %w", s.ID, err)
		}
		if err := m.killed().takenBack(p, s, o); err != nil {
			return fmt.Errorf("taken back after %s: %w", s.ID, err)
		}
	}
	return m.finish(o, p.Complete && !someDown(f))
}

// takenBack does the way back of the change in which a step was the last that was done, as apply
// does where the next one fails: until the step of no return nothing is lost by it, and what is
// planned then comes to the same end.
func (m *model) takenBack(p *plan.Plan, last plan.Step, o cluster.Options) error {
	i := slices.IndexFunc(p.Changes, func(c plan.Change) bool { return c.Address == last.Address })
	c := p.Changes[i]
	begun := c.Steps[:slices.Index(c.Steps, last.ID)+1]
	if len(c.Undo) == 0 || slices.Contains(begun, c.NoReturn) {
		return nil
	}
	for _, s := range c.Undo {
		if slices.Contains(begun, s.Undoes) {
			if err := m.do(s); err != nil {
				return fmt.Errorf("%s: %w", s.Why, err)
			}
		}
	}
	again, diags := Build(m.top, m.f, o)
	if diags.HasErrors() {
		return fmt.Errorf("plan fails: %s", compact(again, diags))
	}
	if j := slices.IndexFunc(again.Changes, func(is plan.Change) bool { return is.Address == c.Address }); j < 0 {
		return fmt.Errorf("another change is planned then:\n%s", compact(again, diags))
	}
	return m.finish(o, false)
}

// finish applies until nothing is left to do. One apply is enough, and none where done says so,
// unless the plan says itself that it is not complete or a server was down: what that one runs
// with is compared once it is up.
func (m *model) finish(o cluster.Options, done bool) error {
	for applies := 0; ; applies++ {
		m.settle()
		p, diags := Build(m.top, m.f, o)
		if !diags.HasErrors() && len(p.Changes) == 0 {
			return nil
		}
		if done || diags.HasErrors() || applies > mostApplies {
			return fmt.Errorf("this is left after %d more applies:\n%s", applies, compact(p, diags))
		}
		last := p.Complete && !someDown(m.f)
		for _, s := range p.Steps {
			if err := m.do(s); err != nil {
				return fmt.Errorf("%s: %w", s.ID, err)
			}
		}
		done = last
	}
}

// mostApplies is more than any case takes.
const mostApplies = 3

// someDown reports whether a server is down.
func someDown(f facts.Facts) bool {
	for _, n := range f.Nodes {
		if n.Host != nil && n.Server == nil && n.Host.Data.State == facts.DataCluster {
			return true
		}
	}
	return false
}

// killed is a model of the same servers for another apply.
func (m *model) killed() *model {
	other := *m
	other.f, other.stopped = cloned(m.f), map[string]*facts.Server{}
	for name, s := range m.stopped {
		other.stopped[name] = copied(s)
	}
	return &other
}
