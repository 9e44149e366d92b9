package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A member that leads and should not: what the topology's primary is says what that is.
// Advice is obeyed at once, so none names a server to lead, or to start, that is not known
// to be a standby of the one that leads.

// otherPrimaries looks at each primary that is not the topology's.
func otherPrimaries(s *cluster.Cluster, live []*topology.Node, out *draft.Findings) {
	p := s.Found(s.Goal.Primary)
	var rivals []*topology.Node // with the data of the topology's primary, which is down
	for _, n := range live {
		switch {
		case n == s.Goal.Primary:
		case s.MovedBefore(n):
			out.Finding(s.ClusterAddress, s.Cluster.Range, "Another node is the primary",
				"%s leads: an apply made it the primary in place of %s, and was interrupted before it had made %s its standby. The topology says %s still. Nothing is changed. "+
					"Write\n  primary = %s\nand %s among the standbys, and apply: that completes the move. If %s is to lead again, then: repltool switchover %s -to=%s%s",
				n.Name, s.Goal.Primary.Name, s.Goal.Primary.Name, s.Goal.Primary.Name, n.ID, s.Goal.Primary.ID, s.Goal.Primary.Name, s.Cluster.Name, s.Goal.Primary.Name, ahead(s, n))
		case othersData(p, s.Found(n)):
			refuseOthersData(s, n, p, out)
		case p.Server != nil && p.Server.InRecovery:
			out.Finding(s.ClusterAddress, s.Cluster.Range, "Another node is the primary",
				"%s is a live primary, but the topology says %s, and repltool did not make %s its standby. Nothing is changed. "+
					"Write primary = %s, as it is now. If %s is to lead: repltool switchover %s -to=%s%s",
				n.Name, s.Goal.Primary.Name, s.Goal.Primary.Name, n.ID, s.Goal.Primary.Name, s.Cluster.Name, s.Goal.Primary.Name, ahead(s, n))
		case p.Server != nil && s.Rejoins(n) != nil:
			out.Warn(s.RangeOf(n), "Old primary accepts writes",
				"%s is still a live primary, on timeline %d, which %s left at %s. The plan stops it first, and clones it again from %s. Whatever clients write to %s until then is discarded as well.",
				n.Name, s.Rejoins(n).Has.Timeline, s.Goal.Primary.Name, s.Rejoins(n).Left, s.Cluster.Standby(n).Upstream.Name, n.Name)
		case p.Server != nil:
			out.Finding(s.ClusterAddress, s.Cluster.Range, "Two live primaries",
				"%s and %s are both primaries of system %s: data written to one is missing on the other. Nothing is changed. "+
					"Find out which one has the data to keep, and name it as the primary. If it left the timeline of the other one, the plan then stops that one and takes it back as a standby; "+
					"else stop it, then clone it again with -replace=%s.standby.NODE.",
				s.Goal.Primary.Name, n.Name, p.Server.SystemIdentifier, s.Cluster.ID)
		case s.IsDown(s.Goal.Primary):
			rivals = append(rivals, n)
		default:
			tellUnknownPrimary(s, n, p, out)
		}
	}
	switch len(rivals) {
	case 0:
	case 1:
		tellTakenOver(s, rivals[0], out)
	default:
		tellRivals(s, rivals, out)
	}
}

// othersData reports whether two nodes are known to have data of different clusters.
func othersData(a, b *facts.Node) bool {
	is, other := cluster.SystemOf(a), cluster.SystemOf(b)
	return is != "" && other != "" && is != other
}

func refuseOthersData(s *cluster.Cluster, n *topology.Node, p *facts.Node, out *draft.Findings) {
	if s.Replace[s.StandbyAddress(n)] && s.Running(s.Goal.Primary) && !p.Server.InRecovery {
		return // it is cloned from the primary
	}
	out.Finding(s.NodeAddress(n), s.RangeOf(n), "System identifier mismatch",
		"%s should be a standby of %s, but a primary with its own data runs there: %s, system identifier %s. "+
			"repltool does not overwrite data. Stop it and move its data directory away, or use another node, data_dir "+
			"or port.",
		n.Name, s.Goal.Primary.Name, s.Found(n).Host.DataDir, s.Found(n).Server.SystemIdentifier)
}

