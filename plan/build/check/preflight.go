// Package check finds what speaks against a plan, before anything is changed: each
// finding names what is there, why it matters, and the way out.
package check

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Preflight finds what speaks against touching the cluster at all. Each finding
// is an error that names the node, what is there, and the way out; with any of
// them nothing of the cluster is changed.
func Preflight(s *cluster.Cluster, out *draft.Findings) {
	checkMachines(s, out)
	if out.Diags.HasErrors() {
		return // two live primaries may be one
	}
	primaries(s, out)
	if out.Diags.HasErrors() {
		return // what follows compares with the primary
	}
	for _, n := range s.Cluster.Members() {
		f := s.Found(n)
		if f.Error != nil || f.ServerError != nil || f.Host == nil {
			checkRead(n, f, out)
			if f.Error == nil && f.Host != nil {
				checkConfig(s, n, f, out) // a server that runs without its files cannot be read
			}
			continue // what rests on it is not planned
		}
		checkVersion(s, n, f, out)
		checkPort(s, n, f, out)
		checkListens(s, n, f, out)
		checkFiles(s, n, f, out)
		refuseLockout(s, n, f, out)
		refuseCutOff(s, n, f, out)
		checkTLS(s, n, f, out)
		checkResolved(s, n, out)
		checkPassfiles(s, n, f, out)
		checkMounted(s, n, f, out)
		checkLinks(s, n, f, out)
		checkTraces(s, n, f, out)
		checkConfig(s, n, f, out)
		switch sb := s.Cluster.Standby(n); {
		case f.Host.Data.State == facts.DataForeign && !f.Host.WasAbsent(f.Host.DataDir):
			out.Fail(s.RangeOf(n), "Data directory not empty",
				"%s: %s contains files that are not a PostgreSQL cluster, and no record of an earlier apply says that it was "+
					"empty before. repltool does not overwrite files: empty it, or set another data_dir.", n.Name, f.Host.DataDir)
		case sb != nil:
			checkStandby(s, sb, f, out)
			checkClusterNames(s, sb, out)
		default:
			checkPrimary(s, n, f, out)
		}
	}
	checkParameters(s, out)
	checkLocales(s, out)
	checkObjects(s, out)
	checkHotStandby(s, out)
}

// checkRead points at the node that could not be read for a reason that does not go by
// itself. It is no error: the others are compared all the same.
func checkRead(n *topology.Node, f *facts.Node, out *draft.Findings) {
	for _, e := range []*facts.ReadError{f.Error, f.ServerError} {
		if e != nil && e.Kind != facts.Unreachable && e.Kind != facts.TimedOut {
			out.Warn(n.Range, "Unreadable node", "%s: %s\n%s", n.Name, e.Text, e.Hint)
		}
	}
}

func checkVersion(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	h := f.Host
	running := h.Version
	if f.Server != nil {
		running = f.Server.Major()
	} else if h.Data.State == facts.DataCluster && !s.Recloned(n) {
		running = h.Data.Version
	}
	if s.Cluster.Version != 0 && running != s.Cluster.Version {
		out.Fail(s.Cluster.Range, "Version mismatch", "%s has PostgreSQL %d, but the topology has version = %d. Set the version that it has, or upgrade it first "+
			"(pg_upgrade): repltool does not upgrade.", n.Name, running, s.Cluster.Version)
		return
	}
	if running < 13 {
		out.Fail(s.RangeOf(n), "Unsupported version", "%s has PostgreSQL %d; repltool supports 13 to 18.", n.Name, running)
	}
	if s.Live() != nil && n != s.Now.Leader && running != s.Live().Major() {
		out.Fail(s.RangeOf(n), "Version mismatch",
			"%s has PostgreSQL %d, and its primary %s has %d. A standby needs the same major version: install postgresql-%d there.",
			n.Name, running, s.Now.Leader.Name, s.Live().Major(), s.Live().Major())
	}
}

func checkPrimary(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	if f.Server == nil && f.Host.Data.State == facts.DataCluster && !s.IsNew() && !f.Host.StandbySignal {
		checkStillPrimary(s, n, f, out)
	}
	switch {
	case s.InitUnclear():
		out.Finding(s.NodeAddress(n), n.Range, "initdb did not complete",
			"%s: the command that created %s failed or was killed, and a server may have been started in it since. If it "+
				"contains nothing of use, remove it by hand:\n  rm -rf %s",
			n.Name, f.Host.DataDir, strings.Join(append(s.ToMake(f.Host), cluster.JobDir(f.Host, cluster.JobID(f.Host, "init"))), " "))
	case f.Server == nil && f.Host.Data.State == facts.DataCluster && f.Host.StandbySignal && cluster.EndedAsPrimary(f):
		out.Finding(s.ClusterAddress, s.Cluster.Range, "Primary is a standby",
			"%s is down. It ended as a primary (pg_control: %s), and has standby.signal, with which it would start as a standby. Nothing is changed. If another server has taken its place, "+
				"name that one in the topology. If not, remove the file on %s and plan again:\n  rm %s", n.Name, f.Host.Control.State, n.Name, path.Join(f.Host.DataDir, "standby.signal"))
	case f.Server == nil && f.Host.Data.State == facts.DataCluster && f.Host.StandbySignal:
		out.Finding(s.ClusterAddress, s.Cluster.Range, "Primary is a standby",
			"%s is down, and its data directory is that of a standby (standby.signal). Name the live primary in the topology. If there is none, %s", n.Name, startByHand(s, n))
	case s.IsNew():
		if f.Host.Data.State != facts.DataCluster {
			checkEmpty(s, n, f, out)
		}
		if f.Host.LocaleMissing {
			out.Fail(s.Cluster.InitDB.Range, "Missing locale", "%s has no locale %q. Install it on that host, or set initdb { locale = \"C.UTF-8\" }.", n.Name, s.Cluster.InitDB.Locale)
		}
		checkNoHeirs(s, n, out)
	}
}

