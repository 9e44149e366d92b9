package cluster

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// While a member of the synchronous set is down, commits do not wait for it: the set
// is relaxed by ALTER SYSTEM (docs/decisions/0003). A value that the topology says
// nothing of is someone's own, and stands nowhere else once it is overridden: it is
// written into the ledger first, and comes back from there if the apply dies.

// WaitsFor reports whether commits on this cluster wait for a subscription of that name.
func (s *Cluster) WaitsFor(name string) bool {
	set, _ := pg.ParseSync(s.SyncCurrent())
	return slices.Contains(set.Names, name)
}

// Streaming returns the names of the standbys that stream from a server and may count as
// members of a synchronous set, one for each process, in order; of names only those that
// the set has.
func Streaming(set pg.SyncSet, server *facts.Server) []string {
	var names []string
	for i := range server.Senders {
		w := &server.Senders[i]
		if w.State == "streaming" && !w.Copies() && set.Has(w.ApplicationName) {
			names = append(names, w.ApplicationName)
		}
	}
	slices.Sort(names)
	return names
}

// Unrelaxed returns the value in force, or the one that an apply which died left relaxed.
func (s *Cluster) Unrelaxed(current string) string {
	if s.Live() == nil {
		return current
	}
	if full, ours := s.ConfBlock(s.Found(s.Now.Leader).Host).Value(SyncNames); ours && s.SetBySystem(s.Now.Leader, SyncNames) && RelaxedFrom(current, full) {
		return full
	}
	return current
}

// SyncMembers returns the wanted set, in order.
func (s *Cluster) SyncMembers() []*topology.Node {
	if s.Cluster.Synchronous == nil {
		return nil
	}
	return s.Cluster.Synchronous.Standbys
}

// SyncWanted writes the wanted value: ANY 1 (pg2, pg3).
func (s *Cluster) SyncWanted() string {
	y := s.Cluster.Synchronous
	if y == nil {
		return ""
	}
	var names []string
	for _, n := range y.Standbys {
		names = append(names, n.Name)
	}
	return pg.SyncValue(y.Method, y.Number, pg.SyncIdents(names))
}

// SyncCurrent returns the value in force where commits are made.
func (s *Cluster) SyncCurrent() string { return s.InForce(SyncNames) }

// InForce returns a parameter of the member that leads; "" where none does.
func (s *Cluster) InForce(name string) string {
	if s.Live() == nil {
		return ""
	}
	return s.Live().InForce(name)
}

// SyncOurs reports whether our block sets the value in force.
func (s *Cluster) SyncOurs() bool {
	if s.Live() == nil {
		return false
	}
	_, ok := s.ConfBlock(s.Found(s.Now.Leader).Host).Value(SyncNames)
	return ok
}

// SyncInBlock reports whether the block of the member that should lead, and nothing after it,
// says the wanted value.
func (s *Cluster) SyncInBlock(wanted string) bool {
	value, ok := s.ConfBlock(s.Found(s.Goal.Primary).Host).Value(SyncNames)
	return ok == (wanted != "") && pg.SameSync(value, wanted) && !s.SetBySystem(s.Goal.Primary, SyncNames)
}

// AsideAddress is the ledger's row of a value set aside.
func (s *Cluster) AsideAddress() topology.Address {
	return s.SyncAddress().With(topology.PartSetAside)
}

// SetAside is a value of synchronous_standby_names that an apply has set aside.
type SetAside struct {
	Value  string
	System bool // it was set by ALTER SYSTEM, else by a file
}

func (a SetAside) Object() Object {
	if a.System {
		return Object{Kind: "setting", Name: "system " + a.Value}
	}
	return Object{Kind: "setting", Name: "file " + a.Value}
}

// KeptAside returns what an earlier apply set aside and did not bring back, or nil.
func (s *Cluster) KeptAside() *SetAside {
	for _, m := range s.Managed("setting") {
		if m.Address == s.AsideAddress() {
			from, value, _ := strings.Cut(m.Name, " ")
			return &SetAside{Value: value, System: from == "system"}
		}
	}
	return nil
}

// SyncForeign reports whether synchronous_standby_names is someone's own.
func (s *Cluster) SyncForeign() bool { return s.Cluster.Synchronous == nil && !s.SyncOurs() }

// RelaxedFrom reports whether a value is what is left of a fuller one: else someone has
// set it since, and that counts.
func RelaxedFrom(value, full string) bool {
	x, okX := pg.ParseSync(value)
	y, okY := pg.ParseSync(full)
	return okX && okY && (len(x.Names) == 0 || x.Method == y.Method && x.Number <= y.Number) &&
		!slices.ContainsFunc(x.Names, func(name string) bool { return !y.Has(name) })
}

func (s *Cluster) LeavingAddress() topology.Address {
	return s.SyncAddress().With(topology.PartLeaving)
}

func (s *Cluster) Streams(name string) bool {
	return len(Streaming(pg.SyncSet{Names: []string{name}}, s.Live())) > 0
}
