package postgres

import (
	"context"
	"fmt"

	"github.com/repltool/repltool/facts"
)

// Glance reads only what changes from one moment to the next: who a server is, where it is, and
// who streams.
func Glance(ctx context.Context, db *DB) (*facts.Server, error) {
	parts := []section{control(), senders(), receiver()}
	text, err := db.document(ctx, document(parts, limitOf(ctx)))
	if err == nil {
		err = heldUp(text)
	}
	if err != nil {
		return nil, fmt.Errorf("read: %w", err)
	}
	server, _, err := decode(parts, text)
	if err != nil {
		return nil, &Error{Kind: facts.BadData, Op: "read", Err: err}
	}
	return server, nil
}
