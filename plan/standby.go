package plan

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// A standby's primary_conninfo, primary_slot_name and recovery_min_apply_delay
// stay where PostgreSQL's own tools put them, in postgresql.auto.conf, and are
// changed by ALTER SYSTEM. Its password stands in a passfile of repltool's own.
// Cloning is clone.go (PostgreSQL docs, 27.2.5 "Streaming Replication").

func standbys(s *scope, out *findings) {
	for _, sb := range s.cluster.Standbys {
		f := s.found(sb.Node)
		if !f.Complete() {
			continue
		}
		s.checkSecrets(sb, out)
		switch {
		case s.recloned(sb.Node):
			out.put(s.clone(sb, out))
		case f.Server != nil && s.repointed(sb) && !s.found(sb.Upstream).Complete():
			out.tellDrift(s.standbyAddress(sb.Node), sb.Node.Name, "not compared: %s, its upstream, could not be read, and whether it listens on port %d is unknown", sb.Upstream.Name, sb.Upstream.Port)
		case f.Server != nil:
			s.refusePausedName(sb, out)
			out.put(s.follow(sb))
			s.tellOutdated(sb, out)
		default: // down: instances starts it
		}
		if s.lost(sb.Node) && !s.recloned(sb.Node) {
			out.tellDrift(s.standbyAddress(sb.Node), sb.Node.Name,
				"%s has to be cloned again: its slot %s on %s has lost WAL that it needs. Plan and apply with -replace=%s, and allow it with -allow=reclone",
				sb.Node.Name, ident(sb.Slot), sb.Upstream.Name, s.standbyAddress(sb.Node))
		}
	}
}

// follow compares a standby that runs.
func (s *scope) follow(sb *topology.Standby) *draft {
	n, f := sb.Node, s.found(sb.Node)
	d := newDraft(Update, s.standbyAddress(n), n)
	d.after = append(s.upstreamAddresses(sb), s.parametersAddress(n), s.standbyPassfileAddress(n), s.parametersAddress(s.followed(sb)))
	if len(f.Host.Jobs) > 0 && !f.Host.Making() {
		d.Reason = "it runs: the marker of an earlier copy goes"
		d.remove(n, "it runs: take the marker away", markers(f.Host)...)
	}
	now, wanted := conninfo.Map(f.Server.ConnInfo.Reveal()), s.connInfo(sb)
	diffs := s.connDiffers(now, wanted, sb)
	var sets []string
	for _, key := range diffs {
		d.differ("primary_conninfo."+key, optional(now, key), optional(wanted, key), "")
	}
	if len(diffs) > 0 {
		sets = append(sets, "ALTER SYSTEM SET primary_conninfo = "+literal(formatConnInfo(wanted))+";")
		now = wanted
	}
	sets = append(sets, s.setDiffers(d, n, "primary_slot_name", sb.Slot)...)
	delay := s.setDiffers(d, n, "recovery_min_apply_delay", milliseconds(sb.ApplyDelay))
	if s.appliesLate(n) || sb.ApplyDelay == 0 {
		sets, delay = append(sets, delay...), nil
	}
	d.set(n, sets)
	awaited := s.reconnect(d, sb, now)
	if old := s.previousPassfile(n); awaited && old != nil && now["passfile"] != old.Path {
		s.removePassfile(d, n, *old, s.standbyPasswords(sb))
	}
	d.set(n, delay) // last: a standby that delays its replay keeps its connection
	if f.Host.AsideJob != nil && !f.Host.AsideJob.Running {
		d.Reason = "an earlier apply was cut off before it removed the old data directory"
		if !awaited {
			s.awaitReceiver(d, n, nil, "")
		}
		s.removeAside(d, n, "it streams: remove the old data directory", asideDirs(f.Host))
	}
	return d
}

