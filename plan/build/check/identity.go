package check

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Who is primary, and whose data a directory holds: nothing is started, followed or
// written over that may be another cluster, or another branch of this one.

// primaries looks at who is primary: the topology's, another one, or two.
func primaries(s *cluster.Cluster, out *draft.Findings) {
	c := s.Cluster
	var live []*topology.Node
	for _, n := range c.Members() {
		if f := s.Found(n); f.Server != nil && !f.Server.InRecovery {
			live = append(live, n)
		}
	}
	otherPrimaries(s, live, out)
	p := s.Found(s.Goal.Primary)
	if unread := s.Unread(); len(live) == 0 && p.Server != nil && p.Server.InRecovery && len(unread) > 0 {
		out.Finding(c.Address(), c.Range, "Primary is a standby",
			"%s is in recovery, and %s could not be read: the primary may be there. Nothing is changed. Do not promote a "+
				"node before you know. Make those nodes readable first, or name the live primary in the topology.",
			s.Goal.Primary.Name, strings.Join(unread, ", "))
	} else if up := s.UpstreamOf(p); len(live) == 0 && p.Server != nil && p.Server.InRecovery && up != nil && s.IsDown(up) && leftBehind(s, up) {
		out.Finding(c.Address(), c.Range, "Primary is a standby",
			"%s has begun timeline %d and accepts no writes yet: it is being promoted. %s, which it followed, is down and ended on timeline %d: do not start it as a primary, "+
				"there would be two. Nothing is changed. Plan again once %s accepts writes; its log says what it waits for, such as restore_command or recovery_end_command.",
			s.Goal.Primary.Name, timeline(p), up.Name, s.Found(up).Host.Control.Timeline, s.Goal.Primary.Name)
	} else if len(live) == 0 && p.Server != nil && p.Server.InRecovery {
		out.Finding(c.Address(), c.Range, "Primary is a standby",
			"%s is in recovery, and no node of the topology is a primary. Nothing is changed. Name the live primary in the topology%s",
			s.Goal.Primary.Name, promotable(s))
	}
}

// leftBehind reports whether the node that should lead has begun a timeline that its upstream,
// which is down, has not: a promotion that is not over yet.
func leftBehind(s *cluster.Cluster, up *topology.Node) bool {
	control := s.Found(up).Host.Control
	return control != nil && timeline(s.Found(s.Goal.Primary)) > control.Timeline
}

// promotable is which node to promote where none leads; "" where the one that should lead
// follows another server, which may be the primary.
func promotable(s *cluster.Cluster) string {
	p := s.Found(s.Goal.Primary)
	up := s.UpstreamOf(p)
	switch {
	case up != nil && s.Running(up) && p.Server.Receiver != nil && p.Server.Receiver.Status == "streaming":
		return ": " + s.Goal.Primary.Name + " follows " + up.Name + "."
	case up != nil && s.IsDown(up) && downAsStandby(s.Found(up)):
		return fmt.Sprintf(". %s follows %s, which is down, is a standby too, and may have more WAL. To continue, %s", s.Goal.Primary.Name, up.Name, startByHand(s, up))
	case up != nil && s.IsDown(up):
		text := fmt.Sprintf(". %s follows %s, which is down and may have more WAL: to start it, write primary = %s and apply.", s.Goal.Primary.Name, up.Name, up.ID)
		if s.Failed(up) {
			text += fmt.Sprintf(" To promote %s with that WAL: repltool failover %s -to=%s", s.Goal.Primary.Name, s.Cluster.Name, s.Goal.Primary.Name)
		}
		return text
	}
	if r := p.Server.Receiver; r != nil && r.Status == "streaming" {
		return fmt.Sprintf(": %s streams from a server on %s that is not a member of %s. To move the primary from there to %s, add that server to standbys.",
			s.Goal.Primary.Name, conninfo.Map(p.Server.ConnInfo.Reveal())["host"], s.Cluster.ID, s.Goal.Primary.Name)
	}
	n, has := s.MostWAL(s.Goal.Primary)
	if n == s.Goal.Primary {
		return ", or promote " + n.Name + "."
	}
	return fmt.Sprintf("; or, if there is none, promote %s and write primary = %s: it has the most WAL, up to %s on timeline %d.", n.Name, n.ID, has.LSN, has.Timeline)
}

// downAsStandby reports whether a server that is down was a standby, and starts as one.
func downAsStandby(f *facts.Node) bool { return f.Host.StandbySignal && !cluster.EndedAsPrimary(f) }

// startByHand is how somebody starts a server that repltool does not start while nobody leads. As
// a standby it accepts no writes: then it is known who has the most WAL, and a move of the
// primary that was interrupted is continued or taken back.
func startByHand(s *cluster.Cluster, n *topology.Node) string {
	h := s.Found(n).Host
	start, user := draft.Control(n, h, "start"), h.OSUser
	if start.Root {
		user = "root"
	}
	return fmt.Sprintf("start it as the standby that it is, then plan again. On %s, as %s:\n  %s", n.Name, user, strings.Join(start.Argv, " "))
}

// checkStillPrimary refuses to start a primary that is down while a standby may have
// taken its place: it would be a second one.
func checkStillPrimary(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	for _, sb := range s.Cluster.Standbys {
		m := s.Found(sb.Node)
		why := ""
		switch up := s.UpstreamOf(m); {
		case !m.Complete():
			why = "could not be read, and may have been promoted"
		case f.Host.Control != nil && timeline(m) > f.Host.Control.Timeline:
			why = fmt.Sprintf("is on timeline %d, and %s on %d: there was a promotion in between", timeline(m), n.Name, f.Host.Control.Timeline)
		case up != nil && up != sb.Upstream:
			why = "follows " + up.Name + " now"
		default:
			continue
		}
		out.Finding(s.ClusterAddress, s.Cluster.Range, "Stopped primary not started",
			"%s is down, and %s %s. If it were started now, %s could be a second primary. Find out which node is the "+
				"primary, and name it in the topology; or start %s by hand if you are sure.",
			n.Name, sb.Node.Name, why, n.Name, n.Name)
	}
}

// timeline is the newest that is known of a node.
func timeline(f *facts.Node) int {
	t := 0
	if f.Server != nil {
		t = f.Server.Timeline
	}
	if f.Host != nil && f.Host.Control != nil {
		t = max(t, f.Host.Control.Timeline)
	}
	return t
}

// checkNoHeirs refuses to create a new primary while standbys hold data, or may: they are
// of another cluster, perhaps the one whose primary was lost. -replace does not help: what
// it would move aside may be the only copy.
func checkNoHeirs(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	for _, sb := range s.Cluster.Standbys {
		f := s.Found(sb.Node)
		switch {
		case !f.Complete():
			out.Finding(s.ClusterAddress, s.Cluster.Range, "Unreadable standby",
				"%s has no cluster, and %s could not be read: it may hold the data of this one. repltool creates no new "+
					"primary before that is known, not even with -target. Make %s readable; or, if its host is new too, remove "+
					"it from standbys until then.",
				n.Name, sb.Node.Name, sb.Node.Name)
		case f.Host.Data.State == facts.DataCluster && !cluster.SameSystem(s.Found(s.Goal.Primary), f):
			out.Finding(s.ClusterAddress, s.Cluster.Range, "Primary without data",
				"%s has no cluster, but %s has one in %s. A new primary would have another system identifier, and would not "+
					"contain the data of %s. If %s has the data to keep, name it as the primary.",
				n.Name, sb.Node.Name, f.Host.DataDir, sb.Node.Name, sb.Node.Name)
		}
	}
}
