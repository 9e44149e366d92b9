package providers

import (
	"context"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// What a subscription is yet to copy is known once both of its sides were read: the
// subscriber is then asked about those tables by name, and whether they have rows.
// Where nothing is to be copied, nothing is asked.

// subscriberDatabase is a database that subscriptions copy into.
type subscriberDatabase struct {
	node     *topology.Node
	database string
}

// copies are what the subscriptions of a database are to copy.
type copies struct {
	tables   []topology.TableName
	overlaps []postgres.WantedOverlap
}

func (c *copies) add(sub *topology.Subscription, tables []topology.TableName, all facts.Facts) {
	c.tables = append(c.tables, tables...)
	_, remote := sides(sub, all)
	for _, t := range tables {
		refused := slices.ContainsFunc(remote.Filters, func(f facts.Filter) bool { return f.Table == t && f.Error != "" })
		if where := remote.RowFilter(sub, t); where != "" && !refused { // what is run was checked by the publisher
			c.overlaps = append(c.overlaps, postgres.WantedOverlap{ID: sub.ID, Table: t, Where: where})
		}
	}
}

// lookAtSubscribers reads such databases again, with the tables that are to come.
func (f *Fleet) lookAtSubscribers(ctx context.Context, o InspectOptions, all facts.Facts) {
	wants := map[subscriberDatabase]*copies{}
	for _, sub := range f.topology.Subscriptions {
		tables := toCome(sub, all, slices.Contains(o.Replace, sub.ID))
		if len(tables) == 0 {
			continue
		}
		at := subscriberDatabase{leading(all, sub.Cluster), sub.Database}
		if wants[at] == nil {
			wants[at] = &copies{}
		}
		wants[at].add(sub, tables, all)
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(o.Parallelism)
	for at, w := range wants {
		group.Go(func() error {
			found := f.nodes[at.node.Name].readAgainWith(ctx, o, at.database, *w)
			mu.Lock()
			defer mu.Unlock()
			all.Nodes[at.node.Name].Server.Logical[at.database] = found
			return nil
		})
	}
	_ = group.Wait() // no reading returns an error: it is in the facts
}

// readAgainWith reads a database with the tables that are to be copied into it.
func (n *Node) readAgainWith(ctx context.Context, o InspectOptions, database string, c copies) *facts.Logical {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	w := postgres.LogicalWant{}
	if first := n.logical[database]; first != nil {
		w = *first
	}
	w.Tables, w.Rows, w.Overlaps = slices.Concat(w.Tables, c.tables), c.tables, c.overlaps
	found := n.readGuarded(ctx, n.places()[0], database, w)
	if found == nil { // it was there a moment ago
		found = &facts.Logical{Error: &facts.ReadError{Kind: facts.Unreachable, Text: "database " + database + " went away, or its server became a standby"}}
	}
	return found
}

// toCome returns the tables that a subscription is to copy: those that it has not, or
// all where it is replaced.
func toCome(sub *topology.Subscription, all facts.Facts, replaced bool) []topology.TableName {
	local, remote := sides(sub, all)
	if local == nil || remote == nil {
		return nil
	}
	has := map[topology.TableName]bool{}
	if is := local.Subscription(sub.Name); is != nil && !replaced {
		for _, t := range is.Tables {
			has[t.Table] = true
		}
	}
	var tables []topology.TableName
	for _, p := range sub.Publications {
		for _, t := range remote.Published(p) {
			if !has[t] {
				tables = append(tables, t)
			}
		}
	}
	return tables
}

// sides returns what was read of the subscriber's and the publisher's database; nil for
// what was not.
func sides(sub *topology.Subscription, all facts.Facts) (local, remote *facts.Logical) {
	if sub.Publisher() == nil {
		return nil, nil
	}
	return logicalOf(all, sub.Cluster, sub.Database), logicalOf(all, sub.Publisher(), sub.SourceDatabase())
}

func logicalOf(all facts.Facts, c *topology.Cluster, database string) *facts.Logical {
	n := all.Nodes[leading(all, c).Name]
	if n == nil || n.Server == nil || n.Server.Logical[database] == nil || n.Server.Logical[database].Error != nil {
		return nil
	}
	return n.Server.Logical[database]
}

// leading returns the member of a cluster that leads; the one that should where none does, or both.
func leading(all facts.Facts, c *topology.Cluster) *topology.Node {
	leads := func(n *topology.Node) bool {
		f := all.Nodes[n.Name]
		return f != nil && f.Server != nil && !f.Server.InRecovery
	}
	if i := slices.IndexFunc(c.Members(), leads); i >= 0 && !leads(c.Primary) {
		return c.Members()[i]
	}
	return c.Primary
}

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
		at := leading(all, sub.Publisher()).Name
		publisher := all.Nodes[at].Server
		is := local.Subscription(sub.Name)
		if is == nil || !is.AheadOf(publisher) {
			continue
		}
		end, err := f.nodes[at].endOfWAL(ctx, o)
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
