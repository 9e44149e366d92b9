package apply

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/repltool/repltool/plan"
)

// lockWorld is two clusters: a with pg1 (primary) and pg2, b with pg3 (primary).
func lockWorld() (*plan.Plan, map[string]LockNode, map[string]*lockServer, *recorder) {
	order := &recorder{}
	p := planOf(sqlStep("x", "pg3", ""), sqlStep("y", "pg1", ""), sqlStep("z", "pg2", ""))
	p.Nodes = []plan.Node{
		{Name: "pg3", Cluster: "cluster.b", Role: "primary"},
		{Name: "pg2", Cluster: "cluster.a", Role: "standby"},
		{Name: "pg1", Cluster: "cluster.a", Role: "primary"},
		{Name: "pg4", Cluster: "cluster.c", Role: "primary"}, // no step there
	}
	nodes, servers := map[string]LockNode{}, map[string]*lockServer{}
	for _, n := range p.Nodes {
		s := &lockServer{name: n.Name, locks: map[string]*lockSession{}, order: order, standby: n.Role != "primary", ledger: true}
		nodes[n.Name], servers[n.Name] = s, s
	}
	return p, nodes, servers, order
}

func TestLocksInStableOrder(t *testing.T) {
	p, nodes, servers, order := lockWorld()
	l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "me@here"}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"lock host pg1", "lock host pg2", "lock host pg3", "lock sql pg1", "lock sql pg3"}
	if !slices.Equal(order.lines, want) {
		t.Errorf("order %q, want %q", order.lines, want)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
	for name, s := range servers {
		if s.held() > 0 || s.host != nil {
			t.Errorf("%s is still locked", name)
		}
	}
}

// TestLocksWithoutPrimary: while no member leads there is no advisory lock, and the machines of all
// members that can be reached are locked: two failovers cannot promote two standbys.
func TestLocksWithoutPrimary(t *testing.T) {
	_, nodes, _, order := lockWorld()
	p := planOf(sqlStep("x", "pg2", ""))
	p.Nodes = []plan.Node{
		{Name: "pg1", Cluster: "cluster.a", Role: "down", Reachable: true},
		{Name: "pg2", Cluster: "cluster.a", Role: "standby", Reachable: true},
		{Name: "pg3", Cluster: "cluster.a", Role: "standby", Reachable: true},
		{Name: "gone", Cluster: "cluster.a", Role: "unreachable"},
		{Name: "pg4", Cluster: "cluster.c", Role: "primary", Reachable: true},
	}
	l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "me@here"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"lock host pg1", "lock host pg2", "lock host pg3"}; !slices.Equal(order.lines, want) {
		t.Errorf("order %q, want %q", order.lines, want)
	}
	if err := l.Release(); err != nil {
		t.Error(err)
	}
}

func TestSecondComer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, nodes, servers, _ := lockWorld()
		since := time.Now()
		first, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "ann@desk", Since: since, From: "desk, process 7"}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "bob"}})
		var locked *LockedError
		if !errors.As(err, &locked) || locked.Holder.Who != "ann@desk" {
			t.Fatalf("second: %v", err)
		}
		if want := "pg1: lock: another apply holds the lock on host pg1: ann@desk, since 2000-01-01 00:00:00 UTC, from desk, process 7"; err.Error() != want {
			t.Errorf("got %q", err)
		}
		began := time.Now()
		if _, err = AcquireLocks(t.Context(), p, nodes, LockOptions{Timeout: 10 * time.Second}); !errors.As(err, &locked) {
			t.Fatalf("second, after a wait: %v", err)
		}
		if waited := time.Since(began); waited < 10*time.Second || waited > 12*time.Second {
			t.Errorf("waited %v", waited)
		}
		time.AfterFunc(5*time.Second, func() { _ = first.Release() })
		second, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Timeout: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		_ = second.Release()
		if servers["pg1"].held() > 0 {
			t.Error("still locked")
		}
	})
}

