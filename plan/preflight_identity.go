package plan

import (
	"fmt"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Who is primary, and whose data a directory holds: nothing is started, followed or
// written over that may be another cluster, or another branch of this one.

// primaries looks at who is primary: the topology's, another one, or two.
func primaries(s *scope, out *findings) {
	c := s.cluster
	var live []*topology.Node
	for _, n := range c.Members() {
		if f := s.found(n); f.Server != nil && !f.Server.InRecovery {
			live = append(live, n)
		}
	}
	p := s.primary()
	for _, n := range live {
		switch {
		case n == c.Primary:
		case p.Server == nil && p.Error == nil && p.ServerError == nil && !s.fresh(), p.Server != nil && p.Server.InRecovery:
			out.finding(c.ID, c.Range, "Another node is the primary",
				"%s is a live primary, and the topology says %s. Nothing is changed. Either write primary = %s, as it is, or move it back by a switchover to %s.",
				n.Name, c.Primary.Name, n.ID, c.Primary.Name)
		case p.Server != nil && p.Server.SystemIdentifier == s.found(n).Server.SystemIdentifier:
			out.finding(c.ID, c.Range, "Two live primaries",
				"%s and %s are both primaries of the system %s: data written to one are not on the other. Nothing is changed. Find out which one clients write to, stop the other, then clone it again with -replace=%s.standby.NODE.",
				c.Primary.Name, n.Name, p.Server.SystemIdentifier, c.ID)
		case s.replace[s.standbyAddress(n)]:
		default:
			out.finding(s.nodeAddress(n), s.rangeOf(n), "A cluster of somebody else's",
				"%s should be a standby of %s, but a primary with data of its own runs there: %s, system identifier %s. repltool writes over no data. Stop it and move its data directory away, or name another node, data_dir or port.",
				n.Name, c.Primary.Name, s.found(n).Host.DataDir, s.found(n).Server.SystemIdentifier)
		}
	}
	if len(live) == 0 && p.Server != nil && p.Server.InRecovery {
		out.finding(c.ID, c.Range, "The primary is a standby",
			"%s is in recovery, and no node of the topology is a primary. Nothing is changed. Name the live primary in the topology, or promote %s.", c.Primary.Name, c.Primary.Name)
	}
}

// checkStillPrimary refuses to start a primary that is down while a standby may have
// taken its place: it would be a second one.
func (s *scope) checkStillPrimary(n *topology.Node, f *facts.Node, out *findings) {
	for _, sb := range s.cluster.Standbys {
		m := s.found(sb.Node)
		why := ""
		switch up := s.upstreamOf(m); {
		case !m.Complete():
			why = "could not be read, and may have been promoted"
		case f.Host.Control != nil && timeline(m) > f.Host.Control.Timeline:
			why = fmt.Sprintf("is on timeline %d, and %s on %d: there was a promotion since", timeline(m), n.Name, f.Host.Control.Timeline)
		case up != nil && up != sb.Upstream:
			why = "follows " + up.Name + " now"
		default:
			continue
		}
		out.finding(s.cluster.ID, s.cluster.Range, "A stopped primary is not started",
			"%s is down, and %s %s. Started now, %s could be a second primary. Find out who is the primary, and name it in the topology; or start %s by hand if you are sure.",
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

// checkNoHeirs refuses to make a new primary while standbys hold data: they are
// of another cluster, perhaps the one whose primary was lost.
func (s *scope) checkNoHeirs(n *topology.Node, out *findings) {
	for _, sb := range s.cluster.Standbys {
		f := s.found(sb.Node)
		if f.Host != nil && f.Host.Data.State == facts.DataCluster && !s.recloned(sb.Node) {
			out.finding(s.cluster.ID, s.cluster.Range, "The primary has no data, but a standby has",
				"%s has no cluster, and %s holds one in %s. A new primary would have another system identifier, and the data of %s would not be in it. If %s has the data to keep, name it as the primary.",
				n.Name, sb.Node.Name, f.Host.DataDir, sb.Node.Name, sb.Node.Name)
		}
	}
}
