package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Depth is 0 for the member that should lead, 1 for what follows it, and so on.
func (s *Cluster) Depth(n *topology.Node) int {
	d := 0
	for sb := s.Cluster.Standby(n); sb != nil && d <= len(s.Cluster.Standbys); sb = s.Cluster.Standby(sb.Upstream) {
		d++
	}
	return d
}

// Strays tells of a standby that does not stream, and that a later change of this plan
// gives another upstream, address or port: its restart alone does not help.
func (s *Cluster) Strays(sb *topology.Standby) bool {
	r := s.Found(sb.Node).Server.Receiver
	return s.Repointed(sb) && (r == nil || r.Status != "streaming")
}

// Followers are the standbys of the cluster that stream from n and are to stream from it
// after this plan or go on their own way behind it. Only they are waited for: who left the
// topology, or was never in it, may have no way back in (its rule and its password may
// have changed in this very plan); one that is cloned again is stopped in it.
func (s *Cluster) Followers(n *topology.Node) []*topology.Node {
	server := s.Found(n).Server
	if server == nil {
		return nil
	}
	var nodes []*topology.Node
	for _, sb := range s.Cluster.Standbys {
		up := s.UpstreamOf(s.Found(sb.Node))
		if s.Recloned(sb.Node) || !s.Running(sb.Node) || s.LockedOut(sb) || up != nil && up != n {
			continue
		}
		w := s.SenderOf(sb, n)
		if w != nil && w.State == "streaming" && !w.Copies() && !Decodes(server, *w) {
			nodes = append(nodes, sb.Node)
		}
	}
	slices.SortFunc(nodes, func(a, b *topology.Node) int { return strings.Compare(s.ApplicationName(a), s.ApplicationName(b)) })
	return nodes
}

// LockedOut tells of a standby that logs in in another way after this plan, and that may not
// come back before: the password of its connection changes where this plan does not write it.
func (s *Cluster) LockedOut(sb *topology.Standby) bool {
	f := s.Found(sb.Node)
	if f.Server == nil || !f.Server.InRecovery {
		return false
	}
	now := s.ConnNow(sb.Node)
	diffs := s.ConnDiffers(now, s.ConnInfo(sb), sb)
	return (slices.Contains(diffs, "passfile") || slices.Contains(diffs, "user")) && s.LosesLogin(now["user"])
}

// Decodes reports whether a WAL sender serves a logical slot.
func Decodes(server *facts.Server, sender facts.Sender) bool {
	slot := server.Slot(sender.SlotName)
	return slot != nil && slot.Type == topology.SlotLogical
}

// SessionOwn reports whether the value our sessions see is not the server's.
func SessionOwn(setting facts.Setting) bool {
	switch setting.Source {
	case "client", "session", "database", "user", "database user":
		return true
	}
	return false
}

func Differs(diffs []plan.Attribute, name string) bool {
	return slices.ContainsFunc(diffs, func(a plan.Attribute) bool { return a.Name == name })
}

// UndefinedSenders returns the WAL senders of n that serve standbys which the topology does not
// define: those that were never in it, and those that left it and still stream, whose slot
// repltool may have created. What only receives WAL, such as pg_receivewal, replays nothing.
func (s *Cluster) UndefinedSenders(n *topology.Node) []facts.Sender {
	server := s.Found(n).Server
	if server == nil || s.Recloned(n) {
		return nil
	}
	return list.Kept(server.Senders, func(w facts.Sender) bool {
		return w.ReplayLSN != "" && !w.Copies() && !Decodes(server, w) && !s.isMember(n, w)
	})
}

// UndefinedStandbys names the standbys of all members that the topology does not define.
func (s *Cluster) UndefinedStandbys() []string {
	var names []string
	for _, n := range s.Cluster.Members() {
		for _, w := range s.UndefinedSenders(n) {
			names = append(names, fmt.Sprintf("%s (%s, from %s)", w.ApplicationName, w.ClientAddr, n.Name))
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// HotStandbyNeed is the most of a hot-standby parameter that the member which leads has and the
// one that should lead will have; "" where nothing tells.
func (s *Cluster) HotStandbyNeed(name string) string {
	if s.Live() == nil {
		return s.Replayed(s.Goal.Primary, name)
	}
	now, then := s.Live().InForce(name), s.GoalLimit(name)
	if LimitOf(then) > LimitOf(now) {
		return then
	}
	return now
}