// setDiffers notes a parameter that is not as wanted, and answers the statement that sets it.
func (s *scope) setDiffers(d *draft, n *topology.Node, name, wanted string) []string {
	setting, current := s.found(n).Server.Settings[name], s.found(n).Server.InForce(name)
	if same(setting, current, wanted) {
		return nil
	}
	d.differ(name, ptr(withUnit(setting, current)), ptr(withUnit(setting, wanted)), "")
	return []string{"ALTER SYSTEM SET " + name + " = " + literal(wanted) + ";"}
}

// set runs statements that set parameters, and makes the server take them.
func (d *draft) set(n *topology.Node, sets []string) {
	if len(sets) == 0 {
		return
	}
	for _, set := range sets {
		d.sql(n, "set", set)
	}
	d.worsen(Reload)
	d.reload(n)
}

// appliesLate tells that a standby delays its replay now.
func (s *scope) appliesLate(n *topology.Node) bool {
	const name = "recovery_min_apply_delay"
	server := s.found(n).Server
	return number(server.Settings[name], server.InForce(name)) > 0
}

// reconnect waits until the WAL receiver has the connection that is set. A receiver that
// runs keeps its own until replay has used up what is there: a standby that is paused has
// it until it is resumed, and one that delays its replay is made to let go of it.
func (s *scope) reconnect(d *draft, sb *topology.Standby, conn map[string]string) (awaited bool) {
	n, stale := sb.Node, outdated(s.found(sb.Node).Server)
	switch {
	case !d.changes("primary_") && (stale == "" || s.paused(n)):
		return false
	case s.paused(n):
		d.Effect = "the WAL receiver reconnects once replay is resumed"
		return false
	case !d.changes("primary_"):
		d.Reason = "its WAL receiver still has the connection from before " + stale + " was changed"
		d.worsen(Reload)
		d.reload(n)
	}
	d.Effect = "the WAL receiver reconnects"
	if s.appliesLate(n) && sb.ApplyDelay > 0 {
		d.Effect += " once it has replayed what it has received"
		d.sql(n, "a delayed standby would keep its connection for as long as WAL comes in", "SELECT pg_terminate_backend(pid) FROM pg_stat_wal_receiver;")
		return false
	}
	s.awaitReceiver(d, n, conn, sb.Slot)
	return true
}

// refusePausedName refuses to give a paused standby the name that commits are to wait for.
func (s *scope) refusePausedName(sb *topology.Standby, out *findings) {
	n := sb.Node
	if s.paused(n) && slices.Contains(s.syncMembers(), n) && s.applicationName(n) != n.Name {
		out.fail(sb.Range, "Replay is paused",
			"%s is to be a synchronous standby under the name %s, and is connected as %s until its replay goes on. Resume it on %s (SELECT pg_wal_replay_resume()), then plan again.",
			n.Name, n.Name, s.applicationName(n), n.Name)
	}
}

// tellOutdated reports a paused standby that keeps an old connection.
func (s *scope) tellOutdated(sb *topology.Standby, out *findings) {
	n := sb.Node
	if stale := outdated(s.found(n).Server); stale != "" && s.paused(n) {
		out.tellDrift(s.standbyAddress(n), n.Name, "%s still has the connection from before %s was changed, and reconnects once its replay is resumed: run SELECT pg_wal_replay_resume() on %s", n.Name, stale, n.Name)
	}
}

// upstreamAddresses are what must be in order before a standby connects.
func (s *scope) upstreamAddresses(sb *topology.Standby) []topology.Address {
	up := sb.Upstream
	all := []topology.Address{
		s.nodeAddress(up), s.standbyAddress(up), s.parametersAddress(up), s.hbaAddress(up),
		s.nodeAddress(s.cluster.Primary), s.parametersAddress(s.cluster.Primary),
	}
	if sb.Slot != "" {
		all = append(all, s.address("slot", sb.Slot))
	}
	if r := s.cluster.Replication.Role; r != nil {
		all = append(all, s.address("role", r.Name))
	}
	return all
}

