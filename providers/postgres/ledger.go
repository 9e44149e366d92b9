package postgres

import (
	"context"

	"github.com/repltool/repltool/providers/facts"
)

const ledgerSQL = `SELECT address, object, since::text FROM repltool.managed ORDER BY address`

// readLedger reads what repltool wrote down.
func readLedger(ctx context.Context, db *DB) (*facts.Ledger, error) {
	rows, err := db.Rows(ctx, ledgerSQL)
	if err != nil {
		return nil, err
	}
	ledger := &facts.Ledger{}
	for _, r := range rows {
		ledger.Managed = append(ledger.Managed, facts.Managed{Address: text(r[0]), Object: text(r[1]), Since: text(r[2])})
	}
	return ledger, nil
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
