package providers

import (
	"context"
	"sync"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/postgres"
)

// Glance reads where the servers of these nodes are, all at the same time, each within the
// limit. It is for who looks again and again, after Inspect.
func (f *Fleet) Glance(ctx context.Context, names []string, limit time.Duration) map[string]facts.Glance {
	all := map[string]facts.Glance{}
	var mu sync.Mutex
	var every sync.WaitGroup
	for _, name := range names {
		every.Go(func() {
			g := f.nodes[name].glance(ctx, limit)
			mu.Lock()
			defer mu.Unlock()
			all[name] = g
		})
	}
	every.Wait()
	return all
}

func (n *Node) glance(ctx context.Context, limit time.Duration) (g facts.Glance) {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	g.Asked = time.Now()
	var err error
	failed := guarded(func() {
		err = n.lend(ctx, maintenance, n.connectOnce, func(db *postgres.DB) (err error) {
			g.Server, err = postgres.Glance(ctx, db)
			return err
		})
	})
	if failed != nil {
		err = asError(failed)
	}
	if g.Answered = time.Now(); err != nil {
		g.Server, g.Error = nil, readError(err)
	}
	return g
}
