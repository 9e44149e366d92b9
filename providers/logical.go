package providers

import (
	"context"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/postgres"
	"github.com/repltool/repltool/topology"
)

// Logical replication is read in every database that the topology's publications and
// subscriptions name, at the same time as the server itself: it takes no round trip
// more in a row. What the topology no longer has is read after that, where the ledger
// says that repltool made it.

// mostDatabases are read side by side: an SSH connection has ten sessions.
const mostDatabases = 3

// logicalWants returns, for every cluster and database, what is asked of whichever member leads: a
// primary that is to move is another one than the topology's.
func logicalWants(t *topology.Topology) map[*topology.Cluster]map[string]*postgres.LogicalWant {
	all := map[*topology.Cluster]map[string]*postgres.LogicalWant{}
	of := func(c *topology.Cluster, database string) *postgres.LogicalWant {
		if all[c] == nil {
			all[c] = map[string]*postgres.LogicalWant{}
		}
		if all[c][database] == nil {
			all[c][database] = &postgres.LogicalWant{}
		}
		return all[c][database]
	}
	for _, p := range t.Publications {
		w := of(p.Cluster, p.Database)
		w.All = w.All || p.AllTables
		w.Schemas = append(w.Schemas, p.Schemas...)
		for _, table := range p.Tables {
			w.Tables = append(w.Tables, table.Table)
			if table.Where != "" {
				w.Filters = append(w.Filters, postgres.WantedFilter{ID: p.ID, Publication: p.Name, Table: table.Table, Where: table.Where})
			}
		}
	}
	for _, sub := range t.Subscriptions {
		if c := sub.Publisher(); c != nil {
			source := of(c, sub.SourceDatabase())
			source.Roles = append(source.Roles, sub.Role.Name)
		}
		wantCopies(of(sub.Cluster, sub.Database), sub)
	}
	return all
}

// wantCopies asks a subscriber about what its publications name. Which partitions of
// these the publisher has, only the publisher knows: those that are not subscribed to
// yet are looked for when both sides were read (subscriber.go).
func wantCopies(w *postgres.LogicalWant, sub *topology.Subscription) {
	w.Subscriptions = append(w.Subscriptions, sub.Name)
	for _, p := range sub.Publications {
		w.All = w.All || p.AllTables
		w.Schemas = append(w.Schemas, p.Schemas...)
		for _, table := range p.Tables {
			w.Tables = append(w.Tables, table.Table)
		}
	}
}

// readLogical reads the databases asked about, in sessions of their own.
func (n *Node) readLogical(ctx context.Context, at place) map[string]*facts.Logical {
	all := map[string]*facts.Logical{}
	if len(n.logical) == 0 {
		return all
	}
	results := make(chan struct {
		database string
		found    *facts.Logical
	}, len(n.logical))
	var group errgroup.Group
	group.SetLimit(mostDatabases)
	for database, w := range n.logical {
		group.Go(func() error {
			results <- struct {
				database string
				found    *facts.Logical
			}{database, n.readGuarded(ctx, at, database, *w)}
			return nil
		})
	}
	_ = group.Wait() // no reading returns an error: it is in the facts
	close(results)
	for r := range results {
		if r.found != nil {
			all[r.database] = r.found
		}
	}
	return all
}

// readGuarded is readDatabase for a goroutine of its own.
func (n *Node) readGuarded(ctx context.Context, at place, database string, w postgres.LogicalWant) (found *facts.Logical) {
	if failed := guarded(func() { found = n.readDatabase(ctx, at, database, w) }); failed != nil {
		return &facts.Logical{Error: failed}
	}
	return found
}

// readDatabase reads one database; nil where there is none of that name, and on a
// standby.
func (n *Node) readDatabase(ctx context.Context, at place, database string, w postgres.LogicalWant) (found *facts.Logical) {
	err := repeated(ctx, func() error {
		db, err := n.connect(ctx, at, postgres.Target{Database: database, ReadOnly: true})
		if err != nil {
			return err
		}
		defer db.Close() // the server drops what is left of it
		found, err = postgres.ReadLogical(ctx, db, w)
		return err
	})
	switch {
	case postgres.NoSuchDatabase(err):
		return nil
	case err != nil:
		return &facts.Logical{Error: readError(err)}
	}
	return found
}

// readLetGo reads the databases in which repltool made what the topology no longer has, and
// those that hold a subscription: one that nobody knows any more still needs its slot.
func (n *Node) readLetGo(ctx context.Context, at place, server *facts.Server) {
	if server.InRecovery {
		return
	}
	for _, database := range append(letGo(server.Ledger), server.Subscribing...) {
		if server.Logical[database] != nil || n.logical[database] != nil {
			continue
		}
		if found := n.readDatabase(ctx, at, database, postgres.LogicalWant{}); found != nil {
			server.Logical[database] = found
		}
	}
}

// letGo returns the databases of the ledger's publications and subscriptions.
func letGo(ledger *facts.Ledger) []string {
	if ledger == nil {
		return nil
	}
	var all []string
	for _, m := range ledger.Managed {
		kind, object, _ := strings.Cut(m.Object, " ")
		if kind != "publication" && kind != "subscription" {
			continue
		}
		if name, err := topology.ParseTableName(object); err == nil { // of the database and of the object
			all = append(all, name.Schema)
		}
	}
	return all
}
