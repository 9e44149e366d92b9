package cluster

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// In a failover a standby takes the place of a primary that went down by itself. Its host
// answers, and its disk may have commits that no standby has. So it is made a standby while it
// is down, with standby.signal, which keeps it from ever leading again by itself; then it is
// started, recovers its own WAL, and sends the rest of it to the new primary before that one is
// promoted. The file is also what tells the next plan that a failover was begun: while nobody
// leads there is no ledger to write to (PostgreSQL docs, 27.3 "Failover").

// FailoverAsked reports whether the verb asks for a failover of this cluster.
func (s *Cluster) FailoverAsked() bool { return s.fails[s.ClusterAddress] }

// failedMove is the failover to the node that the topology names: one that was asked for, or one
// that an apply has begun; nil for none.
func (s *Cluster) failedMove() *Switchover {
	to := s.Found(s.Goal.Primary)
	if to.Server == nil || !to.Server.InRecovery {
		return nil
	}
	for _, n := range s.Cluster.Members() {
		m := &Switchover{From: n, To: s.Goal.Primary, Stopped: true, Failed: true}
		f := s.Found(n)
		switch {
		case n == m.To, f.Host == nil, !SameSystem(f, to):
		case max(to.Server.Timeline, to.Host.Control.Timeline) > f.Host.Control.Timeline: // it is being promoted
		case s.startedAgain(m):
			m.Started = true
			return m
		case s.Failed(n) && (s.FailoverAsked() || f.Host.StandbySignal):
			return m
		}
	}
	return nil
}

// Failed reports whether a node is down, and its server was a primary when it went down.
func (s *Cluster) Failed(n *topology.Node) bool {
	f := s.Found(n)
	return f.Complete() && f.Server == nil && f.Host.Data.State == facts.DataCluster && (EndedAsPrimary(f) || s.shutDown(n))
}

// EndedAsPrimary reports whether a server that is down was a primary, and did not shut down.
func EndedAsPrimary(f *facts.Node) bool {
	return f.Host.Control != nil && slices.Contains([]string{"in production", "shutting down", "in crash recovery"}, f.Host.Control.State)
}

// failoverSlots are the physical slots that the new primary is to have before it is promoted: of
// those that follow it by then, which shows whose each is, and of slot blocks.
func (s *Cluster) failoverSlots(m *Switchover) []WantedSlot {
	return slices.DeleteFunc(slices.Clone(s.WantedSlots()), func(w WantedSlot) bool {
		follows := w.Fed == nil || w.Fed == m.From || slices.ContainsFunc(s.Rotates(m), func(sb *topology.Standby) bool { return sb.Node == w.Fed })
		return w.On != m.To || w.Type != topology.SlotPhysical || !follows
	})
}

// SlotsToFailOver are those of them that are not there yet.
func (s *Cluster) SlotsToFailOver(m *Switchover) []WantedSlot {
	return slices.DeleteFunc(s.failoverSlots(m), func(w WantedSlot) bool { return s.FoundSlot(m.To, w.Name) != nil })
}

// SlotsUnrecorded are the rows of them that the ledger does not have: while nobody leads, it cannot
// be written.
func (s *Cluster) SlotsUnrecorded(m *Switchover) []Row {
	var all []Row
	for _, w := range s.failoverSlots(m) {
		row := s.SlotRow(w.On, w.Name)
		recorded := func(r LedgerRow) bool { return r.Row == row && r.Intent == "" }
		if !slices.ContainsFunc(s.rowsOf(s.Found(m.To).Server), recorded) {
			all = append(all, row)
		}
	}
	return all
}

// SlotsLeft are the slots on a primary that failed, by which its standbys followed it and which
// nobody uses once they follow the new one; as the ledger has them, since its server is down.
func (s *Cluster) SlotsLeft(m *Switchover) []Row {
	users := map[string]bool{m.To.SlotName(): true}
	for _, sb := range s.Rotates(m) {
		users[sb.Slot] = true
	}
	var all []Row
	for _, r := range s.rowsOf(s.Found(m.To).Server) {
		if r.Kind == "slot" && r.In == m.From.Name && r.Intent == "" && users[r.Name] && !SlotWanted(s.WantedSlots(), m.From, r.Name) {
			all = append(all, r.Row)
		}
	}
	return all
}

