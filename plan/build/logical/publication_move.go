package logical

import (
	"slices"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A table that moves from one publication to another is in both for a while: a row
// written while it is in neither, or only in one that a subscription does not list
// yet, is never sent. So the old publication lets go of it last, when the new one has
// it and every subscription lists that. Whoever subscribes to both sees the rows once.

// moved takes away what moved to other publications.
func moved(s *cluster.Cluster, p *topology.Publication, out *draft.Findings) {
	m := s.Move(p)
	if len(m.To) == 0 {
		return
	}
	d := draft.NewDraft(plan.Update, cluster.MovedAddress(p), s.Goal.Primary)
	d.Reason = "another publication publishes it now"
	d.Needs = append(s.DatabaseAddresses(p.Database), p.Address())
	d.After = []topology.Address{s.ParametersAddress(s.Goal.Primary)}
	for _, q := range m.To {
		checkBoth(s, p, q, m, out)
		d.Needs = append(d.Needs, q.Address())
	}
	for _, sub := range s.Subscribers() {
		if !m.Keeps(sub) {
			continue
		}
		d.Needs = append(d.Needs, sub.Address())
		if until := notYet(s, sub, m); until != "" {
			out.ReportDrift("moved_table_still_published", d.Address, s.Goal.Primary.Name, "what moved to %s also stays here until %s", m.To[0].ID, until)
			return
		}
	}
	name, rest, part := "ALTER PUBLICATION "+pg.Ident(p.Name), &topology.Publication{}, &facts.Publication{Publication: m.Publication}
	tables, _ := alterTables(d, rest, part, nil, name)
	schemas, _ := alterSchemas(d, rest, part, name)
	d.SQLIn(s.Goal.Primary, p.Database, "drop what moved", append(tables, schemas...)...)
	out.Put(d)
}

// notYet says what keeps a subscription from listing what takes over, or "".
func notYet(s *cluster.Cluster, sub *topology.Subscription, m cluster.Move) string {
	v, unknown := s.SubscriptionOf(sub)
	is := v.Is
	unlisted := func(q *topology.Publication) bool {
		return slices.Contains(sub.Publications, q) && !slices.Contains(is.Publications, q.Name)
	}
	switch {
	case unknown:
		return s.Of(sub.Cluster).Leading().Name + " can be read"
	case is != nil && !sub.Options.Enabled && slices.ContainsFunc(m.To, unlisted):
		return sub.ID + " is enabled and lists it"
	}
	return ""
}

// checkBoth refuses to move a table with other columns past a subscription to both:
// PostgreSQL stops at one that it is sent with two lists of columns.
func checkBoth(s *cluster.Cluster, p, q *topology.Publication, m cluster.Move, out *draft.Findings) {
	both := slices.ContainsFunc(s.Subscribers(), func(sub *topology.Subscription) bool {
		return slices.Contains(sub.Publications, p) && slices.Contains(sub.Publications, q)
	})
	if !both {
		return
	}
	for _, t := range q.Tables {
		if old := m.Table(t.Table); old != nil && !list.SameSet(old.Columns, t.Columns) {
			out.Fail(t.Range, "Moved table with a different column list",
				"%s: %s moves here from %s and is briefly in both, and PostgreSQL does not replicate a table with two column "+
					"lists. Move it with the columns that it has (%s), apply, then change them.",
				q.ID, t.Table, p.ID, memberText(topology.PublishedTable{Columns: old.Columns}))
		}
	}
}
