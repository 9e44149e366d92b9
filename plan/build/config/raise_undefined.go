package config

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/words"
)

const raisedPast = "Parameter raised past a standby outside the topology"

// raisedPastUndefined says which standbys that the topology does not define replay a raised
// value; "" for none.
func raisedPastUndefined(s *cluster.Cluster) string {
	names := s.UndefinedStandbys()
	if len(names) == 0 {
		return ""
	}
	return words.Few(names) + words.Plural(len(names), " streams and is", " stream and are") + " not in the topology. A standby with a lower value stops its replay, or shuts " +
		"down, when it replays this change. Before you apply, raise the value there, and restart it."
}
