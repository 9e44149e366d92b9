package check

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
)

// UnreadDatabases reports the databases that could not be read: nothing of them is compared.
func UnreadDatabases(s *cluster.Cluster, out *draft.Findings) {
	if s.Live() == nil {
		return
	}
	for _, name := range list.SortedKeys(s.Live().Logical) {
		if found := s.Live().Logical[name]; found != nil && found.Error != nil {
			out.ReportDrift("database_not_read", s.Address("database", name), s.Leading().Name,
				"database %s could not be read, and its publications and subscriptions are not compared: %s", pg.Ident(name), whyNotRead(s, name, found.Error))
		}
	}
}

// whyNotRead is what keeps a database from being read, and what to run.
func whyNotRead(s *cluster.Cluster, name string, e *facts.ReadError) string {
	switch db := s.Live().Database(name); {
	case db != nil && db.Invalid:
		return "DROP DATABASE was interrupted, and left it invalid. Drop it: on " + s.Leading().Name + " in database " + pg.Maintenance + ", run DROP DATABASE " + pg.Ident(name) + ";"
	case db != nil && db.NoConnections:
		return "it does not accept connections, which stops replication from it and into it as well. To allow them, run on " + s.Leading().Name +
			" in database " + pg.Maintenance + ": ALTER DATABASE " + pg.Ident(name) + " ALLOW_CONNECTIONS true;"
	case e.Hint != "":
		return e.Text + ". " + e.Hint
	}
	return e.Text
}
