package check

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Tables are created in one transaction, so that a table is never there without its keys,
// and are subscribed to in one. Each is locked until the end of it, and so is each index,
// sequence and TOAST table: more than the lock table of the subscriber holds is "out of
// shared memory", however often it is tried (PostgreSQL docs, 19.12 "Lock Management").

// checkLocks compares the locks that the subscription takes at one time with what the
// subscriber can hold, before anything is made on the publisher.
func checkLocks(v *cluster.Subscription, out *draft.Findings) {
	tables := v.PublishedTables()
	if come, _ := v.TableChanges(); v.Is != nil && !v.Remade() && len(come) == 0 {
		return
	}
	checkLockTable(v.Scope, v.ID, len(tables), max(len(tables), locksOf(v.Definition().SQL)), out)
}

// checkPublicationLocks does the same for a publication: each table that is listed in it
// is locked while it is added.
func checkPublicationLocks(s *cluster.Cluster, p *topology.Publication, is *facts.Publication, out *draft.Findings) {
	has := map[topology.TableName]bool{}
	for _, t := range is.Tables {
		has[t.Table] = true
	}
	n := len(list.Kept(p.Tables, func(t topology.PublishedTable) bool { return !has[t.Table] }))
	checkLockTable(s, p.ID, n, n, out)
}

// checkLockTable compares the locks of one transaction with the lock table of the primary.
func checkLockTable(s *cluster.Cluster, who string, tables, need int, out *draft.Findings) {
	n := s.Goal.Primary
	perTransaction, at := s.Limit(n, "max_locks_per_transaction")
	holders := lockHolders(s, n)
	if perTransaction < 0 || holders <= 0 || need <= perTransaction*holders {
		return
	}
	enough := need*11/10/holders + 1 // others lock something too
	out.Fail(at, "Not enough locks", "%s takes %d locks in one transaction on %s for %s, but its max_locks_per_transaction = %d allows %d. Set in "+
		"parameters of %s, which requires a restart of %s,\n  max_locks_per_transaction = %d",
		who, need, n.Name, words.Counted(tables, "table"), perTransaction, perTransaction*holders, s.Cluster.ID, n.Name, enough)
}

// lockHolders is how many processes and prepared transactions the lock table is made for.
func lockHolders(s *cluster.Cluster, n *topology.Node) int {
	sum := 1
	for _, name := range []string{"max_connections", "max_prepared_transactions", "max_worker_processes", "max_wal_senders", "autovacuum_max_workers"} {
		if limit, _ := s.Limit(n, name); limit > 0 {
			sum += limit
		}
	}
	return sum
}

// locksOf counts what pg_dump's statements create and lock: of a table itself, its TOAST
// table and that one's index; sequences and indexes, also those of constraints.
func locksOf(sql string) int {
	n := 0
	for _, what := range []struct {
		words string
		locks int
	}{
		{"CREATE TABLE ", 3},
		{"CREATE SEQUENCE ", 1},
		{"SEQUENCE NAME ", 1},
		{"CREATE INDEX ", 1},
		{"CREATE UNIQUE INDEX ", 1},
		{" PRIMARY KEY (", 1},
		{" UNIQUE (", 1},
		{" EXCLUDE USING ", 1},
	} {
		n += strings.Count(sql, what.words) * what.locks
	}
	return n
}
