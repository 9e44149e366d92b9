package move

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

const (
	notFailover       = "Failover not supported yet"
	notReadyToReplace = "Standby not ready for a failover"
)

// CheckAsked finds why a failover that was asked for is none: the primary is alive, or nothing
// shows that it is dead.
func CheckAsked(s *cluster.Cluster, out *draft.Findings) {
	to, leader := s.Goal.Primary, s.Now.Leader
	switch {
	case leader == to:
	case leader != nil:
		out.Fail(s.Cluster.Range, "Primary is alive", "%s accepts connections as a primary, so a failover would lose what it commits from now on, or make a second primary. Nothing is changed. "+
			"To move the primary:\n  repltool switchover %s -to=%s", leader.Name, s.Cluster.Name, to.Name)
	case len(s.Unread()) > 0:
		out.Fail(s.Cluster.Range, notFailover, "%s could not be read: the primary may be alive, or another member may have more WAL. Nothing is changed. A failover needs a "+
			"host of the primary that answers over SSH, with no server running, and all other members readable; it cannot isolate a primary that it does not reach. Make them "+
			"readable, and try again: where a server hangs, stop it (pg_ctl stop -m immediate). If the host of the primary is gone for good, make sure that it cannot come back, "+
			"then promote a standby by hand (docs/operations.md).", strings.Join(s.Unread(), ", "))
	case !s.Running(to):
		out.Fail(s.Cluster.Range, notReadyToReplace, "%s does not run, and cannot take the place of the primary. Nothing is changed. Start it, or name another standby: repltool failover %s -to=NODE",
			to.Name, s.Cluster.Name)
	default:
		out.Fail(s.Cluster.Range, notFailover, "No member is known to have been the primary of which %s is a standby: none is down with pg_control of a primary, and the same system identifier as %s. "+
			"Nothing is changed.", to.Name, to.Name)
	}
}

// CheckResume finds what speaks against resuming one.
func CheckResume(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	if w.Failed {
		checkFailover(s, w, out)
		return
	}
	refuseRenamed(s, w, out)
}

// checkFailover finds what speaks against a failover.
func checkFailover(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	if names := s.Unread(); len(names) > 0 {
		out.Fail(s.Cluster.Range, notFailover, "%s could not be read, and may have been promoted or have more WAL. Nothing is changed. Make it readable, or, if its host is gone, remove it from "+
			"standbys; then plan again.", strings.Join(names, ", "))
		return
	}
	if refuseRenamed(s, w, out) {
		return
	}
	refuseNewer(s, w, out)
	refuseManaged(s, w, out)
	refuseLogicalFailover(s, w, out)
	checkHeir(s, w, out)
	checkFailed(s, w, out)
	if begun := s.Found(w.From).Host.StandbySignal; !begun {
		checkSlots(s, w, out) // one that is there later was made by this failover, which nothing could record
	}
}

// refuseNewer refuses a failover past a promotion: somebody may have made another member the
// primary since, which is down by now.
func refuseNewer(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	was := s.Found(w.From).Host.Control.Timeline
	for _, n := range s.Cluster.Members() {
		if f := s.Found(n); n != w.From && f.Host.Control != nil && cluster.SameSystem(f, s.Found(w.From)) && cluster.NewestTimeline(f) > was {
			out.Fail(s.RangeOf(n), notReadyToReplace, "%s has WAL of timeline %d, and %s ended on timeline %d: another node was promoted since, and may have newer data. Nothing is changed. Find out which "+
				"one, and name it in the topology.", n.Name, cluster.NewestTimeline(f), w.From.Name, was)
		}
	}
}

// refuseLogicalFailover refuses what this version of repltool cannot bring along.
func refuseLogicalFailover(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	var what []string
	for _, p := range s.Publications() {
		what = append(what, p.ID)
	}
	for _, sub := range s.Subscriptions() {
		what = append(what, sub.ID)
	}
	for _, database := range s.Found(w.To).Server.Subscribing {
		what = append(what, "subscriptions in database "+pg.Ident(database))
	}
	for _, slot := range s.Cluster.PermanentSlots {
		if slot.Type == topology.SlotLogical {
			what = append(what, "slot "+pg.Ident(slot.Name))
		}
	}
	if len(what) > 0 {
		out.Fail(s.Cluster.Range, notFailover, "%s has logical replication, which repltool cannot move with the primary yet: %s. Nothing is changed. Start %s again, or promote %s by hand.",
			s.Cluster.ID, strings.Join(what, ", "), w.From.Name, w.To.Name)
	}
}

