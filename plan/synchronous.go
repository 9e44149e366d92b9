package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// synchronous_standby_names is written last, behind a gate: it names a standby
// only once that streams and has caught up, or commits would hang (PostgreSQL
// docs, 27.2.8 "Synchronous Replication").

func synchronous(s *scope, out *findings) {
	n := s.cluster.Primary
	d := newDraft(Update, s.syncAddress(), n)
	wanted, current := s.syncWanted(), s.syncCurrent()
	shrunk, leaves := s.leave(out)
	d.after = append(s.beforeSync(), s.ledgerAddress())
	owed := s.keptAside()
	back := leaves && (s.closes(d, s.leavingAddress(), out) || !s.syncReadable(out))
	switch {
	case s.syncForeign() && !leaves && owed == nil:
		return // the topology says nothing of it, and never did
	case s.syncForeign():
		wanted = s.restored(current, out) // somebody's own: it comes back as it was
		if owed != nil && relaxedFrom(current, owed.value) {
			wanted = s.restored(owed.value, out)
			d.Reason = "an apply that died had set it aside"
		}
	case back: // this run relaxes it, and is not to bring in another
		wanted = s.restored(s.unrelaxed(current), out)
		d.Reason = "this plan relaxes it: it is restored"
	}
	if !leaves && sameSync(current, wanted) && (s.live() == nil || s.syncForeign() || s.syncInBlock(wanted)) {
		if owed != nil {
			d.Reason = "the ledger still has what an apply that died had set aside"
			d.sql(n, "strike out", forget(s.asideAddress()))
		}
		out.put(d)
		return
	}
	if !leaves && !s.syncReadable(out) {
		return
	}
	d.worsen(Reload)
	d.Effect = s.syncEffect(back)
	d.differ(syncNames, ptr(literal(shrunk)), ptr(literal(wanted)), "")
	if len(d.Attributes) == 0 && d.Reason == "" {
		d.Reason = "the same value is written into the managed block"
	}
	s.gates(d, current, shrunk, wanted, out)
	s.writeSync(d, wanted, leaves)
	d.reload(n)
	d.wait(n, "value in force", syncInForce(wanted), settleTimeout)
	if owed != nil || leaves && s.syncForeign() {
		d.sql(n, "it is back", forget(s.asideAddress()))
	}
	out.put(d)
}

// beforeSync is what is done before the set.
func (s *scope) beforeSync() []topology.Address {
	n := s.cluster.Primary
	after := append(s.standbyAddresses(), s.nodeAddress(n), s.parametersAddress(n), s.hbaAddress(n), s.leavingAddress())
	for _, sb := range s.cluster.Standbys {
		after = append(after, s.parametersAddress(sb.Node), s.nodeAddress(sb.Node))
	}
	return after
}

// closes tells that the targets bring the change that relaxes, and not for itself the one
// that d is to be: d is there to restore, and brings no other value into force.
func (s *scope) closes(d *draft, relaxes topology.Address, out *findings) bool {
	if len(s.targets) == 0 {
		return false
	}
	drafts, err := order(append(slices.Clone(out.drafts), d))
	if err != nil {
		return false // Build reports it
	}
	keep := map[topology.Address]bool{}
	for _, target := range s.targets {
		keepUnder(drafts, target, keep)
	}
	require(drafts, keep)
	return keep[relaxes] && !keep[d.Address]
}

// unrelaxed answers the value in force, or the one that an apply which died left relaxed.
func (s *scope) unrelaxed(current string) string {
	if s.live() == nil {
		return current
	}
	if full, ours := s.confBlock(s.primary().Host).value(syncNames); ours && s.setBySystem(syncNames) && relaxedFrom(current, full) {
		return full
	}
	return current
}

// writeSync brings the value into the block, and what overrides it away. What the
// topology says nothing of is set back where it was.
func (s *scope) writeSync(d *draft, wanted string, leaves bool) {
	n := s.cluster.Primary
	if s.syncForeign() {
		was := aside{wanted, s.setBySystem(syncNames)}
		if owed := s.keptAside(); owed != nil && owed.value == wanted {
			was.system = owed.system
		}
		s.setBack(d, "commits wait as before", was)
		return
	}
	if value, _ := s.confBlock(s.primary().Host).value(syncNames); s.live() == nil || !sameSync(value, wanted) {
		d.step(n, "write the block", s.syncFile(wanted))
	}
	if leaves || s.setBySystem(syncNames) {
		d.sql(n, "take the override away", "ALTER SYSTEM RESET "+syncNames+";")
	}
}

// gates waits for each member that is new to the set or that this plan interrupts, and
// for as many of it as commits will wait for: what was in force is no proof of a standby
// that streams.
func (s *scope) gates(d *draft, before, shrunk, wanted string, out *findings) {
	was, _ := parseSync(before)
	now, _ := parseSync(shrunk)
	then, _ := parseSync(wanted)
	gated := 0
	for _, sb := range s.cluster.Standbys {
		name := s.willBeSeenAs(sb)
		if !then.every() && then.has(name) && !now.has(name) && (!was.has(name) || s.disturbed(sb.Node, out)) {
			d.gate(s.cluster.Primary, sb.Node, name)
			gated++
		}
	}
	if gated < then.number && len(then.names) > 0 && !sameSync(shrunk, wanted) {
		d.step(s.cluster.Primary, "gate", s.setGate(then, true))
	}
}

