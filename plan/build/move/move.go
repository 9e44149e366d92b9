package move

import (
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
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

// set gives a node another value of a parameter for the move, and takes that back with it.
func (m *move) set(n *topology.Node, name, value, why, back string) {
	at := len(m.d.Steps)
	m.d.SQL(n, why, draft.AlterSystem(name, value))
	m.d.Reload(n)
	m.d.Wait(n, "the value is in effect", inForce(name, value), draft.SettleTimeout)
	m.d.TakesBack(at, func(d *draft.Draft) {
		d.SQL(n, back, draft.SystemAsFound(m.s, n, name))
		d.Reload(n)
	})
}

// dropSlots drops those that are there.
func dropSlots(names ...string) string {
	return "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE slot_name IN (" + pg.Literals(names) + ");"
}

// inForce is the query for a parameter that has a value.
func inForce(name, value string) string {
	return "SELECT current_setting(" + pg.Literal(name) + ") = " + pg.Literal(value)
}
