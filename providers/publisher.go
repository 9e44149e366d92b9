package providers

import (
	"context"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/postgres"
)

// A subscriber that was read after its publisher may have applied what the publisher wrote in
// between. Where it seems to be ahead, the publisher is asked again: what it says then is
// later.

// lookAtPublishers asks those publishers for the end of their WAL.
func (f *Fleet) lookAtPublishers(ctx context.Context, o InspectOptions, all facts.Facts) {
	for _, sub := range f.topology.Subscriptions {
		local, remote := sides(sub, all)
		if local == nil || remote == nil {
			continue
		}
		publisher := all.Nodes[sub.Publisher().Primary.Name].Server
		is := local.Subscription(sub.Name)
		if is == nil || !is.AheadOf(publisher) {
			continue
		}
		end, err := f.nodes[sub.Publisher().Primary.Name].endOfWAL(ctx, o)
		if err != nil {
			is.Applied = "" // nothing is concluded of a server that went away
			continue
		}
		publisher.LSN = end
	}
}

func (n *Node) endOfWAL(ctx context.Context, o InspectOptions) (end string, err error) {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	err = n.ask(ctx, maintenance, func(db *postgres.DB) error {
		rows, err := db.Query(ctx, "SELECT pg_current_wal_lsn()")
		if err == nil {
			end = rows[0][0]
		}
		return err
	})
	return end, err
}