// awaitSet waits, before commits wait for the full set again, until enough of it stream:
// n may have to replay what it has before it does.
func (s *scope) awaitSet(d *draft, n *topology.Node, full string) {
	set, ok := parseSync(full)
	if !ok {
		return
	}
	wait := s.setGate(set, false)
	wait.Timeout += s.delay(n)
	wait.Progress = catchingUp(n)
	d.step(s.cluster.Primary, wait.What, wait)
}

// setGate waits until as many of a set stream and have caught up as commits wait for.
func (s *scope) setGate(set syncSet, shown bool) Wait {
	of, where := strings.Join(set.names, ", "), "lower(application_name) IN ("+literals(lowered(set.names))+")"
	if set.every() {
		of, where = "any standby", "application_name <> "+literal(facts.BaseBackup)
	}
	what := of
	if len(set.names) > 1 || set.number > 1 {
		what = fmt.Sprintf("%d of %s", set.number, of)
	}
	return Wait{
		Database: maintenance, Gate: shown, Timeout: streamTimeout,
		What:  fmt.Sprintf("%s streaming, lag < %s", what, strings.ReplaceAll(bytesText(syncLag), " ", "")),
		Else:  "commits would wait for a standby that is not there",
		Query: fmt.Sprintf("SELECT count(*) >= %d FROM pg_stat_replication\nWHERE %s AND state = 'streaming'\n  AND pg_wal_lsn_diff(pg_current_wal_lsn(), flush_lsn) < %d", set.number, where, int64(syncLag)),
	}
}

func lowered(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, strings.ToLower(name))
	}
	return all
}

// gate adds the wait for one member of the set.
func (d *draft) gate(primary, m *topology.Node, name string) {
	d.step(primary, "gate", Wait{
		Database: maintenance, Query: streaming(name, syncLag), Gate: true, Timeout: streamTimeout, Progress: catchingUp(m),
		What: fmt.Sprintf("%s streaming, lag < %s", m.Name, strings.ReplaceAll(bytesText(syncLag), " ", "")),
		Else: "commits would wait for a standby that is not there",
	})
}

// syncMembers answers the wanted set, in order.
func (s *scope) syncMembers() []*topology.Node {
	if s.cluster.Synchronous == nil {
		return nil
	}
	return s.cluster.Synchronous.Standbys
}

// syncWanted writes the wanted value: ANY 1 (pg2, pg3).
func (s *scope) syncWanted() string {
	y := s.cluster.Synchronous
	if y == nil {
		return ""
	}
	var names []string
	for _, n := range y.Standbys {
		names = append(names, n.Name)
	}
	return syncValue(y.Method, y.Number, syncIdents(names))
}

func syncValue(method string, number int, names []string) string {
	if number <= 0 || len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%s %d (%s)", strings.ToUpper(method), number, strings.Join(names, ", "))
}

// syncIdent quotes a name for the value's own grammar, which is not SQL's.
func syncIdent(name string) string {
	if plainName(name) && name != "any" && name != "first" {
		return name
	}
	return `"` + strings.ReplaceAll(name, `"`, `""`) + `"`
}

func syncIdents(names []string) []string {
	var all []string
	for _, name := range names {
		all = append(all, syncIdent(name))
	}
	return all
}

// syncCurrent answers the value in force.
func (s *scope) syncCurrent() string { return s.inForce(syncNames) }

// inForce answers a parameter of the primary; "" where there is none yet.
func (s *scope) inForce(name string) string {
	if s.live() == nil {
		return ""
	}
	return s.live().InForce(name)
}

// syncOurs tells whether our block sets it.
func (s *scope) syncOurs() bool {
	if s.live() == nil {
		return false
	}
	_, ok := s.confBlock(s.primary().Host).value(syncNames)
	return ok
}

// syncInBlock tells whether the block, and nothing after it, says the wanted value.
func (s *scope) syncInBlock(wanted string) bool {
	value, ok := s.confBlock(s.primary().Host).value(syncNames)
	return ok == (wanted != "") && sameSync(value, wanted) && !s.setBySystem(syncNames)
}

// syncReadable is false, with a notice, when a member of the set could not be read:
// nothing is planned that rests on it.
func (s *scope) syncReadable(out *findings) bool {
	for _, m := range s.syncMembers() {
		if !s.found(m).Complete() {
			out.tellDrift(s.syncAddress(), m.Name, "not planned: %s could not be read, and commits would wait for it", m.Name)
			return false
		}
	}
	return true
}

func (s *scope) syncEffect(back bool) string {
	y := s.cluster.Synchronous
	switch {
	case back, y == nil && !s.syncOurs():
		return "commits wait as before"
	case y == nil:
		return "commits wait for no standby"
	case y.Number == 1:
		return "commits wait for 1 standby"
	default:
		return fmt.Sprintf("commits wait for %d standbys", y.Number)
	}
}

// syncFile is the block with the wanted value in it.
func (s *scope) syncFile(wanted string) File {
	n := s.cluster.Primary
	lines := withLine(s.lines(n), line{name: syncNames, value: wanted})
	before, was := s.lines(n), ""
	if s.live() != nil {
		was = s.primary().Host.Conf.Text
		if v, ok := s.confBlock(s.primary().Host).value(syncNames); ok {
			before = withLine(before, line{name: syncNames, value: v})
		}
	}
	op := s.confFile(n, lines, was)
	op.Diff = linesDiff(confText(before).Text, confText(lines).Text)
	op.Check, op.Database = confErrors, maintenance
	return op
}

// syncInForce is the query that is true once the server uses the value.
func syncInForce(wanted string) string {
	return "SELECT setting = " + literal(wanted) + " FROM pg_settings WHERE name = " + literal(syncNames)
}
