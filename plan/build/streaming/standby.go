// Package streaming plans instances, standbys, their slots and password files, and the
// synchronous set.
package streaming

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/doctor"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A standby's primary_conninfo, primary_slot_name and recovery_min_apply_delay
// stay where PostgreSQL's own tools put them, in postgresql.auto.conf, and are
// changed by ALTER SYSTEM. Its password stands in a passfile of repltool's own.
// Cloning is clone.go (PostgreSQL docs, 27.2.5 "Streaming Replication").

func Standbys(s *cluster.Cluster, out *draft.Findings) {
	for _, sb := range s.Cluster.Standbys {
		f := s.Found(sb.Node)
		if !f.Complete() {
			continue
		}
		checkSecrets(s, sb, out)
		switch {
		case s.Recloned(sb.Node):
			out.Put(clone(s, sb, out))
		case f.Server != nil && s.Repointed(sb) && !s.Found(sb.Upstream).Complete():
			out.ReportDrift("connection_not_compared", s.StandbyAddress(sb.Node), sb.Node.Name, "not compared: %s, its upstream, could not be read, and whether it listens on port %d is unknown", sb.Upstream.Name, sb.Upstream.Port)
		case f.Server != nil:
			refusePausedName(s, sb, out)
			out.Put(follow(s, sb))
			tellOutdated(s, sb, out)
		default: // down: instances starts it
		}
		if s.SlotLost(sb) && !s.Recloned(sb.Node) {
			out.ReportDrift("standby_lost_its_slot", s.StandbyAddress(sb.Node), sb.Node.Name,
				"%s must be cloned again: its slot %s on %s has lost WAL that it needs. Plan and apply with -replace=%s, and "+
					"allow it with -allow=reclone",
				sb.Node.Name, pg.Ident(sb.Slot), sb.Upstream.Name, s.StandbyAddress(sb.Node))
		}
	}
}

// follow compares a standby that runs.
func follow(s *cluster.Cluster, sb *topology.Standby) *draft.Draft {
	n, f := sb.Node, s.Found(sb.Node)
	d := draft.NewDraft(plan.Update, s.StandbyAddress(n), n)
	d.Needs = append(s.UpstreamAddresses(sb), s.StandbyPassfileAddress(n))
	d.After = append(s.RestartsBefore(sb), s.ParametersAddress(n))
	if len(f.Host.Jobs) > 0 && !f.Host.Making() {
		d.Reason = "it runs: the marker of an earlier base backup is removed"
		d.Remove(n, "it runs: remove the marker", cluster.Markers(f.Host)...)
	}
	now, wanted := s.ConnNow(n), s.ConnInfo(sb)
	diffs := s.ConnDiffers(now, wanted, sb)
	if len(diffs) == 0 && setInForce(s, n, "primary_slot_name", sb.Slot) && s.PendingStandbyValue(n) {
		d.Needs, d.After = nil, nil // what is in force stays: the others that reload it come after
	}
	var sets []string
	for _, key := range diffs {
		d.Differ("primary_conninfo."+key, pg.Optional(now, key), pg.Optional(wanted, key), "")
	}
	if len(diffs) == 0 && !s.PendingConnAsWanted(sb) {
		diffs = pendingConn(s, d, sb, wanted)
	}
	if len(diffs) > 0 {
		sets = append(sets, "ALTER SYSTEM SET primary_conninfo = "+pg.Literal(pg.FormatConnInfo(wanted))+";")
		now = wanted
	}
	sets = append(sets, setDiffers(s, d, n, "primary_slot_name", sb.Slot)...)
	delay := setDiffers(s, d, n, "recovery_min_apply_delay", pg.Milliseconds(sb.ApplyDelay))
	if appliesLate(s, n) || sb.ApplyDelay == 0 {
		sets, delay = append(sets, delay...), nil
	}
	set(d, n, sets)
	awaited := reconnect(s, d, sb, now)
	exchange(s, d, sb)
	if old := s.PreviousPassfile(n); awaited && old != nil && now["passfile"] != old.Path {
		draft.RemovePassfile(s, d, n, *old, s.StandbyPasswords(sb))
	}
	draft.RemovePassingLines(s, d, sb)
	set(d, n, delay) // last: a standby that delays its replay keeps its connection
	if f.Host.AsideJob != nil && !f.Host.AsideJob.Running {
		d.Reason = "an earlier apply was interrupted before it removed the old data directory"
		if !awaited {
			draft.AwaitReceiver(s, d, n, nil, "")
		}
		removeAside(s, d, n, "it streams: remove the old data directory", cluster.AsideDirs(f.Host))
	}
	return d
}

// pendingConn notes where a primary_conninfo that waits for a reload differs from the wanted
// one, which is in force and is written again.
func pendingConn(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby, wanted map[string]string) []string {
	pending := conninfo.Map(s.Found(sb.Node).Server.PendingConnInfo.Reveal())
	diffs := s.ConnDiffers(pending, wanted, sb)
	for _, key := range diffs {
		d.Differ("primary_conninfo."+key, pg.Optional(pending, key), pg.Optional(wanted, key), "the other value waits for a reload")
	}
	return diffs
}

func setInForce(s *cluster.Cluster, n *topology.Node, name, wanted string) bool {
	server := s.Found(n).Server
	return cluster.Same(server.Settings[name], server.InForce(name), wanted)
}

