package plan

import (
	"fmt"
	"slices"
	"strings"

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
	owed := s.keptAside()
	if s.syncForeign() {
		if !leaves && owed == nil {
			return // the topology says nothing of it, and never did
		}
		wanted = current // somebody's own: it comes back as it was
		if owed != nil && relaxedFrom(current, owed.value) {
			wanted = owed.value
			d.Reason = "an apply that died had set it aside"
		}
	}
	if !leaves && sameSync(current, wanted) && (s.live() == nil || s.syncForeign() || s.syncInBlock(wanted)) {
		if owed != nil {
			d.Reason = "the ledger still has what an apply that died had set aside"
			d.sql(n, "strike out", forget(s.asideAddress()))
		}
		out.put(d)
		return
	}
	d.after = append(s.standbyAddresses(), s.nodeAddress(n), s.parametersAddress(n), s.hbaAddress(n), s.leavingAddress())
	for _, sb := range s.cluster.Standbys {
		d.after = append(d.after, s.parametersAddress(sb.Node), s.nodeAddress(sb.Node))
	}
	if !s.syncReadable(out) {
		return
	}
	d.worsen(Reload)
	d.Effect = s.syncEffect()
	d.differ(syncNames, ptr(literal(shrunk)), ptr(literal(wanted)), "")
	s.gates(d, shrunk, wanted)
	s.writeSync(d, wanted, leaves)
	d.reload(n)
	d.wait(n, "value in force", syncInForce(wanted), settleTimeout)
	if owed != nil || leaves && s.syncForeign() {
		d.sql(n, "it is back", forget(s.asideAddress()))
	}
	out.put(d)
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

// gates waits for the members that commits do not wait for already.
func (s *scope) gates(d *draft, current, wanted string) {
	now, _ := parseSync(current)
	then, _ := parseSync(wanted)
	for _, m := range s.cluster.Members()[1:] {
		name := m.Name
		if !slices.Contains(then.names, name) {
			name = s.applicationName(m) // of a set that is somebody's own
		}
		if slices.Contains(then.names, name) && (then.number > now.number || !slices.Contains(now.names, name)) {
			d.gate(s.cluster.Primary, m, name)
		}
	}
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
		names = append(names, syncIdent(n.Name))
	}
	return syncValue(y.Method, y.Number, names)
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

func (s *scope) syncEffect() string {
	y := s.cluster.Synchronous
	switch {
	case y == nil && !s.syncOurs():
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
	was := ""
	if s.live() != nil {
		was = s.primary().Host.Conf.Text
	}
	op := s.confFile(n, lines, was)
	before := s.lines(n)
	if v, ok := blockOf(was, s.cluster.Name).value(syncNames); ok {
		before = withLine(before, line{name: syncNames, value: v})
	}
	op.Diff = linesDiff(confText(before).Text, confText(lines).Text)
	op.Check, op.Database = confErrors, maintenance
	return op
}

// syncInForce is the query that is true once the server uses the value.
func syncInForce(wanted string) string {
	return "SELECT setting = " + literal(wanted) + " FROM pg_settings WHERE name = " + literal(syncNames)
}