// tellTakenOver reports a standby that somebody promoted while the topology's primary is down.
func tellTakenOver(s *cluster.Cluster, n *topology.Node, out *draft.Findings) {
	old := s.Goal.Primary
	out.Finding(s.ClusterAddress, s.Cluster.Range, "Another node is the primary",
		"%s is a live primary, but the topology says %s, which is down. %s leads%s. Nothing is changed. Do not start %s by hand: "+
			"it could be a second primary. Write\n  primary = %s\nand %s among the standbys, and plan: that says whether %s can follow or must be "+
			"cloned again. To have %s lead again, switch over to it once it streams.%s",
		n.Name, old.Name, n.Name, since(s, n), old.Name, n.ID, old.ID, old.Name, old.Name, ahead(s, n))
}

// since says where a primary left the timeline of before.
func since(s *cluster.Cluster, n *topology.Node) string {
	timeline := s.Found(n).Server.Timeline
	if h := s.Found(n).Host.History; h.Timeline == timeline && len(h.Left) > 0 {
		left := h.Left[len(h.Left)-1]
		return fmt.Sprintf(" on timeline %d, since it left timeline %d at %s", timeline, left.Timeline, left.LSN)
	}
	return fmt.Sprintf(" on timeline %d", timeline)
}

// tellRivals reports several standbys that were promoted while the topology's primary is down.
func tellRivals(s *cluster.Cluster, rivals []*topology.Node, out *draft.Findings) {
	names := make([]string, len(rivals))
	for i, n := range rivals {
		names[i] = n.Name + since(s, n)
	}
	out.Finding(s.ClusterAddress, s.Cluster.Range, "Two live primaries",
		"%s lead, and %s, the primary of the topology, is down: data written to one is missing on the others. Nothing is changed. "+
			"Find out which one clients write to, and stop the others. Then name that one as the primary, and clone the others again with -replace=%s.standby.NODE.",
		strings.Join(names, " and "), s.Goal.Primary.Name, s.Cluster.ID)
}

// tellUnknownPrimary reports a primary where nothing is known of the data of the topology's.
func tellUnknownPrimary(s *cluster.Cluster, n *topology.Node, p *facts.Node, out *draft.Findings) {
	if ofThisCluster(s, n) {
		out.Finding(s.ClusterAddress, s.Cluster.Range, "Another node is the primary",
			"%s is a live primary (system identifier %s, timeline %d), and %s %s. Nothing is changed. If %s has taken "+
				"its place, write that in the topology:\n"+
				"  primary = %s\n"+
				"and remove %s from standbys until its host is back; then add it again and clone it with -replace=%s.%s",
			n.Name, s.Found(n).Server.SystemIdentifier, s.Found(n).Server.Timeline, s.Goal.Primary.Name, why(s, p), n.Name, n.ID, s.Goal.Primary.Name, s.StandbyAddress(s.Goal.Primary), ahead(s, n))
		return
	}
	out.Finding(s.ClusterAddress, s.Cluster.Range, "Another node is the primary",
		"%s is a live primary (system identifier %s, timeline %d), and %s %s. Nothing is changed. If %s has the data "+
			"of this cluster, write that in the topology:\n"+
			"  primary = %s\nIf it is another cluster, leave it as it is, and give the node another data_dir and port.",
		n.Name, s.Found(n).Server.SystemIdentifier, s.Found(n).Server.Timeline, s.Goal.Primary.Name, why(s, p), n.Name, n.ID)
}

// ahead names the standbys that have WAL which a live primary does not.
func ahead(s *cluster.Cluster, primary *topology.Node) string {
	text := ""
	for _, n := range s.Cluster.Members() {
		if d := s.Diverged(n, primary); d != nil {
			text += "\nBefore anything is cloned again: " + d.String(n.Name, primary.Name) + "."
		}
	}
	return text
}

// ofThisCluster tells of a live primary that it is of this cluster: it has the cluster's block,
// repltool's ledger of it, or has been promoted.
func ofThisCluster(s *cluster.Cluster, n *topology.Node) bool {
	f := s.Found(n)
	ledger := f.Server.Ledger != nil && slices.ContainsFunc(f.Server.Ledger.Managed, func(m facts.Managed) bool { return s.ClusterAddress.Contains(topology.ParseAddress(m.Address)) })
	return ledger || f.Server.Timeline > 1 || f.Host != nil && s.ConfBlock(f.Host).Found()
}

// why tells why nothing is known of a server that should be the primary.
func why(s *cluster.Cluster, p *facts.Node) string {
	switch {
	case !p.Complete():
		return "could not be read"
	case s.IsNew():
		return "has no cluster"
	}
	return "is down"
}