// setDiffers notes a parameter that is not as wanted, and returns the statement that sets it.
func setDiffers(s *cluster.Cluster, d *draft.Draft, n *topology.Node, name, wanted string) []string {
	setting, current := s.Found(n).Server.Settings[name], s.Found(n).Server.InForce(name)
	note := ""
	if setInForce(s, n, name, wanted) {
		p := s.PendingValue(n, name)
		if p == nil || cluster.Same(setting, p.Value, wanted) {
			return nil
		}
		current, note = p.Value, "the other value waits for a reload"
	}
	d.Differ(name, plan.Ptr(cluster.WithUnit(setting, current)), plan.Ptr(cluster.WithUnit(setting, wanted)), note)
	return []string{"ALTER SYSTEM SET " + name + " = " + pg.Literal(wanted) + ";"}
}

// set runs statements that set parameters, and makes the server take them.
func set(d *draft.Draft, n *topology.Node, sets []string) {
	if len(sets) == 0 {
		return
	}
	for _, set := range sets {
		d.SQL(n, "set", set)
	}
	d.Worsen(plan.Reload)
	d.Reload(n)
}

// appliesLate reports whether a standby delays its replay now.
func appliesLate(s *cluster.Cluster, n *topology.Node) bool {
	const name = "recovery_min_apply_delay"
	server := s.Found(n).Server
	return cluster.Number(server.Settings[name], server.InForce(name)) > 0
}

// reconnect waits until the WAL receiver has the connection that is set. A receiver that
// runs keeps its own until replay has used up what is there: a standby that is paused has
// it until it is resumed, and one that delays its replay until it has replayed what it has
// received. Nothing ends it before: it receives what a failover may need.
func reconnect(s *cluster.Cluster, d *draft.Draft, sb *topology.Standby, conn map[string]string) (awaited bool) {
	n, stale := sb.Node, draft.Outdated(s.Found(sb.Node).Server)
	switch {
	case !d.Changes("primary_") && (stale == "" || s.Paused(n) || replaysLate(s, n)):
		return false
	case s.Paused(n):
		d.Effect = "the WAL receiver reconnects once replay is resumed"
		return false
	case !d.Changes("primary_"):
		d.Reason = "its WAL receiver still uses the connection from before " + stale + " was changed"
		d.Worsen(plan.Reload)
		d.Reload(n)
	}
	d.Effect = "the WAL receiver reconnects"
	if appliesLate(s, n) && sb.ApplyDelay > 0 {
		d.Effect += " once it has replayed what it has received"
		draft.AwaitLateReceiver(s, d, n, conn, sb.Slot)
		return false
	}
	if exchangesFirst(s, sb) {
		return false
	}
	draft.AwaitReceiver(s, d, n, conn, sb.Slot)
	return true
}

// refusePausedName refuses to give a paused standby the name that commits are to wait for.
func refusePausedName(s *cluster.Cluster, sb *topology.Standby, out *draft.Findings) {
	n := sb.Node
	if s.Paused(n) && slices.Contains(s.SyncMembers(), n) && s.ApplicationName(n) != n.Name {
		out.Fail(sb.Range, "Replay paused",
			"%s would be a synchronous standby under the name %s, but is connected as %s until its replay is resumed. %s Then plan again.",
			n.Name, n.Name, s.ApplicationName(n), s.ResumeHint(n))
	}
}

// replaysLate reports whether a standby that delays its replay has received WAL that it has not
// replayed.
func replaysLate(s *cluster.Cluster, n *topology.Node) bool {
	r := s.Found(n).Server.Receiver
	return appliesLate(s, n) && r != nil && r.Backlog != nil && *r.Backlog > 0
}

// tellOutdated reports a standby that keeps an old connection, since it is paused or delays its
// replay.
func tellOutdated(s *cluster.Cluster, sb *topology.Standby, out *draft.Findings) {
	n := sb.Node
	stale := draft.Outdated(s.Found(n).Server)
	if stale != "" && !s.Paused(n) && replaysLate(s, n) {
		out.Report(doctor.Finding{
			Code: "standby_not_reconnected", Severity: doctor.Warning, Address: s.StandbyAddress(n), Node: n.Name,
			Evidence: "pg_stat_wal_receiver on " + n.Name,
		}, "%s delays its replay, and still has the connection from before %s was changed: it reconnects once it has replayed what it has received", n.Name, stale)
	}
	if stale != "" && s.Paused(n) {
		out.ReportDrift("standby_not_reconnected", s.StandbyAddress(n), n.Name, "%s still has the connection from before %s was changed, and reconnects once its replay is resumed. %s", n.Name, stale, s.ResumeHint(n))
	}
}

// checkSecrets refuses to write a primary_conninfo again that has secrets which the
// topology cannot express.
func checkSecrets(s *cluster.Cluster, sb *topology.Standby, out *draft.Findings) {
	now := s.ConnNow(sb.Node)
	if lost := pg.LostSecrets(now); len(lost) > 0 && (s.Recloned(sb.Node) || len(s.ConnDiffers(now, s.ConnInfo(sb), sb)) > 0) {
		out.Fail(s.RangeOf(sb.Node), "Connection parameter would be lost",
			"%s: primary_conninfo changes, and contains %s, a secret that the topology cannot express. Remove it from "+
				"primary_conninfo (for a client certificate, use a key without a passphrase that only its owner can read), "+
				"then plan again.",
			sb.Node.Name, strings.Join(lost, ", "))
	}
}

func copyNote(bytes int64) string {
	if bytes == 0 {
		return "size unknown"
	}
	return fmt.Sprintf("copies %s", words.BytesText(bytes))
}
