package build

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/plan/build/streaming"
	"github.com/repltool/repltool/topology"
)

// TestQueries runs every query that a plan may hold.
func TestQueries(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	for _, q := range []string{draft.Streaming("it's", 0), draft.Streaming("pg2", draft.SyncLag), draft.IsPrimary, draft.IsStandby, draft.ConfErrors, draft.HBAErrors} {
		s.Query(t, q)
	}
	for _, q := range strings.SplitAfter(streaming.LedgerDDL, ";") {
		if strings.TrimSpace(q) != "" {
			s.Query(t, q)
		}
	}
	r := cluster.Row{Address: topology.ParseAddress("cluster.main.role.it's"), Object: cluster.Object{Kind: "role", Name: "it's"}}
	for _, statement := range []string{cluster.Intend(r), cluster.Intend(r), cluster.Record(r), cluster.Record(r), cluster.Intend(r)} {
		s.Query(t, statement)
	}
	text := s.Query(t, "SELECT object FROM repltool.managed")[0][0]
	m := facts.Managed{Object: text}.Parse()
	if _, ok := facts.LSN(m.Intent); !ok || m.Object != "role it's" {
		t.Errorf("%q is read as %+v", text, m)
	}
	s.Query(t, cluster.Forget(topology.ParseAddress("cluster.main.role.it's")))
	if rows := s.Query(t, "SELECT count(*) FROM repltool.managed"); rows[0][0] != "0" {
		t.Errorf("%s rows are left in the ledger", rows[0][0])
	}
}
