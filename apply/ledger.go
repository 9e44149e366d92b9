package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Record writes one row of repltool.applies on the primary of every cluster that
// the run changed, over the session that holds the lock. A cluster without a
// ledger has nothing written.
func (l *Locks) Record(ctx context.Context, report Report) error {
	if l == nil {
		return nil
	}
	var errs []error
	for _, c := range l.sql {
		if err := c.record(ctx, l, report); err != nil {
			errs = append(errs, fmt.Errorf("%s: record the apply: %w", c.cluster, err))
		}
	}
	return errors.Join(errs...)
}

// record finds the primary of now: the plan may have made or moved it.
func (c *sqlLock) record(ctx context.Context, l *Locks, report Report) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session != nil {
		if c.inside {
			_, _ = c.session.Query(ctx, "COMMIT") // of nothing: what comes now commits by itself
			c.inside = false
		}
		if primary, err := write(ctx, c.session, l.opts.Me, report); primary {
			return err
		}
	}
	var errs []error
	for _, name := range c.members {
		primary, err := c.recordOn(ctx, l, name, report)
		if primary {
			return err
		}
		errs = append(errs, err)
	}
	if c.primary == "" {
		return nil // none ran, and none runs yet: there is no ledger
	}
	return errors.Join(errs...)
}

func (c *sqlLock) recordOn(ctx context.Context, l *Locks, name string, report Report) (primary bool, err error) {
	s, err := l.open(ctx, name)
	if err != nil {
		return false, err
	}
	primary, err = write(ctx, s, l.opts.Me, report)
	_ = s.Close() // nothing hangs on it any more
	return primary, err
}

// write writes the row if this is a primary and has a ledger.
func write(ctx context.Context, s Session, me Holder, report Report) (primary bool, err error) {
	rows, err := s.Query(ctx, "SELECT NOT pg_is_in_recovery(), to_regclass('repltool.applies') IS NOT NULL")
	if err != nil || len(rows) != 1 || rows[0][0] != "t" {
		return false, err
	}
	if rows[0][1] == "t" {
		_, err = s.Query(ctx, ledgerSQL(me, report))
	}
	return true, err
}

// who is a holder as the ledger keeps it: "ann@desk", "ci@runner7 (https://…/runs/5, commit 0a1b2c)".
func who(me Holder) string {
	if me.Run == "" {
		return me.Who
	}
	return me.Who + " (" + me.Run + ")"
}

// Who reads that again.
func Who(text string) Holder {
	name, run, _ := strings.Cut(text, " (")
	return Holder{Who: name, Run: strings.TrimSuffix(run, ")")}
}

func ledgerSQL(me Holder, report Report) string {
	values := []string{who(me), stamp(report.Started), stamp(report.Ended), report.Fingerprint, report.String()}
	for i, v := range values {
		values[i] = literal(strings.ReplaceAll(v, "\x00", ""))
	}
	return "INSERT INTO repltool.applies (who, started, ended, plan, result) VALUES (" + strings.Join(values, ", ") + ")"
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000000+00") }
