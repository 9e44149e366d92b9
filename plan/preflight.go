package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// preflight finds what speaks against touching the cluster at all. Each finding
// is an error that names the node, what is there, and the way out; with any of
// them nothing of the cluster is changed.
func preflight(s *scope, out *findings) {
	s.checkMachines(out)
	if out.diags.HasErrors() {
		return // two live primaries may be one
	}
	primaries(s, out)
	if out.diags.HasErrors() {
		return // what follows compares with the primary
	}
	for _, n := range s.cluster.Members() {
		f := s.found(n)
		if f.Error != nil || f.ServerError != nil || f.Host == nil {
			checkRead(n, f, out)
			if f.Error == nil && f.Host != nil {
				s.checkConfig(n, f, out) // a server that runs without its files cannot be read
			}
			continue // what rests on it is not planned
		}
		s.checkVersion(n, f, out)
		s.checkPort(n, f, out)
		s.checkListens(n, f, out)
		s.checkFiles(n, f, out)
		s.refuseLockout(n, f, out)
		s.refuseCutOff(n, f, out)
		s.checkTLS(n, f, out)
		s.checkResolved(n, out)
		s.checkPassfiles(n, f, out)
		s.checkMounted(n, f, out)
		s.checkLinks(n, f, out)
		s.checkTraces(n, f, out)
		s.checkConfig(n, f, out)
		switch sb := s.cluster.Standby(n); {
		case f.Host.Data.State == facts.DataForeign && !f.Host.WasAbsent(f.Host.DataDir):
			out.fail(s.rangeOf(n), "Data directory is not empty",
				"%s: %s holds files that are no PostgreSQL cluster, and no record of an earlier apply says that it was empty before. repltool writes over nothing: empty it, or name another data_dir.", n.Name, f.Host.DataDir)
		case sb != nil:
			s.checkStandby(sb, f, out)
			s.checkClusterNames(sb, out)
		default:
			s.checkPrimary(n, f, out)
		}
	}
	s.checkParameters(out)
	s.checkLocales(out)
	s.checkObjects(out)
	s.checkHotStandby(out)
}

func (s *scope) rangeOf(n *topology.Node) hcl.Range {
	if sb := s.cluster.Standby(n); sb != nil && sb.Range.Filename != "" {
		return sb.Range
	}
	return n.Range
}

// checkRead points at the node that could not be read for a reason that does not go by
// itself. It is no error: the others are compared all the same.
func checkRead(n *topology.Node, f *facts.Node, out *findings) {
	for _, e := range []*facts.ReadError{f.Error, f.ServerError} {
		if e != nil && e.Kind != facts.Unreachable && e.Kind != facts.TimedOut {
			out.warn(n.Range, "Node cannot be read", "%s: %s\n%s", n.Name, e.Text, e.Hint)
		}
	}
}

func (s *scope) checkVersion(n *topology.Node, f *facts.Node, out *findings) {
	h := f.Host
	running := h.Version
	if f.Server != nil {
		running = f.Server.Major()
	} else if h.Data.State == facts.DataCluster && !s.recloned(n) {
		running = h.Data.Version
	}
	if s.cluster.Version != 0 && running != s.cluster.Version {
		out.fail(s.cluster.Range, "Wrong version", "%s has PostgreSQL %d, and the topology wants version = %d. Write the version that it has, or upgrade it first (pg_upgrade): repltool does not.", n.Name, running, s.cluster.Version)
		return
	}
	if running < 13 {
		out.fail(s.rangeOf(n), "Version not supported", "%s has PostgreSQL %d; repltool works with 13 to 18.", n.Name, running)
	}
	if p := s.primary(); p.Server != nil && n != s.cluster.Primary && running != p.Server.Major() {
		out.fail(s.rangeOf(n), "Wrong version",
			"%s has PostgreSQL %d, and its primary %s has %d. A standby needs the same major version: install postgresql-%d there.",
			n.Name, running, s.cluster.Primary.Name, p.Server.Major(), p.Server.Major())
	}
}

