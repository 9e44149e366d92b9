package move

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Check finds what speaks against a switchover, before anything is changed.
func Check(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	if !readable(s, w, out) {
		return
	}
	if refuseRenamed(s, w, out) || refuseLogin(s, w, out) {
		return // what follows rests on names and logins
	}
	refuseManaged(s, w, out)
	checkLogical(s, w, out)
	refuseOwnSet(s, w, out)
	checkTarget(s, w, out)
	for _, sb := range s.Cluster.Standbys {
		checkMember(s, w, sb, out)
	}
	for _, n := range s.Cluster.Members() {
		checkSettings(s, w, n, out)
	}
	checkSlots(s, w, out)
	checkClients(s, w, out)
	checkOutside(s, w, out)
	checkTransactions(s, w, out)
}

// readable reports whether all is known that the move rests on.
func readable(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) bool {
	ok := true
	for _, n := range s.Cluster.Members() {
		f := s.Found(n)
		switch {
		case !f.Complete():
			out.Fail(s.RangeOf(n), "Unreadable standby", "%s could not be read. repltool does not promote %s without knowing how much WAL %s has. Make %s readable; or, if its host is gone, "+
				"remove it from standbys.", n.Name, w.To.Name, n.Name, n.Name)
		case s.Recloned(n), f.Server == nil:
			out.Fail(s.RangeOf(n), notReady, "%s does not run, and the primary moves from %s to %s in this plan. Write primary = %s again and apply, so that %s follows it; or remove %s "+
				"from standbys.", n.Name, w.From.Name, w.To.Name, w.From.ID, n.Name, n.Name)
		default:
			continue
		}
		ok = false
	}
	return ok
}

const renamedAndMoved = "Rename and switchover in one apply"

// refuseManaged refuses to move a primary over which another program decides: it would promote
// the old one again, or another member.
func refuseManaged(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	var found []string
	for _, n := range s.Cluster.Members() {
		for _, name := range s.Found(n).Host.Managers {
			found = append(found, name+" on "+n.Name)
		}
	}
	if len(found) > 0 {
		out.Fail(s.Cluster.Range, "Cluster manager running", "The primary moves from %s to %s, but a cluster manager is running, which decides by itself which server is the primary: %s. It could "+
			"promote or stop servers during the switchover. Nothing is changed. Move the primary with that program, then write primary = %s; or stop it on every member, so that "+
			"it does not start again, and plan again.", w.From.Name, w.To.Name, strings.Join(found, ", "), w.To.ID)
	}
}

// refuseRenamed refuses to give nodes or the cluster other names in the plan that moves the
// primary: what a move finds, makes and takes back goes by one name. It reports whether it did.
func refuseRenamed(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) bool {
	renamed := s.Renames(w)
	switch {
	case len(renamed) == 0:
		return false
	case w.Stopped:
		out.Fail(s.Cluster.Range, renamedAndMoved, "A moved block renames %s, and an apply that moved the primary from %s to %s was interrupted when %s was stopped. Nothing is "+
			"changed. Make two applies: first remove the moved block and write the earlier name again, and apply, so that a server leads; then rename.",
			strings.Join(renamed, ", "), w.From.Name, w.To.Name, w.From.Name)
	default:
		out.Fail(s.Cluster.Range, renamedAndMoved, "A moved block renames %s, and the primary moves from %s to %s. Nothing is changed. Make two applies: first the moved block, with\n%s\n"+
			"then the switchover.", strings.Join(renamed, ", "), w.From.Name, w.To.Name, asNow(w))
	}
	return true
}

// refuseLogin refuses to move the primary in the plan that makes the role by which members
// log in, or changes how it logs in: they log in at the new primary before that plan comes to
// it. It reports whether it did.
func refuseLogin(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) bool {
	role := s.Cluster.Replication.Role
	if role == nil {
		return false
	}
	why := ""
	switch found := s.Found(w.From).Server.Role(role.Name); {
	case found == nil:
		why = "does not exist yet"
	case !found.Login || !found.Replication && !found.Superuser:
		why = "does not have LOGIN and REPLICATION yet"
	case s.LosesLogin(role.Name):
		why = "gets another password"
	case found.Expired:
		why = "has a password that expired at " + found.ValidUntil
	default:
		return false
	}
	out.Fail(role.Range, "Role change and switchover in one apply", "Role %s %s, and the primary moves from %s to %s: %s and the other standbys could not log in at %s. Nothing is "+
		"changed. Make two applies: first the role, with\n%s\nthen the switchover.", pg.Ident(role.Name), why, w.From.Name, w.To.Name, w.From.Name, w.To.Name, asNow(w))
	return true
}

