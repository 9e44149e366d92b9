package streaming

import (
	_ "embed"
	"fmt"
	"strconv"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A member that was left behind by a promotion becomes a standby again: it follows as it is
// where it has nothing that the new primary lacks, and else is cloned again, after its own WAL
// was kept. Which of the two is decided in cluster/rejoin.go.

//go:embed keep_lost.sh
var keepLostText string

// KeepLostScript keeps the WAL that only a diverged member has.
func KeepLostScript() string { return draft.WithServerIn(keepLostText) }

// SameWALScript verifies that the new primary has the last record of an old one.
//
//go:embed same_wal.sh
var SameWALScript string

// becomeStandby keeps an old primary that is down from leading again.
func becomeStandby(s *cluster.Cluster, d *draft.Draft, n *topology.Node) {
	h := s.Found(n).Host
	d.Reason = fmt.Sprintf("%s was the primary, and follows %s without a rewind: its last record, at %s, is before %s, where %s left timeline %d; %s",
		n.Name, s.Now.Leader.Name, h.WALEnd.Last, s.Fork(n), s.Now.Leader.Name, h.WALEnd.Timeline, d.Reason)
	d.Differ("standby.signal", plan.Ptr("absent"), plan.Ptr("present"), "it cannot start as a primary from then on")
	p, sum := s.Now.Leader, h.WALEnd.Sum
	d.Step(p, "verify that "+p.Name+" has the last record of "+n.Name, plan.Command{
		Argv:    []string{"sh", "-c", SameWALScript, "sh", s.Found(p).Host.DataDir, sum.Segment, strconv.Itoa(sum.Bytes), sum.SHA256},
		Timeout: draft.SettleTimeout,
		Remedy: fmt.Sprintf("It is not shown that %s has what %s has committed, so %s was not started. If %s has the data to keep, name it as the primary. "+
			"Else save what only %s has, and clone it again with -replace=%s.", p.Name, n.Name, n.Name, n.Name, n.Name, s.StandbyAddress(n)),
	})
	d.Command(n, "make its data directory that of a standby", "sh", "-c", draft.FenceScript(), "sh", h.DataDir)
}

// keepLost says what a member has that the primary does not, and keeps it.
func keepLost(s *cluster.Cluster, d *draft.Draft, n *topology.Node, lost *cluster.Divergence) {
	h, dir := s.Found(n).Host, cluster.LostDir(s.Found(n).Host, lost)
	d.Discards = true
	if lost.Left == "" { // -replace asks for it
		d.Reason = fmt.Sprintf("%s. It is cloned again because of -replace; its WAL of that timeline is kept in %s", lost.String(n.Name, s.Now.Leader.Name), dir)
		d.Effect += "; discards what only " + n.Name + " has"
	} else {
		d.Reason = fmt.Sprintf("%s has diverged: it has written past %s, where %s left timeline %d. It cannot follow, and is cloned again; the WAL that only it has, up to %s or more, is kept in %s, with a list of its transactions",
			n.Name, lost.Left, s.Now.Leader.Name, lost.Has.Timeline, lost.Has.LSN, dir) + lost.Unkept(h)
		d.Effect += fmt.Sprintf("; discards at least %s of WAL that only %s has", words.BytesText(lost.Lost()), n.Name)
	}
	d.Step(n, "keep the WAL that only "+n.Name+" has, and list its transactions", plan.Command{
		Argv:    []string{"sh", "-c", KeepLostScript(), "sh", h.BinDir, h.DataDir, strconv.Itoa(lost.Has.Timeline), lost.From(), dir},
		Timeout: draft.StreamTimeout,
	})
}
