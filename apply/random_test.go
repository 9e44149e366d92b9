package apply

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/repltool/repltool/plan"
)

// TestRandomPlans holds on plans of any shape: nothing begins before what it
// requires is done, and what is not tried is what rests on a failure, no more.
func TestRandomPlans(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 0))
		p, fails := randomPlan(rng)
		w := newWorld("pg1")
		var mu sync.Mutex
		var done []string
		w.nodes["pg1"].exec = func(_ context.Context, id string) error {
			mu.Lock()
			defer mu.Unlock()
			for _, needed := range p.Steps[index(p, id)].Requires {
				if !slices.Contains(done, needed) {
					t.Errorf("seed %d: %s began before %s was done", seed, id, needed)
				}
			}
			if fails[id] {
				return errors.New("no")
			}
			done = append(done, id)
			return nil
		}
		r := Run(t.Context(), p, w.Env, Options{Parallelism: 1 + rng.IntN(8)})
		for i, s := range r.Steps {
			if s.State == NotTried && !fails[s.Because] {
				t.Errorf("seed %d: %s was not tried because of %q, which did not fail", seed, s.Step.ID, s.Because)
			}
			r.Steps[i].Because = "" // which of several failures is reported is no matter
		}
		if got, want := states(r), expected(p, fails); got != want {
			t.Fatalf("seed %d:\n got %s\nwant %s", seed, got, want)
		}
	}
}

func index(p *plan.Plan, id string) int {
	return slices.IndexFunc(p.Steps, func(s plan.Step) bool { return s.ID == id })
}

func randomPlan(rng *rand.Rand) (*plan.Plan, map[string]bool) {
	p, fails := planOf(), map[string]bool{}
	for i := range 1 + rng.IntN(40) {
		id := fmt.Sprint(i)
		s := sqlStep(id, "pg1", id)
		for j := range i {
			if rng.IntN(10) == 0 {
				s.Requires = append(s.Requires, fmt.Sprint(j))
			}
		}
		fails[id] = rng.IntN(15) == 0
		p.Steps = append(p.Steps, s)
	}
	return p, fails
}

// expected works the states out, one step after another.
func expected(p *plan.Plan, fails map[string]bool) string {
	var r Report
	roots := map[string][]string{}
	for _, s := range p.Steps {
		result := Result{Step: s, State: Done}
		for _, id := range s.Requires {
			roots[s.ID] = append(roots[s.ID], roots[id]...)
		}
		switch {
		case len(roots[s.ID]) > 0:
			result.State = NotTried
		case fails[s.ID]:
			result.State, roots[s.ID] = Failed, []string{s.ID}
		}
		r.Steps = append(r.Steps, result)
	}
	return states(r)
}
