package cluster

import (
	"cmp"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// The primary moves where the topology names another node than the one that leads, and
// somebody has asked for that. A server that was promoted by hand looks the same: what tells
// them apart is the ledger. There the node that leads is the one that repltool made the
// primary, or has the slot by which repltool made the other one follow it, or the intent of an
// apply that died in the middle is there; or the plan was made for the move.

// Switchover is a primary that moves.
type Switchover struct {
	From, To *topology.Node
	// Stopped reports whether From is down: an apply stopped it, and died before it had
	// promoted To.
	Stopped bool
	// Started reports whether From, which was stopped, runs again, as the standby that it was made:
	// somebody started it before To was promoted.
	Started bool
	// Back reports whether the topology does not want that move any more: From leads again.
	Back bool
	// Failed reports whether From went down by itself: a failover (failed_primary.go).
	Failed bool
}

// MoveIntent is the ledger's row of a move that has begun.
func (s *Cluster) MoveIntent(m *Switchover) Row {
	return Row{s.PrimaryAddress().With(topology.PartMoving), Object{Kind: "primary", Name: m.To.Name, In: m.From.Name}}
}

// MadePrimary is the ledger's row of the node that repltool has made the primary last.
func (s *Cluster) MadePrimary(n *topology.Node) Row {
	return Row{s.PrimaryAddress(), Object{Kind: "primary", Name: n.Name}}
}

// Switchover returns how the primary moves with this plan; nil where it does not.
func (s *Cluster) Switchover() *Switchover {
	return compute(s, "switchover", s.Cluster, s.findMove)
}

func (s *Cluster) findMove() *Switchover {
	switch s.Now.Leader {
	case nil:
		return cmp.Or(s.stoppedMove(), s.failedMove())
	case s.Goal.Primary:
		return nil
	}
	m := &Switchover{From: s.Now.Leader, To: s.Goal.Primary}
	t, f := s.Found(m.To).Server, s.Found(m.From).Server
	if t == nil || !t.InRecovery || t.SystemIdentifier != f.SystemIdentifier || !s.moveAsked(m) {
		return nil
	}
	return m
}

// moveAsked reports whether somebody wants the move.
func (s *Cluster) moveAsked(m *Switchover) bool {
	if s.moves[s.ClusterAddress] {
		return true
	}
	slots := []string{m.To.SlotName()}
	for _, name := range m.To.Earlier {
		slots = append(slots, (&topology.Node{Name: name}).SlotName())
	}
	madeSlot := func(r LedgerRow) bool {
		return slices.ContainsFunc(slots, func(name string) bool { return r.Row == s.SlotRow(m.From, name) })
	}
	return slices.ContainsFunc(s.rowsOf(s.Found(m.From).Server), func(r LedgerRow) bool {
		return r.Row == s.MoveIntent(m) && r.Intent != "" || r.Intent == "" && (madeSlot(r) || r.Row == s.MadePrimary(m.From))
	})
}

// MovedBefore reports whether a member leads because an apply made it the primary in place of the
// one that the topology names, and died before it had settled that.
func (s *Cluster) MovedBefore(n *topology.Node) bool {
	intent := s.MoveIntent(&Switchover{From: s.Goal.Primary, To: n})
	return slices.ContainsFunc(s.rowsOf(s.Found(n).Server), func(r LedgerRow) bool { return r.Row == intent && r.Intent != "" })
}

// stoppedMove is the move of an apply that died while nobody leads: its intent was replicated.
// The server that it stopped has to be down still, and shut down as a primary, or to run as the
// standby that it was made; the others have to be known to be standbys.
func (s *Cluster) stoppedMove() *Switchover {
	for _, n := range s.Cluster.Members() {
		for _, r := range s.rowsOf(s.Found(n).Server) {
			if r.Kind != "primary" || !s.PrimaryAddress().Contains(r.Address) || r.Intent == "" {
				continue
			}
			m := &Switchover{From: s.member(r.In), To: s.member(r.Name), Stopped: true}
			if m.From == nil || m.To == nil || m.From == m.To {
				continue
			}
			m.Started = s.startedAgain(m)
			if !m.Started && !s.shutDown(m.From) || !s.othersFollow(m.From) {
				continue
			}
			m.Back = s.Goal.Primary == m.From
			m.Failed = m.Started && !m.Back && s.someBehind(m) // it had crashed, and a failover started it
			if m.Back || s.Goal.Primary == m.To {
				return m
			}
		}
	}
	return nil
}

// member returns the member of that name, or nil.
func (s *Cluster) member(name string) *topology.Node {
	all := s.Cluster.Members()
	if i := slices.IndexFunc(all, func(n *topology.Node) bool { return n.Name == name }); i >= 0 {
		return all[i]
	}
	return nil
}

// ShutDown is what pg_control says of a server that was stopped in order as a primary.
const ShutDown = "shut down"

func (s *Cluster) shutDown(n *topology.Node) bool {
	f := s.Found(n)
	return f.Complete() && f.Server == nil && f.Host.Data.State == facts.DataCluster && f.Host.Control != nil && f.Host.Control.State == ShutDown
}

// startedAgain reports whether the old primary runs as a standby of the new one, and that one
// follows it: where it follows another server, that may lead, and the intent is an old one.
func (s *Cluster) startedAgain(m *Switchover) bool {
	f := s.Found(m.From)
	return f.Complete() && f.Server != nil && f.Server.InRecovery && f.Host.StandbySignal && f.Host.Control != nil && s.UpstreamOf(f) == m.To && s.UpstreamOf(s.Found(m.To)) == m.From
}

// someBehind reports whether a standby that a switchover brings under the new primary before the
// stop still follows the old one.
func (s *Cluster) someBehind(m *Switchover) bool {
	return slices.ContainsFunc(s.Rotates(m), func(sb *topology.Standby) bool { return s.UpstreamOf(s.Found(sb.Node)) == m.From })
}

// othersFollow reports whether every other member runs and is a standby of the same timeline.
func (s *Cluster) othersFollow(from *topology.Node) bool {
	control := s.Found(from).Host.Control
	return !slices.ContainsFunc(s.Cluster.Members(), func(n *topology.Node) bool {
		f := s.Found(n)
		return n != from && (!f.Complete() || f.Server == nil || !f.Server.InRecovery || f.Server.SystemIdentifier != control.SystemIdentifier || f.Server.Timeline > control.Timeline)
	})
}

// rowsOf returns the rows of the ledger as a server has it, under the names of today.
func (s *Cluster) rowsOf(server *facts.Server) []LedgerRow {
	if server == nil || server.Ledger == nil {
		return nil
	}
	var rows []LedgerRow
	for _, m := range server.Ledger.Managed {
		r := s.Today(ParseRow(m))
		r.Intent, r.OID, r.Since = m.Intent, m.OID, m.Since
		rows = append(rows, r)
	}
	return rows
}

// Renames returns what would get another name while the primary moves: the nodes and the
// cluster whose moved block was not carried out yet.
func (s *Cluster) Renames(m *Switchover) []string {
	var all []string
	for _, n := range s.Cluster.Members() {
		if slices.ContainsFunc(n.Earlier, func(name string) bool { return s.nodeKnownAs(m, n, name) }) {
			all = append(all, n.ID)
		}
	}
	if s.clusterRenamed(m) {
		all = append(all, s.Cluster.ID)
	}
	return all
}

// nodeKnownAs reports whether a member has an earlier name still: upstream, or in the ledger.
func (s *Cluster) nodeKnownAs(m *Switchover, n *topology.Node, name string) bool {
	sb := s.Cluster.Standby(n)
	streams := s.Running(n) && s.Found(n).Server.InRecovery && s.ApplicationName(n) == name && (sb == nil || s.WillBeSeenAs(sb) != name)
	return streams || slices.ContainsFunc(s.managedOf(m), func(row facts.Managed) bool {
		o := ParseRow(row).Object
		return o.Kind == "slot" && o.In == name || o.Kind == "primary" && (o.Name == name || o.In == name)
	})
}

// clusterRenamed reports whether the cluster has an earlier name still, in a file or the ledger.
func (s *Cluster) clusterRenamed(m *Switchover) bool {
	inFile := func(n *topology.Node) bool {
		h := s.Found(n).Host
		return h != nil && (s.ConfBlock(h).Renamed() || s.HBABlock(h).Renamed())
	}
	inLedger := func(row facts.Managed) bool { return slices.Contains(s.Cluster.Earlier, ParseRow(row).Address.Cluster) }
	return slices.ContainsFunc(s.Cluster.Members(), inFile) || slices.ContainsFunc(s.managedOf(m), inLedger)
}

// managedOf returns the ledger as it stands; of a primary that is down, as it was replicated.
func (s *Cluster) managedOf(m *Switchover) []facts.Managed {
	for _, n := range []*topology.Node{m.From, m.To} {
		if f := s.Found(n); f.Server != nil && f.Server.Ledger != nil {
			return f.Server.Ledger.Managed
		}
	}
	return nil
}

// Beside are the standbys that are to follow the new primary and are not the old one.
func (s *Cluster) Beside(m *Switchover) []*topology.Standby {
	var all []*topology.Standby
	for _, sb := range s.Cluster.Standbys {
		if sb.Node != m.From && sb.Upstream == m.To {
			all = append(all, sb)
		}
	}
	return all
}

// Rotates are those of them that are brought under the new primary before the old one stops.
// One that delays its replay keeps its connection until it has used up what it has: it moves
// afterwards. So does, in a failover, one that does not keep up: nobody waits for it.
func (s *Cluster) Rotates(m *Switchover) []*topology.Standby {
	return slices.DeleteFunc(s.Beside(m), func(sb *topology.Standby) bool {
		return sb.ApplyDelay > 0 || s.Delay(sb.Node) > 0 || m.Failed && !s.keepsUp(m, sb.Node)
	})
}

// SlotsToMake are the physical slots that the new primary is to have and has not.
func (s *Cluster) SlotsToMake(m *Switchover) []WantedSlot {
	var all []WantedSlot
	for _, w := range s.WantedSlots() {
		if w.On == m.To && w.Type == topology.SlotPhysical && s.FoundSlot(m.To, w.Name) == nil {
			all = append(all, w)
		}
	}
	return all
}

// SlotsToConfirm are those that an apply made there and died before it had confirmed them.
func (s *Cluster) SlotsToConfirm(m *Switchover) []Row {
	var all []Row
	for _, w := range s.WantedSlots() {
		if found := s.FoundSlot(m.To, w.Name); w.On == m.To && found != nil && s.CreatedByIntent(w, found) {
			all = append(all, s.SlotRow(w.On, w.Name))
		}
	}
	return all
}

// SlotsToDrop are the slots on the old primary that nobody uses after the move: those of the
// standbys that have left it, and those that repltool made and that are not wanted there.
func (s *Cluster) SlotsToDrop(m *Switchover) []string {
	users := map[string]bool{}
	for _, sb := range s.Rotates(m) {
		users[s.slotBefore(sb.Node)] = true
	}
	users[s.slotBefore(m.To)] = true
	for _, r := range s.rowsOf(s.Found(m.From).Server) {
		if r.Kind == "slot" && r.In == m.From.Name && r.Intent == "" {
			users[r.Name] = true
		}
	}
	for _, sb := range s.Cluster.Standbys {
		if sb.Node != m.From && !slices.Contains(s.Rotates(m), sb) {
			delete(users, s.slotBefore(sb.Node)) // it still reads from it
		}
	}
	for _, w := range s.LeftBehind(m) {
		delete(users, w.SlotName) // it has left the topology, and comes back by it
	}
	var all []string
	for _, slot := range s.Found(m.From).Server.Slots {
		if users[slot.Name] && slot.Type == topology.SlotPhysical && !SlotWanted(s.WantedSlots(), m.From, slot.Name) {
			all = append(all, slot.Name)
		}
	}
	return all
}

// LeftBehind are the WAL senders of the old primary for standbys that are not in the topology,
// or left it: whose slot repltool may have created.
func (s *Cluster) LeftBehind(m *Switchover) []facts.Sender {
	return slices.DeleteFunc(slices.Clone(s.UndefinedSenders(m.From)), func(w facts.Sender) bool {
		return slices.ContainsFunc(s.Cluster.Members(), func(n *topology.Node) bool {
			return w.ApplicationName == s.ApplicationName(n) || w.SlotName != "" && w.SlotName == s.slotBefore(n)
		})
	})
}

// slotBefore is the slot that a standby reads from now.
func (s *Cluster) slotBefore(n *topology.Node) string {
	if server := s.Found(n).Server; server != nil {
		return server.InForce("primary_slot_name")
	}
	return ""
}

// SetOnFrom returns the synchronous set of the old primary while its standbys have gone under
// the new one: a standby of a standby never counts. The same as before where that changes
// nothing.
func (s *Cluster) SetOnFrom(m *Switchover) (before, while string) {
	server := s.Found(m.From).Server
	before = server.InForce(SyncNames)
	set, ok := pg.ParseSync(before)
	if !ok || len(set.Names) == 0 {
		return before, before
	}
	gone := map[string]bool{}
	for _, sb := range s.Rotates(m) {
		gone[s.ApplicationName(sb.Node)] = true
	}
	if set.Every() {
		left := len(Streaming(set, server))
		for name := range gone {
			left -= len(Streaming(pg.SyncSet{Names: []string{name}}, server))
		}
		return before, number(set, left, before)
	}
	names := slices.DeleteFunc(slices.Clone(set.Names), func(name string) bool { return gone[name] })
	if len(names) == len(set.Names) {
		return before, before
	}
	if len(names) == 0 {
		return before, ""
	}
	return before, pg.SyncValue(set.Method, min(set.Number, len(names)), pg.SyncIdents(names))
}

// number is a set of everybody that waits for no more than there are.
func number(set pg.SyncSet, left int, before string) string {
	switch {
	case left <= 0:
		return ""
	case left >= set.Number:
		return before
	}
	return pg.SyncValue(set.Method, left, set.Names)
}

// SetOnTo returns the synchronous set with which the new primary begins: those of the wanted
// set that stream from it by then. The old primary comes in once it streams.
func (s *Cluster) SetOnTo(m *Switchover) string {
	y := s.Cluster.Synchronous
	if y == nil {
		return ""
	}
	var names []string
	for _, sb := range s.Rotates(m) {
		if slices.Contains(y.Standbys, sb.Node) {
			names = append(names, s.WillBeSeenAs(sb))
		}
	}
	if len(names) == 0 {
		return ""
	}
	return pg.SyncValue(y.Method, min(y.Number, len(names)), pg.SyncIdents(names))
}