// refuseOwnSet refuses to move a set of synchronous standbys that the topology does not have.
func refuseOwnSet(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	from := s.Found(w.From)
	_, ours := s.ConfBlock(from.Host).Value(cluster.SyncNames)
	if set := from.Server.InForce(cluster.SyncNames); set != "" && s.Cluster.Synchronous == nil && !ours {
		out.Fail(s.Cluster.Range, notSupported, "%s has %s = '%s', which is not from the topology: after the switchover commits on %s would wait for no standby. Write the set as a "+
			"synchronous block in %s and apply, with primary = %s; then switch over.", w.From.Name, cluster.SyncNames, set, w.To.Name, s.Cluster.ID, w.From.ID)
	}
}

// checkTarget looks at who is to be promoted.
func checkTarget(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	n, f := w.To, s.Found(w.To)
	say := func(format string, args ...any) {
		out.Fail(s.Cluster.Range, notReady, "%s cannot take the place of %s: "+format+" Nothing is changed.", append([]any{n.Name, w.From.Name}, args...)...)
	}
	if s.PortMoves(n) {
		say("its port changes from %d to %d in the same plan, and the other nodes would connect to a port on which nothing listens yet. Apply that first, with primary = %s.",
			s.PortInForce(n), n.Port, w.From.ID)
	}
	switch up := s.UpstreamOf(f); {
	case up != w.From:
		say("it does not follow %s directly. Make it a direct standby first (primary = %s), and apply.", w.From.Name, w.From.ID)
		return
	case f.Server.Timeline != s.Found(w.From).Server.Timeline:
		say("it is on timeline %d, and %s on %d.", f.Server.Timeline, w.From.Name, s.Found(w.From).Server.Timeline)
	case s.Paused(n):
		say("its replay is paused. %s", s.ResumeHint(n))
	case s.Delay(n) > 0:
		say("it delays its replay (recovery_min_apply_delay). Remove the delay first.")
	}
	sender := s.Found(w.From).Server.SenderTo(f.Server.InForce("primary_slot_name"), s.ApplicationName(n))
	switch {
	case sender == nil || sender.State != "streaming" || !streams(f):
		say("it is not streaming.")
	case sender.LagBytes != nil && *sender.LagBytes > mostBehind:
		say("it still has %s of WAL to replay. Wait until it has caught up.", words.BytesText(*sender.LagBytes))
	}
	if !s.HBABlock(f.Host).Is(s.HBAText(n).Text, conftext.First) {
		say("its pg_hba.conf is not as the topology has it, and the other nodes may be refused. Apply that first, with primary = %s.", w.From.ID)
	}
	if server := f.Server; !s.ListensFor(n, server.InForce("listen_addresses")) {
		say("it does not listen on %s (listen_addresses = '%s'), so its standbys could not connect. Set listen_addresses = \"*\" in parameters of %s and apply, with primary = %s.",
			n.Address, server.InForce("listen_addresses"), s.Cluster.ID, w.From.ID)
	}
}

// mostBehind is how much WAL a standby may still have to replay when the move begins.
const mostBehind = 256 << 20

// checkMember looks at a standby of the new roles.
func checkMember(s *cluster.Cluster, w *cluster.Switchover, sb *topology.Standby, out *draft.Findings) {
	n, f := sb.Node, s.Found(sb.Node)
	up := s.UpstreamOf(f)
	secrets := pg.LostSecrets(s.ConnNow(n))
	switch {
	case n == w.From && sb.Upstream != w.To:
		out.Fail(sb.Range, notSupported, "%s leads now and would follow %s, which is a standby: it can follow only %s, the new primary. Switch over first, then change its upstream.",
			n.Name, sb.Upstream.Name, w.To.Name)
	case len(secrets) > 0:
		out.Fail(sb.Range, "Connection parameter would be lost", "%s: primary_conninfo changes, and contains %s, a secret that the topology cannot express. Remove it from primary_conninfo, "+
			"then plan again.", n.Name, strings.Join(secrets, ", "))
	case n == w.From:
	case f.Server.InRecovery && sb.Upstream == w.To && up != w.From && up != w.To, sb.Upstream != w.To && up != sb.Upstream:
		out.Fail(sb.Range, notReady, "%s would follow %s after the switchover, and follows %s now. Change its upstream first and apply, with primary = %s; then switch over.",
			n.Name, sb.Upstream.Name, nameOf(up), w.From.ID)
	case up == w.From && slices.Contains(s.Rotates(w), sb) && s.Found(w.From).Server.SenderTo(f.Server.InForce("primary_slot_name"), s.ApplicationName(n)) == nil:
		out.Fail(sb.Range, notReady, "%s is to follow %s before %s stops, and is not connected to %s: it would not get the WAL that it needs first. Nothing is changed. Its log says why; "+
			"drift too, where its slot has lost WAL. Make it stream again with primary = %s, by -replace=%s if need be; or remove it from standbys.",
			n.Name, w.To.Name, w.From.Name, w.From.Name, w.From.ID, s.StandbyAddress(n))
	case s.Paused(n) && up == w.From && sb.Upstream == w.To:
		out.Fail(sb.Range, "Replay paused", "%s is to follow %s, and keeps its connection until its replay is resumed. %s Then plan again.", n.Name, w.To.Name, s.ResumeHint(n))
	}
}

