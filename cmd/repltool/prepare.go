package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/repltool/repltool/apply"
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
)

// mostAttempts is how often a plan is made again when the clusters changed between
// the reading and the lock.
const mostAttempts = 5

// prepare returns a plan that was made while its locks were held, and the locks. A
// plan with nothing to do needs none.
//
// What is to be locked follows from a plan, so that the clusters are read twice:
// once to know what to lock, once to know what is so. A plan with errors, or with
// nodes that could not be read, may owe that to an apply that is at work, which
// the locks tell.
func (x *application) prepare(ctx context.Context) (*reading, *apply.Locks, error) {
	me := whoami(x.now())
	me.Run = runOfCI(x.variable)
	for range mostAttempts {
		r, err := x.look(ctx)
		if err != nil || len(r.plan.Changes) == 0 && !r.failed() && r.plan.Complete {
			return r, nil, err
		}
		locks, err := x.live.Lock(ctx, touching(r), apply.LockOptions{
			Me: me, Timeout: x.o.lockTimeout, Now: x.now,
		})
		if err != nil {
			return nil, nil, err
		}
		again, err := x.look(ctx)
		if err == nil && again.plan.Fingerprint == r.plan.Fingerprint && again.failed() == r.failed() {
			return again, locks, nil
		}
		if err := errors.Join(err, locks.Release()); err != nil {
			return nil, nil, err
		}
	}
	return nil, nil, fmt.Errorf("the clusters keep changing while repltool reads them\n" +
		"Nothing was changed. To see the current state:\n  repltool plan")
}

// look reads the clusters and plans, for a saved plan as that one was made.
func (x *application) look(ctx context.Context) (*reading, error) {
	o := cluster.Options{RepltoolVersion: version, Variables: x.topology.Variables, Targets: x.o.targets, Replace: x.o.replace, Moves: x.moves, Failovers: x.fails, Adopt: x.o.adopt, InApply: true}
	if x.saved != nil {
		o.Targets, o.Replace, o.Moves = x.saved.Targets, x.saved.Replace, x.saved.Moves
	}
	return x.read(ctx, x.topology, x.loading, x.live, o, x.o.quiet || x.o.json)
}

// touching returns a plan that touches what is to be locked: the plan itself or,
// where it has errors or gaps, every node that was read.
func touching(r *reading) *plan.Plan {
	if !r.failed() && r.plan.Complete {
		return r.plan
	}
	p := &plan.Plan{Nodes: r.plan.Nodes}
	for _, n := range p.Nodes {
		if n.Reachable && r.facts.Nodes[n.Name].Host != nil {
			p.Steps = append(p.Steps, plan.Step{Node: n.Name})
		}
	}
	return p
}
