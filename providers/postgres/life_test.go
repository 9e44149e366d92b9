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