// One who came from another machine has other hosts' locks, and meets ours on the
// primary. What was taken before is given back.
func TestSQLLockNamesItsHolder(t *testing.T) {
	p, nodes, servers, _ := lockWorld()
	other, err := nodes["pg3"].OpenSession(t.Context(), application(Holder{Who: "ann@desk"}))
	if err != nil {
		t.Fatal(err)
	}
	c := &sqlLock{cluster: "cluster.b", key: lockKey("cluster.b"), primary: "pg3"}
	if err := c.try(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	_, err = AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "bob"}})
	want := "pg3: lock: another apply holds the lock on cluster.b on pg3: ann@desk, since 2023-11-14 22:13:20 UTC, from 10.0.0.9"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if servers["pg1"].held() > 0 || servers["pg1"].host != nil || servers["pg3"].held() != 1 {
		t.Error("the one who came second left something locked, or took what was held")
	}
}

func TestLockIsTakenAgainAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, nodes, servers, _ := lockWorld()
		l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "me"}})
		if err != nil {
			t.Fatal(err)
		}
		pg1 := servers["pg1"]
		pg1.restart(func() { pg1.down = true })
		time.Sleep(20 * time.Second)
		pg1.restart(func() { pg1.down = false })
		time.Sleep(keepEvery + time.Second)
		if pg1.held() != 1 {
			t.Error("the lock was not taken again")
		}
		select {
		case <-l.Lost():
			t.Error("lost:", l.Err())
		default:
		}
		_ = l.Release()
	})
}

// Someone who took the lock while the primary was down has it; we stop.
func TestLostLockStopsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, nodes, servers, _ := lockWorld()
		l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "me"}})
		if err != nil {
			t.Fatal(err)
		}
		w := newWorld("pg1")
		w.Locks = l
		w.nodes["pg1"].exec = func(ctx context.Context, _ string) error {
			pg1 := servers["pg1"]
			pg1.restart(func() {})
			other, err := pg1.OpenSession(ctx, "repltool apply eve@lair")
			if err != nil {
				return err
			}
			c := &sqlLock{cluster: "cluster.a", key: lockKey("cluster.a"), primary: "pg1"}
			if err := c.try(ctx, other); err != nil {
				return err
			}
			return sleep(ctx, time.Minute)
		}
		r := Run(t.Context(), planOf(sqlStep("a", "pg1", ""), sqlStep("b", "pg1", "", "a")), w.Env, Options{})
		wantStates(t, r, "a=done b=not tried")
		if r.Stopped == nil || !strings.Contains(r.Stopped.Error(), "eve@lair") {
			t.Errorf("stopped: %v", r.Stopped)
		}
		_ = l.Release()
	})
}

func TestHostLockIsTakenAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, nodes, servers, order := lockWorld()
		l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "me"}})
		if err != nil {
			t.Fatal(err)
		}
		servers["pg2"].drop(nil)
		if err := l.Hold(t.Context()); err != nil {
			t.Error(err)
		}
		if last := order.last(); last != "lock host pg2" {
			t.Errorf("a step may begin, and the last thing done is %q", last)
		}
		servers["pg2"].drop(&Holder{Who: "eve"})
		<-l.Lost()
		if want := "a lock was lost: pg2: lock: another apply holds the lock on host pg2: eve"; l.Err().Error() != want {
			t.Errorf("got %v", l.Err())
		}
		if err := l.Hold(t.Context()); err == nil {
			t.Error("held after it was lost")
		}
		_ = l.Release()
	})
}

// The lock is free again, and another apply has held it in between.
func TestLostIsLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, nodes, servers, _ := lockWorld()
		l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "me"}})
		if err != nil {
			t.Fatal(err)
		}
		servers["pg2"].passed = true
		servers["pg2"].drop(nil)
		w := newWorld("pg1")
		w.Locks = l
		r := Run(t.Context(), planOf(sqlStep("a", "pg1", "")), w.Env, Options{})
		wantStates(t, r, "a=not tried")
		if r.Stopped == nil || !strings.Contains(r.Stopped.Error(), "another apply has taken the lock on host pg2 since the connection was lost") {
			t.Errorf("stopped: %v", r.Stopped)
		}
		_ = l.Release()
	})
}