func (s *scope) checkPrimary(n *topology.Node, f *facts.Node, out *findings) {
	if f.Server == nil && f.Host.Data.State == facts.DataCluster && !s.fresh() {
		s.checkStillPrimary(n, f, out)
	}
	switch {
	case s.initUnclear():
		out.finding(s.nodeAddress(n), n.Range, "initdb did not complete",
			"%s: the command that created %s failed or was killed, and a server may have been started in it since. If it holds nothing of use, remove it by hand:\n  rm -rf %s",
			n.Name, f.Host.DataDir, strings.Join(append(s.toMake(f.Host), JobDir(f.Host, jobID(f.Host, "init"))), " "))
	case f.Server == nil && f.Host.Data.State == facts.DataCluster && f.Host.StandbySignal:
		out.finding(s.clusterAddress, s.cluster.Range, "The primary is a standby",
			"%s is down, and its data directory is that of a standby (standby.signal). Name the live primary in the topology.", n.Name)
	case s.fresh():
		if f.Host.Data.State != facts.DataCluster {
			s.checkEmpty(n, f, out)
		}
		if f.Host.LocaleMissing {
			out.fail(s.cluster.InitDB.Range, "Locale is missing", "%s has no locale %q. Install it there, or set initdb { locale = \"C.UTF-8\" }.", n.Name, s.cluster.InitDB.Locale)
		}
		s.checkNoHeirs(n, out)
	}
}

func (s *scope) checkStandby(sb *topology.Standby, f *facts.Node, out *findings) {
	n, p := sb.Node, s.primary()
	identifier := ""
	if f.Host.Control != nil {
		identifier = f.Host.Control.SystemIdentifier
	}
	if f.Server != nil {
		identifier = f.Server.SystemIdentifier
	}
	switch {
	case s.moves(n) && f.Host.Aside && f.Host.AsideJob == nil:
		out.fail(s.rangeOf(n), "Name of the old data directory is in use",
			"%s: the data directory would be moved to %s%s until the new one streams. That name exists, and no record says that repltool made it, so it is not removed. Move it to another place:\n  mv %s%s OTHER",
			n.Name, f.Host.DataDir, Aside, f.Host.DataDir, Aside)
	case s.recloned(n):
		s.checkClone(sb, f, out)
	case p.Server != nil && identifier != "" && identifier != p.Server.SystemIdentifier:
		out.finding(s.nodeAddress(n), s.rangeOf(n), "A cluster of somebody else's",
			"%s: %s holds a cluster with system identifier %s, and %s has %s: it is no standby of it. Move that directory away, or, if its data may go, clone it with -replace=%s.",
			n.Name, f.Host.DataDir, identifier, s.cluster.Primary.Name, p.Server.SystemIdentifier, s.standbyAddress(n))
	case f.Server == nil && !f.Host.StandbySignal:
		out.finding(s.nodeAddress(n), s.rangeOf(n), "Not a standby",
			"%s is down, and its data directory %s has no standby.signal: it would start as a primary. %s", n.Name, f.Host.DataDir, s.ifPrimary(sb))
	case f.Server != nil && p.Server != nil && f.Server.Timeline > p.Server.Timeline:
		out.finding(s.nodeAddress(n), s.rangeOf(n), "Timelines have parted",
			"%s is on timeline %d, and its primary %s on %d: it has seen a promotion that the primary has not. Clone it again with -replace=%s, or name the right primary.",
			n.Name, f.Server.Timeline, s.cluster.Primary.Name, p.Server.Timeline, s.standbyAddress(n))
	case s.knowsConn(n) && s.repointed(sb):
		s.checkReach(sb, f, out)
	}
}

// ifPrimary is what to do about a standby that may have been a primary.
func (s *scope) ifPrimary(sb *topology.Standby) string {
	if s.live() == nil {
		return fmt.Sprintf("If it was one, it may have the newest data of the cluster: write primary = %s. Do not remove or replace it before you know.", sb.Node.ID)
	}
	return fmt.Sprintf("If it was one, clone it again with -replace=%s.", s.standbyAddress(sb.Node))
}

// checkReplace refuses -replace of what is no standby.
func checkReplace(t *topology.Topology, addresses []topology.Address) hcl.Diagnostics {
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
				Detail: fmt.Sprintf("-replace=%s: the topology has no standby, slot block or subscription of that address. Write cluster.NAME.standby.NODE, cluster.NAME.slot.SLOT or subscription.NAME.%s", a, near(a.String(), texts(all))),
			})
		}
	}
	return diags
}
