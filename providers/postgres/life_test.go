package postgres

import (
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
)

// A worker that fails at each change is there for a while and away for a while: however the
// readings fall into that, they go on until one end of it was seen.
func TestLifeOfAFailingWorker(t *testing.T) {
	const there, away = 4, 5 // seconds
	for offset := range there + away {
		var was *facts.Subscription
		var l life
		open := true
		for second := 0; open && second <= 2*int(retryInterval/time.Second); second++ {
			is := &facts.Subscription{}
			is.Options.Enabled = true
			at := (offset + second) % (there + away)
			if at < there {
				age := time.Duration(at) * time.Second
				is.Worker = &facts.SubscriptionWorker{PID: 100 + (offset+second)/(there+away), Age: &age}
			}
			waited := time.Duration(second) * time.Second
			l = l.next(was, is, waited)
			was, open = is, l.open(waited)
		}
		if l.restarts == 0 && was.Worker != nil {
			t.Errorf("offset %d: a worker that fails is taken for one that works", offset)
		}
	}
}

// Up to PostgreSQL 14 nobody counts errors: a worker that takes long to fail is watched until it does.
func TestLifeOfASlowWorker(t *testing.T) {
	const cycle = 12 // seconds
	for offset := range cycle {
		var was *facts.Subscription
		var l life
		for waited, open := time.Duration(0), true; open && waited <= uncounted; waited += time.Second {
			second := offset + int(waited/time.Second)
			age := time.Duration(second%cycle) * time.Second
			is := &facts.Subscription{Worker: &facts.SubscriptionWorker{PID: 100 + second/cycle, ReceivedLSN: "0/1", Age: &age, Applying: age > 0}}
			is.Options.Enabled = true
			l = l.next(was, is, waited)
			was, open = is, l.unsettled(*is, 13, waited)
		}
		if l.restarts == 0 {
			t.Errorf("offset %d: a worker that fails after %d s is taken for one that works", offset, cycle)
		}
	}
}
