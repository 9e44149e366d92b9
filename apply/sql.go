package apply

import (
	"context"

	"github.com/repltool/repltool/plan"
)

// sql runs statements, with the secrets put in just before they are sent.
func (r *run) sql(ctx context.Context, m Machine, op plan.SQL) error {
	ctx, cancel := limit(ctx, r.opts.StepTimeout)
	defer cancel()
	text, err := r.secrets.fill(op.SQL)
	if err != nil {
		return err
	}
	if len(op.SQL.Secrets) > 0 {
		return explain(ctx, m.ExecSecret(ctx, op.Database, text))
	}
	return explain(ctx, m.Exec(ctx, op.Database, text))
}
