package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

// While a member of the synchronous set is down, commits do not wait for it: the set
// is relaxed by ALTER SYSTEM (docs/decisions/0003). A value that the topology says
// nothing of is somebody's own, and stands nowhere else once it is overridden: it is
// written into the ledger first, and comes back from there if the apply dies.

// asideAddress is the ledger's row of a value set aside.
func (s *scope) asideAddress() topology.Address {
	return s.syncAddress().With(topology.PartSetAside)
}

// aside is a value of synchronous_standby_names that an apply has set aside.
type aside struct {
	value  string
	system bool // it was set by ALTER SYSTEM, else by a file
}

func (a aside) object() object {
	if a.system {
		return object{kind: "setting", name: "system " + a.value}
	}
	return object{kind: "setting", name: "file " + a.value}
}

// keptAside answers what an earlier apply set aside and did not bring back, or nil.
func (s *scope) keptAside() *aside {
	for _, m := range s.managed("setting") {
		if m.address == s.asideAddress() {
			from, value, _ := strings.Cut(m.name, " ")
			return &aside{value: value, system: from == "system"}
		}
	}
	return nil
}

// syncForeign tells that synchronous_standby_names is somebody's own.
func (s *scope) syncForeign() bool { return s.cluster.Synchronous == nil && !s.syncOurs() }

// relax sets a smaller set in place of the full one.
func (s *scope) relax(d *draft, why, relaxed, full string) {
	n := s.cluster.Primary
	if s.syncForeign() && s.keptAside() == nil {
		d.after = append(d.after, s.ledgerAddress())
		d.sql(n, "what an apply that dies would lose", record(row{s.asideAddress(), aside{full, s.setBySystem(syncNames)}.object()}))
	}
	d.sql(n, why, "ALTER SYSTEM SET "+syncNames+" = "+literal(relaxed)+";")
	d.reload(n)
	if relaxed != "" {
		// A commit that waits for the full set is let go when a standby of the smaller one
		// answers next: with nothing new to answer that is wal_receiver_status_interval.
		d.sql(n, "commits that wait already are let go", "SELECT pg_current_xact_id();")
	}
}

// unrelax brings the set back that relax found. What an earlier apply set aside stays
// so: synchronous brings that back, behind its gates.
func (s *scope) unrelax(d *draft, full string) {
	n := s.cluster.Primary
	s.setBack(d, "commits wait again", aside{full, s.setBySystem(syncNames)})
	d.reload(n)
	if s.syncForeign() && s.keptAside() == nil {
		d.sql(n, "it is back", forget(s.asideAddress()))
	}
}

func (s *scope) setBack(d *draft, why string, was aside) {
	set := "ALTER SYSTEM RESET " + syncNames + ";"
	if was.system {
		set = "ALTER SYSTEM SET " + syncNames + " = " + literal(was.value) + ";"
	}
	d.sql(s.cluster.Primary, why, set)
}

// relaxed answers the value while n is down, and the one in force: with one
// member less, commits wait for as many as are left.
func (s *scope) relaxed(n *topology.Node) (without, full string) {
	full = s.syncCurrent()
	set, ok := parseSync(full)
	if !ok || s.live() == nil || !set.has(s.applicationName(n)) {
		return full, full
	}
	left := set.streaming(s.live())
	if i := slices.IndexFunc(left, func(name string) bool { return strings.EqualFold(name, s.applicationName(n)) }); i >= 0 {
		left = slices.Delete(left, i, i+1) // one process; others of that name stay
	}
	if len(left) >= set.number {
		return full, full
	}
	return syncValue(set.method, len(left), syncIdents(left)), full
}

// relaxedFrom tells whether a value is what is left of a fuller one: else somebody has
// set it since, and that counts.
func relaxedFrom(value, full string) bool {
	x, okX := parseSync(value)
	y, okY := parseSync(full)
	return okX && okY && (len(x.names) == 0 || x.method == y.method && x.number <= y.number) &&
		!slices.ContainsFunc(x.names, func(name string) bool { return !y.has(name) })
}
