package move

import (
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
)

// Time limits. Writes stop from the stop on: what takes longer there is taken back.
const (
	stopLimit    = 60 * time.Second // a fast shutdown, of which the checkpoint is the longest part
	replayLimit  = 60 * time.Second
	promoteLimit = 60 * time.Second
	endLimit     = 10 * time.Minute // the archiver of the old primary may be slow
	proofLimit   = 60 * time.Second
)

// move is a switchover in the making.
type move struct {
	*cluster.Switchover
	s     *cluster.Cluster // as it was found
	after *cluster.Cluster // as the move leaves it
	d     *draft.Draft
}

// dropSlots drops those that are there.
func dropSlots(names ...string) string {
	return "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name IN (" + pg.Literals(names) + ");"
}

// inForce is the query for a parameter that has a value.
func inForce(name, value string) string {
	return "SELECT current_setting(" + pg.Literal(name) + ") = " + pg.Literal(value)
}
