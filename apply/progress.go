package apply

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/plan"
)

// patience ends a wait once its limit is over. Progress, where the wait has a query
// for it, puts the end off: the limit counts from when that last grew.
type patience struct {
	limit time.Duration
	timer *time.Timer
	best  float64
	asked bool // best is from an answer
}

func newPatience(op plan.Wait, end context.CancelCauseFunc) *patience {
	p := &patience{limit: op.Timeout}
	p.timer = time.AfterFunc(op.Timeout, func() { end(&timeoutError{after: op.Timeout, stalled: op.Progress != nil}) })
	return p
}

// look asks for the progress, and returns what it says for people. A node that
// cannot be asked makes none. The first answer is no progress: nothing is known of
// before.
func (p *patience) look(ctx context.Context, m Machine, op plan.Wait) string {
	if op.Progress == nil {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, pollLimit)
	defer cancel()
	rows, err := m.Query(ctx, op.Database, op.Progress.Query)
	if err != nil || len(rows) == 0 || len(rows[0]) == 0 {
		return ""
	}
	if now, err := strconv.ParseFloat(rows[0][0], 64); err == nil && (!p.asked || now > p.best) {
		if p.asked {
			p.timer.Reset(p.limit)
		}
		p.best, p.asked = now, true
	}
	return strings.Join(rows[0][1:], ", ")
}
