package check

import (
	"github.com/repltool/repltool/cluster"
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
			out.TellDrift("database_not_read", s.Address("database", name), s.Leading().Name,
				"database %s could not be read, and its publications and subscriptions are not compared: %s", pg.Ident(name), found.Error.Text)
		}
	}
}