func nameOf(n *topology.Node) string {
	if n == nil {
		return "a server that the topology does not name"
	}
	return n.Name
}

// checkSettings looks at what a member's own settings do to it in the move. The old primary starts
// as a standby, with what stands in its files by then.
func checkSettings(s *cluster.Cluster, w *cluster.Switchover, n *topology.Node, out *draft.Findings) {
	server := s.Found(n).Server
	value, role := server.InForce, "as a standby of "+w.To.Name
	switch n {
	case w.From:
		value = func(name string) string { return s.AtStart(n, name) }
	case w.To:
		role = "before its promotion"
	}
	say := func(fix, format string, args ...any) {
		out.Fail(s.RangeOf(n), notReady, "%s "+format+" %s. Nothing is changed. %s, and apply with primary = %s; then switch over.",
			append(append([]any{n.Name}, args...), role, fix, w.From.ID)...)
	}
	if name := cluster.RecoveryTarget(value); name != "" {
		say("Remove "+name+" from its files and restart it", "has %s = '%s', and would stop there", name, value(name))
	}
	if line := value("recovery_target_timeline"); line != "" && line != "latest" && n != w.To {
		say("Remove recovery_target_timeline from its files and restart it", "has recovery_target_timeline = %s, and would not follow to the new timeline", line)
	}
	if cluster.Same(server.Settings["hot_standby"], value("hot_standby"), "off") && n == w.From {
		say("Remove hot_standby from its files", "has hot_standby = off, and would accept no connections")
	}
	for _, name := range pg.HotStandby() {
		setting, need := server.Settings[name], s.Found(w.To).Server.InForce(name)
		if n != w.To && cluster.Number(setting, value(name)) < cluster.Number(setting, need) {
			say("Set "+name+" = "+need+" in parameters of "+s.Cluster.ID, "has %s = %s, and %s has %s: it could not replay WAL", name, value(name), w.To.Name, need)
		}
	}
}

// checkSlots refuses those of the new primary that have the name of a wanted one and may be another
// server's: they would be used, and dropped with the next move.
func checkSlots(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	for _, wanted := range s.WantedSlots() {
		if wanted.On != w.To || wanted.Fed == nil {
			continue
		}
		found := s.FoundSlot(w.To, wanted.Name)
		proved := s.IsOurs(cluster.Object{Kind: "slot", Name: wanted.Name, In: w.To.Name}) || s.UpstreamOf(s.Found(wanted.Fed)) == w.To
		if found != nil && (!s.MayUse(wanted, found) || found.Active && !proved) {
			draft.RefuseSlot(s, wanted, found, out)
		}
	}
}

// checkClients looks at who else reads WAL from the old primary.
func checkClients(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	var others []string
	var left []int // the processes of standbys that left the topology, whose slots may be repltool's
	for _, sender := range s.LeftBehind(w) {
		left = append(left, sender.PID)
	}
	for _, sender := range s.Found(w.From).Server.Senders {
		switch {
		case sender.Copies():
			out.Fail(s.Cluster.Range, notReady, "A base backup of %s is running (process %d), and would fail when %s stops. Wait until it has ended.", w.From.Name, sender.PID, w.From.Name)
		case slices.ContainsFunc(s.LogicalSlots(w), func(slot facts.Slot) bool { return slot.Name == sender.SlotName }): // checkOutside
		case s.ForeignSender(w.From, facts.Sender(sender)), slices.Contains(left, sender.PID):
			others = append(others, sender.ApplicationName)
		}
	}
	for _, sender := range s.Found(w.To).Server.Senders {
		if sender.Copies() {
			out.Fail(s.Cluster.Range, notReady, "A base backup of %s is running (process %d), and would fail when %s is promoted. Wait until it has ended.", w.To.Name, sender.PID, w.To.Name)
		}
	}
	if len(others) > 0 {
		out.Warn(s.Cluster.Range, "Clients outside the topology are disconnected", "When %s stops, it disconnects clients that read WAL from it and are not in the topology: %s. Point them to %s by hand.",
			w.From.Name, strings.Join(others, ", "), w.To.Name)
	}
}

// long is how long a transaction must be open to be named.
const long = time.Minute

// checkTransactions names those that the stop would roll back, and that are not over in a moment.
func checkTransactions(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	var open []string
	for _, t := range s.Found(w.From).Server.Transactions {
		if t.Age >= long {
			open = append(open, fmt.Sprintf("process %d (%s in database %s, %s)", t.PID, pg.Ident(t.User), pg.Ident(t.Database), strings.TrimSuffix(t.Age.Round(time.Minute).String(), "0s")))
		}
	}
	if len(open) > 0 {
		out.Warn(s.Cluster.Range, "Open transactions are rolled back", "When %s stops, it rolls back transactions that are still open. These have been open for more than a minute: %s. "+
			"If that would be a loss, wait for them, or end them, before you apply.", w.From.Name, words.Few(open))
	}
}