// A machine that does not answer keeps steps from beginning, and ends the run in the end.
func TestSilentMachineHoldsSteps(t *testing.T) {
	for _, c := range []struct {
		answers time.Duration
		want    string
	}{{20 * time.Second, "a=done"}, {5 * time.Minute, "a=not tried"}} {
		synctest.Test(t, func(t *testing.T) {
			p, nodes, servers, _ := lockWorld()
			l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "me"}})
			if err != nil {
				t.Fatal(err)
			}
			pg2 := servers["pg2"]
			pg2.silent = time.Now().Add(-leaseFresh)
			time.AfterFunc(c.answers, func() {
				pg2.mu.Lock()
				defer pg2.mu.Unlock()
				pg2.silent = time.Time{}
			})
			w := newWorld("pg1")
			w.Locks = l
			began := time.Now()
			r := Run(t.Context(), planOf(sqlStep("a", "pg1", "")), w.Env, Options{})
			wantStates(t, r, c.want)
			if took := time.Since(began); took < c.answers && took < holdLimit || took > holdLimit+2*keepEvery {
				t.Errorf("after %s", took)
			}
			_ = l.Release()
		})
	}
}

// A signal while a step waits for a lock: it does not begin.
func TestStopWhileALockIsInDoubt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, nodes, servers, _ := lockWorld()
		l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "me"}})
		if err != nil {
			t.Fatal(err)
		}
		servers["pg2"].silent = time.Now().Add(-leaseFresh)
		w := newWorld("pg1")
		w.Locks = l
		stop := make(chan struct{})
		time.AfterFunc(time.Second, func() { close(stop) })
		r := Run(t.Context(), planOf(sqlStep("a", "pg1", "")), w.Env, Options{Stop: stop})
		wantStates(t, r, "a=not tried")
		if !errors.Is(r.Stopped, ErrInterrupted) {
			t.Errorf("stopped: %v", r.Stopped)
		}
		_ = l.Release()
	})
}

func TestRecord(t *testing.T) {
	p, nodes, servers, _ := lockWorld()
	servers["pg3"].ledger = false
	l, err := AcquireLocks(t.Context(), p, nodes, LockOptions{Me: Holder{Who: "o'neil@desk"}})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	report := Report{Fingerprint: "abc", Started: at, Ended: at.Add(time.Minute), Steps: []Result{{State: Done}}}
	if err := l.Record(t.Context(), report); err != nil {
		t.Error(err)
	}
	// The primary has moved: the row goes where writes go.
	servers["pg1"].standby, servers["pg2"].standby = true, false
	if err := l.Record(t.Context(), report); err != nil {
		t.Error(err)
	}
	want := "INSERT INTO repltool.applies (who, started, ended, plan, result) VALUES ('o''neil@desk', '2026-01-02 03:04:05.000000+00', '2026-01-02 03:05:05.000000+00', 'abc', 'done: 1 steps')"
	for _, name := range []string{"pg1", "pg2"} {
		if !slices.Equal(servers[name].rows, []string{want}) {
			t.Errorf("%s: rows %q", name, servers[name].rows)
		}
	}
	if len(servers["pg3"].rows) > 0 {
		t.Error("a row without a ledger")
	}
	// No server answers: said, where there was a primary.
	for _, s := range servers {
		s.restart(func() { s.down = true })
	}
	if err := l.Record(t.Context(), report); err == nil || !strings.Contains(err.Error(), "cluster.a: record the apply: pg2: open session: connection refused") {
		t.Errorf("error: %v", err)
	}
	_ = l.Release()
}

func TestNoLocks(t *testing.T) {
	var l *Locks
	if l.Record(t.Context(), Report{}) != nil || l.Release() != nil || l.Lost() != nil {
		t.Error("a nil *Locks does something")
	}
}