func checkStandby(s *cluster.Cluster, sb *topology.Standby, f *facts.Node, out *draft.Findings) {
	n, leading := sb.Node, s.Leading()
	p := s.Found(leading)
	identifier := ""
	if f.Host.Control != nil {
		identifier = f.Host.Control.SystemIdentifier
	}
	if f.Server != nil {
		identifier = f.Server.SystemIdentifier
	}
	switch {
	case s.Moves(n) && f.Host.Aside && f.Host.AsideJob == nil:
		out.Fail(s.RangeOf(n), "Name for the old data directory is taken",
			"%s: the data directory would be moved to %s%s until the new clone streams. That name exists, and no record "+
				"says that repltool created it, so it is not removed. Move it to another place:\n  mv %s%s OTHER",
			n.Name, f.Host.DataDir, cluster.Aside, f.Host.DataDir, cluster.Aside)
	case s.Recloned(n):
		checkClone(s, sb, f, out)
	case p.Server != nil && identifier != "" && identifier != p.Server.SystemIdentifier:
		out.Finding(s.NodeAddress(n), s.RangeOf(n), "System identifier mismatch",
			"%s: %s contains a cluster with system identifier %s, but %s has %s: it cannot be its standby. Move that "+
				"directory away, or, if its data may be lost, clone it with -replace=%s.",
			n.Name, f.Host.DataDir, identifier, leading.Name, p.Server.SystemIdentifier, s.StandbyAddress(n))
	case s.WasPrimary(n) && !s.Follows(n):
		out.Finding(s.NodeAddress(n), s.RangeOf(n), "Not a standby",
			"%s is down, and its data directory %s contains no standby.signal: it would start as a primary. %s", n.Name, f.Host.DataDir, ifPrimary(s, sb))
	case p.Server != nil && cluster.NewestTimeline(f) > cluster.NewestTimeline(p):
		out.Finding(s.NodeAddress(n), s.RangeOf(n), "Timeline divergence",
			"%s is on timeline %d, and its primary %s on %d: it followed a promotion that the primary did not. Clone it "+
				"again with -replace=%s, or name the right primary.",
			n.Name, cluster.NewestTimeline(f), leading.Name, cluster.NewestTimeline(p), s.StandbyAddress(n))
	case s.Diverged(n, leading) != nil:
		out.Finding(s.NodeAddress(n), s.RangeOf(n), "Timeline divergence",
			"%s. %s cannot follow %s. Decide which data to keep before anything is removed: name the node with the data to "+
				"keep as the primary, or save what only %s has, then clone it again with -replace=%s.",
			s.Diverged(n, leading).String(n.Name, leading.Name), n.Name, leading.Name, n.Name, s.StandbyAddress(n))
	case s.KnowsConn(n) && s.Repointed(sb):
		checkUpstreamReach(s, sb, f, out)
	}
}

// ifPrimary is what to do about a standby that may have been a primary.
func ifPrimary(s *cluster.Cluster, sb *topology.Standby) string {
	if s.Live() == nil {
		return fmt.Sprintf("If it was a primary, it may have the newest data of the cluster: write primary = %s. Do not remove or "+
			"replace it before you know.", sb.Node.ID)
	}
	if gone := s.WALGone(sb.Node); gone != "" {
		return fmt.Sprintf("It has nothing that %s lacks, but %s. Clone it again with -replace=%s.", s.Leading().Name, gone, s.StandbyAddress(sb.Node))
	}
	if s.Found(sb.Node).Host.WALEnd.Last == "" {
		return fmt.Sprintf("Where its WAL ends could not be read, so it is not known whether it has what %s lacks: run pg_waldump on %s. To discard what only it has, clone it again with -replace=%s.",
			s.Leading().Name, sb.Node.Name, s.StandbyAddress(sb.Node))
	}
	return fmt.Sprintf("If it was a primary, save what it has committed and %s has not received, if that matters, then clone it again with -replace=%s.", s.Leading().Name, s.StandbyAddress(sb.Node))
}

// CheckReplace refuses -replace of what is no standby.
func CheckReplace(t *topology.Topology, addresses []topology.Address) hcl.Diagnostics {
	var all []topology.Address
	for _, c := range t.Clusters {
		for _, sb := range c.Standbys {
			all = append(all, c.Address().Object("standby", sb.Node.Name))
		}
		for _, slot := range c.PermanentSlots {
			all = append(all, c.Address().Object("slot", slot.Name))
		}
	}
	for _, sub := range t.Subscriptions {
		all = append(all, sub.Address())
	}
	var diags hcl.Diagnostics
	for _, a := range addresses {
		if !slices.Contains(all, a) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Nothing to replace",
				Detail: fmt.Sprintf("-replace=%s: the topology has no standby, slot block or subscription with that address. Write "+
					"cluster.NAME.standby.NODE, cluster.NAME.slot.SLOT or subscription.NAME.%s", a, words.Near(a.String(), cluster.Texts(all))),
			})
		}
	}
	return diags
}
