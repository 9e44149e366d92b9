package postgres

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/repltool/repltool/facts"
)

// The ledger: what repltool wrote down of what it made. Asked about only where it
// is there: a query cannot name a table that is not.
func ledgerSQL() string {
	return `SELECT coalesce(json_agg(json_build_object('address', address, 'object', object, 'since', ` + utc("since") + `)
    ORDER BY address), '[]')::text
  FROM repltool.managed`
}

func readLedger(ctx context.Context, db *DB) (*facts.Ledger, error) {
	text, err := db.document(ctx, ledgerSQL())
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	ledger := &facts.Ledger{}
	if err := json.Unmarshal([]byte(text), &ledger.Managed); err != nil {
		return nil, &Error{Kind: facts.BadData, Op: "ledger", Err: err}
	}
	for i, m := range ledger.Managed {
		ledger.Managed[i] = m.Parse()
	}
	return ledger, nil
}