// mostApart is how much WAL a standby may lack of what the furthest one has, to be brought under
// the new primary before that is promoted.
const mostApart = 256 << 20

// keepsUp reports whether a standby gets what the failed primary has as soon as the new primary
// does.
func (s *Cluster) keepsUp(m *Switchover, n *topology.Node) bool {
	f := s.Found(n)
	if f.Server == nil || !f.Server.InRecovery || s.Paused(n) || f.Server.Timeline != s.Found(m.To).Server.Timeline {
		return false
	}
	up := s.UpstreamOf(f)
	_, most := s.MostWAL(m.To)
	return (up == m.From || up == m.To) && *cmp.Or(facts.Behind(reached(f).LSN, most.LSN), new(int64)) < mostApart
}

// Candidate is a member that may take the place of a primary that failed.
type Candidate struct {
	Node *topology.Node
	Has  facts.Branch // how far it has WAL; zero: not known
	Why  string       // it may not; "" where it may
}

// Candidates are the members but the failed primary, those first that may take its place, by how
// far they have WAL; of equals the one that the topology names first.
func (s *Cluster) Candidates(failed *topology.Node) []Candidate {
	var all []Candidate
	for _, n := range s.Cluster.Members() {
		if n != failed {
			all = append(all, s.candidate(n, failed))
		}
	}
	slices.SortStableFunc(all, func(a, b Candidate) int {
		switch {
		case (a.Why == "") != (b.Why == ""):
			return cmp.Compare(a.Why, b.Why)
		case *cmp.Or(facts.Behind(a.Has.LSN, b.Has.LSN), new(int64)) > 0:
			return 1
		case *cmp.Or(facts.Behind(b.Has.LSN, a.Has.LSN), new(int64)) > 0:
			return -1
		}
		return 0
	})
	return all
}

func (s *Cluster) candidate(n, failed *topology.Node) Candidate {
	f := s.Found(n)
	c := Candidate{Node: n}
	if !f.Complete() {
		c.Why = "could not be read"
		return c
	}
	c.Has = reached(f)
	switch control := s.Found(failed).Host; {
	case f.Server == nil:
		c.Why = "does not run"
	case !f.Server.InRecovery:
		c.Why = "is a primary"
	case control != nil && control.Control != nil && f.Server.SystemIdentifier != control.Control.SystemIdentifier:
		c.Why = "has the data of another cluster"
	case control != nil && control.Control != nil && f.Server.Timeline != control.Control.Timeline:
		c.Why = fmt.Sprintf("is on timeline %d, and %s on %d", f.Server.Timeline, failed.Name, control.Control.Timeline)
	case s.UpstreamOf(f) != failed:
		c.Why = "does not follow " + failed.Name + " directly"
	case s.Delay(n) > 0:
		c.Why = "delays its replay (recovery_min_apply_delay)"
	case s.Paused(n):
		c.Why = "has its replay paused"
	}
	return c
}

// Vantage is what one node shows of a primary that failed.
type Vantage struct{ Node, Seen string }

// Evidence is what shows that the primary is down, from where repltool runs and from each member.
func (s *Cluster) Evidence(m *Switchover) []Vantage {
	f := s.Found(m.From)
	seen := "its host answers; no server runs (pg_control: " + f.Host.Control.State + ")"
	if m.Started {
		seen = "it was made a standby, and runs as one"
	}
	all := []Vantage{{m.From.Name, seen}}
	for _, n := range s.Cluster.Members() {
		if n != m.From {
			all = append(all, Vantage{n.Name, s.seenFrom(n, m.From)})
		}
	}
	return all
}

// seenFrom is what a standby shows of the primary.
func (s *Cluster) seenFrom(n, primary *topology.Node) string {
	f := s.Found(n)
	switch {
	case !f.Complete():
		return "could not be read"
	case f.Server == nil:
		return "does not run"
	}
	has := fmt.Sprintf("has WAL up to %s on timeline %d", reached(f).LSN, f.Server.Timeline)
	if r := f.Server.Receiver; r != nil && r.Status == "streaming" {
		return has + ", and its WAL receiver is connected"
	}
	return has + ", and its WAL receiver is not connected"
}