// checkHeir looks at who is to be promoted.
func checkHeir(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	f := s.Found(w.To)
	say := func(format string, args ...any) {
		out.Fail(s.Cluster.Range, notReadyToReplace, "%s cannot take the place of %s: "+format+" Nothing is changed.", append([]any{w.To.Name, w.From.Name}, args...)...)
	}
	candidates := s.Candidates(w.From)
	for _, c := range candidates {
		if c.Node == w.To && c.Why != "" {
			say("it %s.%s %s", c.Why, resume(s, w.To), others(candidates))
		}
	}
	if s.PortMoves(w.To) {
		say("it listens on port %d, and the topology has %d: its standbys would connect to a port on which nothing listens. Write its port as it is.", s.PortInForce(w.To), w.To.Port)
	}
	if listen := f.Server.InForce("listen_addresses"); len(s.Cluster.Standbys) > 0 && !s.ListensFor(w.To, listen) {
		say("it does not listen on %s (listen_addresses = '%s'), so its standbys could not connect. Set listen_addresses = '*' in its files, restart it, and try again.", w.To.Address, listen)
	}
	if !s.HBABlock(f.Host).Is(s.HBAText(w.To).Text, conftext.First) {
		out.Warn(s.Cluster.Range, "Standbys may be refused", "pg_hba.conf of %s is not as the topology has it: %s and the other standbys may not be able to log in there until the next apply.", w.To.Name, w.From.Name)
	}
	if name := cluster.RecoveryTarget(f.Server.InForce); name != "" {
		say("it has %s = '%s', and would stop there. Remove it from its files, restart it, and try again.", name, f.Server.InForce(name))
	}
}

// resume says how the replay of a standby goes on, where it is paused.
func resume(s *cluster.Cluster, n *topology.Node) string {
	if !s.Paused(n) {
		return ""
	}
	return " " + s.ResumeHint(n)
}

// others says who may be promoted, and how far each has WAL.
func others(all []cluster.Candidate) string {
	var texts []string
	for _, c := range all {
		if c.Why == "" {
			texts = append(texts, fmt.Sprintf("%s (WAL up to %s on timeline %d)", c.Node.Name, c.Has.LSN, c.Has.Timeline))
		}
	}
	if len(texts) == 0 {
		return "No other member can either."
	}
	return "Who can: " + strings.Join(texts, ", ") + "."
}

// checkFailed looks at the old primary, which is to start as a standby.
func checkFailed(s *cluster.Cluster, w *cluster.Switchover, out *draft.Findings) {
	n, sb := w.From, s.Cluster.Standby(w.From)
	h := s.Found(n).Host
	value := func(name string) string { v, _ := fileValue(h, name); return v }
	say := func(format string, args ...any) {
		out.Fail(s.RangeOf(n), notReadyToReplace, "%s cannot be started as a standby, which sends the WAL that only it has: "+format+" Nothing is changed.", append([]any{n.Name}, args...)...)
	}
	switch {
	case sb == nil || sb.Upstream != w.To:
		say("it must follow %s in the topology. Write %s among the standbys, with no other upstream.", w.To.Name, n.ID)
	case w.Started:
	case h.PortOwner != "":
		say("another program listens on its port %d (%s), and may be the primary that the standbys follow. If it is, data_dir or port of %s in the topology is wrong.", s.PortInForce(n), h.PortOwner, n.ID)
	case cluster.RecoveryTarget(value) != "":
		name := cluster.RecoveryTarget(value)
		say("it has %s = '%s', and would stop there. Remove it from its files.", name, value(name))
	case slices.Contains([]string{"off", "false", "no", "0"}, strings.ToLower(value("hot_standby"))):
		say("it has hot_standby = off, and would accept no connections. Remove that from its files.")
	}
}

// fileValue is what the files of a server that is down give a parameter.
func fileValue(h *facts.Host, name string) (value string, there bool) {
	for _, text := range []string{h.Conf.Text, h.AutoConf.Text.Reveal()} {
		if v, is := cluster.LastValue(text, name); is {
			value, there = v, true
		}
	}
	return value, there
}