// connInfo answers the primary_conninfo of a standby: no password, it is in the
// passfile. application_name is what synchronous_standby_names matches (sender.go).
func (s *scope) connInfo(sb *topology.Standby) map[string]string {
	r := s.cluster.Replication
	c := connTo(sb.Upstream, r.Role.Name, r)
	c[applicationKey] = s.standbyName(sb)
	if r.Role.Password.IsSet() {
		c["passfile"] = s.found(sb.Node).Host.Passfile.Path
	}
	if s.copiesSlots(sb.Node) {
		c["dbname"] = maintenance
	}
	text, known := s.connText(sb.Node)
	if !known {
		return c
	}
	now := conninfo.Map(text)
	c = keepRest(now, c, alwaysSaid())
	server := s.found(sb.Node).Server
	if server == nil {
		keepHosts(now, c)
	} else if r := server.Receiver; r != nil && r.SenderHost == sb.Upstream.Address && r.SenderPort == sb.Upstream.Port {
		keepHosts(now, c)
	}
	return c
}

// checkSecrets refuses to write a primary_conninfo again that has secrets which the
// topology cannot express.
func (s *scope) checkSecrets(sb *topology.Standby, out *findings) {
	now := s.connNow(sb.Node)
	if lost := lostSecrets(now); len(lost) > 0 && (s.recloned(sb.Node) || len(s.connDiffers(now, s.connInfo(sb), sb)) > 0) {
		out.fail(s.rangeOf(sb.Node), "Connection parameter would be lost",
			"%s: primary_conninfo changes, and has %s, a secret that the topology cannot express. Take it out of primary_conninfo (for a client certificate, use a key without a passphrase that only its owner can read), then plan again.",
			sb.Node.Name, strings.Join(lost, ", "))
	}
}

// connDiffers answers the keys in which a conninfo is not as wanted. A password that
// stands in the text or in a file of somebody else's, and is the right one, does for the
// passfile, so that a standby made by hand is adopted without a reconnect.
func (s *scope) connDiffers(now, wanted map[string]string, sb *topology.Standby) []string {
	return slices.DeleteFunc(connDiff(now, wanted, connKeys()), func(key string) bool {
		switch key {
		case "passfile":
			return s.hasPassword(now, sb.Node)
		case "dbname", "service", "connect_timeout":
			return wanted[key] == "" // nothing that streaming needs
		}
		return false
	})
}

// hasPassword tells that a conninfo leads to the right password without repltool's file:
// it holds it, or a password file does that only its owner can read.
func (s *scope) hasPassword(conn map[string]string, n *topology.Node) bool {
	password := conn["password"]
	if file := s.found(n).Host.StandbyPassfile; password == "" && file != nil && file.Mode&0o077 == 0 {
		password, _ = conninfo.Passfile(file.Text.Reveal(), conn["host"], strconv.Itoa(portOf(conn)), "replication", conn["user"])
	}
	return password != "" && password == s.cluster.Replication.Role.Password.Reveal()
}

// milliseconds writes a delay in the unit of recovery_min_apply_delay.
func milliseconds(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }

// recloned tells whether the node's data directory is (still) to be filled by a
// clone: it has none, ours is half made, or the user asked for a new one.
func (s *scope) recloned(n *topology.Node) bool {
	f := s.found(n)
	if s.cluster.Standby(n) == nil || f.Host == nil {
		return false
	}
	return s.replace[s.standbyAddress(n)] || f.Server == nil && f.ServerError == nil &&
		(slices.Contains([]facts.DataState{facts.DataAbsent, facts.DataEmpty}, f.Host.Data.State) || len(f.Host.Jobs) > 0)
}

func binary(h *facts.Host, name string) string { return path.Join(h.BinDir, name) }

func copyNote(bytes int64) string {
	if bytes == 0 {
		return "size unknown"
	}
	return fmt.Sprintf("copies %s", bytesText(bytes))
}
