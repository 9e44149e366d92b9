package plan

import (
	"fmt"
	"time"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// health tells of states that need eyes: standbys that do not stream, lag and WAL
// beyond the thresholds, slots that are lost. Changes answer some of them; it is
// told all the same, since an apply takes time.
func health(s *scope, out *findings) {
	for _, sb := range s.cluster.Standbys {
		up := s.upstreamOf(s.found(sb.Node)) // as it is, not as it is wanted
		if up == nil {
			up = sb.Upstream
		}
		if s.running(sb.Node) && s.running(up) {
			s.standbyHealth(sb, up, out)
		}
	}
	subscriptionHealth(s, out)
	for _, n := range s.cluster.Members() {
		if s.running(n) {
			s.slotHealth(n, out)
		}
		if h := s.found(n).Host; h != nil && h.Service.Outside {
			out.health = append(out.health, Health{
				Address: s.nodeAddress(n), Severity: Warning,
				Message: fmt.Sprintf("%s runs outside its unit %s: systemd neither watches nor stops it", n.Name, h.Service.Unit),
				Hint:    "a restart by repltool moves it into the unit; by hand: stop it as it was started, then systemctl start " + h.Service.Unit,
			})
		}
		if h := s.found(n).Host; h != nil && h.Aside && !s.recloned(n) {
			out.health = append(out.health, Health{
				Address: s.nodeAddress(n), Severity: Warning,
				Message: fmt.Sprintf("%s: %s%s is left of an earlier clone", n.Name, h.DataDir, Aside), Hint: "look at it and remove it",
			})
		}
	}
}

// senderOf answers the upstream's process that serves the standby, or nil: by
// slot, else by application_name.
func (s *scope) senderOf(sb *topology.Standby, upstream *topology.Node) *facts.Sender {
	up := s.found(upstream).Server
	slot := s.found(sb.Node).Server.Settings["primary_slot_name"].Value
	for i, sender := range up.Senders {
		if slot != "" && sender.SlotName == slot {
			return &up.Senders[i]
		}
	}
	for i, sender := range up.Senders {
		if sender.ApplicationName == s.applicationName(sb.Node) && sender.State != "backup" {
			return &up.Senders[i]
		}
	}
	return nil
}

func (s *scope) standbyHealth(sb *topology.Standby, upstream *topology.Node, out *findings) {
	address := s.standbyAddress(sb.Node)
	bad := func(severity Severity, hint, format string, args ...any) {
		out.health = append(out.health, Health{Address: address, Severity: severity, Message: fmt.Sprintf(format, args...), Hint: hint})
	}
	f := s.found(sb.Node)
	sender := s.senderOf(sb, upstream)
	if sender == nil || sender.State != "streaming" {
		state := "is not connected"
		if sender != nil {
			state = "is in state " + sender.State
		}
		bad(Error, "look at the log of "+sb.Node.Name, "%s %s on its upstream %s", sb.Node.Name, state, upstream.Name)
		return
	}
	if r := f.Server.Receiver; r != nil && r.ReplayPaused {
		bad(Error, "SELECT pg_wal_replay_resume() once the cause is known", "%s has paused its replay", sb.Node.Name)
	}
	t := s.cluster.Thresholds
	if t.LagBytes != nil && sender.LagBytes != nil && *sender.LagBytes > *t.LagBytes {
		bad(Error, "", "%s is %s behind %s; the threshold is %s", sb.Node.Name, bytesText(*sender.LagBytes), upstream.Name, bytesText(*t.LagBytes))
	}
	if t.LagTime != nil && sb.ApplyDelay == 0 && sender.ReplayLag != nil && *sender.ReplayLag > *t.LagTime {
		bad(Error, "", "%s is %s behind %s; the threshold is %s", sb.Node.Name, sender.ReplayLag.Round(time.Millisecond), upstream.Name, *t.LagTime)
	}
}

func (s *scope) slotHealth(n *topology.Node, out *findings) {
	for _, slot := range s.found(n).Server.Slots {
		bad := func(severity Severity, hint, format string, args ...any) {
			out.health = append(out.health, Health{Address: s.address("slot", slot.Name), Severity: severity, Message: fmt.Sprintf(format, args...), Hint: hint})
		}
		limit := s.cluster.Thresholds.SlotRetained
		switch {
		case slot.WALStatus == "lost" && slot.Type == topology.SlotLogical:
			if !s.subscribersSlot(slot.Name) { // of which the subscription tells
				bad(Error, "its client has to begin anew: drop the slot and make another", "slot %s on %s has lost WAL that it needs", ident(slot.Name), n.Name)
			}
		case slot.WALStatus == "lost":
			bad(Error, s.wayOut(n, slot.Name), "slot %s on %s has lost WAL that it needs", ident(slot.Name), n.Name)
		case limit != nil && slot.RetainedBytes != nil && *slot.RetainedBytes > *limit:
			bad(Error, "", "slot %s on %s holds back %s of WAL; the threshold is %s", ident(slot.Name), n.Name, bytesText(*slot.RetainedBytes), bytesText(*limit))
		case slot.WALStatus == "unreserved":
			bad(Warning, "it is lost at the next checkpoint unless its user catches up", "slot %s on %s is beyond max_slot_wal_keep_size", ident(slot.Name), n.Name)
		}
	}
}

// wayOut tells what to do about a slot that has lost WAL.
func (s *scope) wayOut(n *topology.Node, slot string) string {
	for _, sb := range s.cluster.Standbys {
		if sb.Upstream == n && sb.Slot == slot {
			return "clone the standby again: -replace=" + s.standbyAddress(sb.Node)
		}
	}
	return "nothing brings that back: drop the slot on " + n.Name + " (SELECT pg_drop_replication_slot(" + literal(slot) + ")); one that the topology names is made anew, and who used it has to begin anew"
}
