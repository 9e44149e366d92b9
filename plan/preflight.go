package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/providers/conftext"
	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// preflight finds what speaks against touching the cluster at all. Each finding
// is an error that names the node, what is there, and the way out; with any of
// them nothing of the cluster is changed.
func preflight(s *scope, out *findings) {
	primaries(s, out)
	if out.diags.HasErrors() {
		return // what follows compares with the primary
	}
	for _, n := range s.cluster.Members() {
		f := s.found(n)
		if f.Error != nil || f.ServerError != nil || f.Host == nil {
			continue // told with the node; what rests on it is not planned
		}
		s.checkVersion(n, f, out)
		s.checkFiles(n, f, out)
		s.refuseLockout(n, f, out)
		s.checkResolved(n, f, out)
		if sb := s.cluster.Standby(n); sb != nil {
			s.checkStandby(sb, f, out)
		} else {
			s.checkPrimary(n, f, out)
		}
	}
	s.checkParameters(out)
	s.checkSenders(out)
}

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
			out.fail(c.Range, "Another node is the primary",
				"%s is a live primary, and the topology says %s. Nothing is changed. Either write primary = %s, as it is, or move it back by a switchover to %s.",
				n.Name, c.Primary.Name, n.ID, c.Primary.Name)
		case p.Server != nil && p.Server.SystemIdentifier == s.found(n).Server.SystemIdentifier:
			out.fail(c.Range, "Two live primaries",
				"%s and %s are both primaries of the system %s: data written to one are not on the other. Nothing is changed. Find out which one clients write to, stop the other, then clone it again with -replace=%s.standby.NODE.",
				c.Primary.Name, n.Name, p.Server.SystemIdentifier, c.ID)
		case s.replace[s.standbyAddress(n)]:
		default:
			out.fail(s.rangeOf(n), "A cluster of somebody else's",
				"%s should be a standby of %s, but a primary with data of its own runs there: %s, system identifier %s. repltool writes over no data. Stop it and move its data directory away, or name another node, data_dir or port.",
				n.Name, c.Primary.Name, s.found(n).Host.DataDir, s.found(n).Server.SystemIdentifier)
		}
	}
	if len(live) == 0 && p.Server != nil && p.Server.InRecovery {
		out.fail(c.Range, "The primary is a standby",
			"%s is in recovery, and no node of the topology is a primary. Nothing is changed. Name the live primary in the topology, or promote %s.", c.Primary.Name, c.Primary.Name)
	}
}

func (s *scope) rangeOf(n *topology.Node) hcl.Range {
	if sb := s.cluster.Standby(n); sb != nil && sb.Range.Filename != "" {
		return sb.Range
	}
	return n.Range
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
		out.fail(s.cluster.Range, "Wrong version", "%s has PostgreSQL %d, and the topology wants %d.", n.Name, running, s.cluster.Version)
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

// checkFiles refuses files that are not as a block can be put in.
func (s *scope) checkFiles(n *topology.Node, f *facts.Node, out *findings) {
	for _, file := range []facts.File{f.Host.Conf, f.Host.HBA} {
		if _, err := conftext.FindBlock(file.Text, s.cluster.Name); err != nil {
			out.fail(s.rangeOf(n), "Broken block", "%s: %s: %s. Mend the markers by hand, then plan again.", n.Name, file.Path, err)
		}
	}
	if f.Server == nil || s.recloned(n) {
		return
	}
	block := blockOf(f.Host.Conf.Text, s.cluster.Name)
	for _, fs := range f.Server.FileSettings {
		waits := fs.Error == "setting could not be applied" && f.Server.Settings[fs.Name].Context == "postmaster"
		if fs.Error != "" && !waits && !(fs.File == f.Host.Conf.Path && block.has(fs.Line)) {
			out.fail(s.rangeOf(n), "The server's files have an error",
				"%s: %s, line %d: %s: %s. As long as it is there the server takes no change on reload and does not start again. Mend that line first.",
				n.Name, fs.File, fs.Line, fs.Name, fs.Error)
		}
	}
	block = blockOf(f.Host.HBA.Text, s.cluster.Name)
	for _, r := range f.Server.HBA {
		if r.Error != "" && !((r.File == "" || r.File == f.Host.HBA.Path) && block.has(r.Line)) {
			out.fail(s.rangeOf(n), "The server's files have an error",
				"%s: %s, line %d: %s. As long as it is there the server keeps its old rules on reload and does not start again. Mend that line first.",
				n.Name, f.Host.HBA.Path, r.Line, r.Error)
		}
	}
}

// paramFault is what is wrong with a wanted parameter, on some nodes.
type paramFault struct {
	at            hcl.Range
	summary, text string
	nodes         []string
}

// checkParameters lets the server judge the wanted values: by pg_settings where
// it runs, by its binary where it does not. A fault that several nodes have is
// told once.
func (s *scope) checkParameters(out *findings) {
	var faults []*paramFault
	for _, n := range s.cluster.Members() {
		for _, fault := range s.paramFaults(n) {
			i := slices.IndexFunc(faults, func(f *paramFault) bool {
				return f.at == fault.at && f.summary == fault.summary && f.text == fault.text
			})
			if i < 0 {
				faults = append(faults, fault)
				i = len(faults) - 1
			}
			faults[i].nodes = append(faults[i].nodes, n.Name)
		}
	}
	for _, f := range faults {
		out.fail(f.at, f.summary, "%s: %s", strings.Join(f.nodes, ", "), f.text)
	}
}

func (s *scope) paramFaults(n *topology.Node) []*paramFault {
	f := s.found(n)
	if !f.Complete() {
		return nil
	}
	wanted := s.cluster.ParametersOf(n)
	if f.Server == nil || s.recloned(n) {
		if f.Host.ParameterError == "" {
			return nil
		}
		return []*paramFault{{
			at: s.paramRange(wanted, f.Host.ParameterError), summary: "Parameter not accepted",
			text: fmt.Sprintf("PostgreSQL %d says: %s", f.Host.Version, f.Host.ParameterError),
		}}
	}
	var faults []*paramFault
	for _, name := range wanted.Names() {
		if fault := judge(f.Server, name, wanted[name]); fault != nil {
			faults = append(faults, fault)
		}
	}
	return faults
}

// paramRange answers where the parameter stands that the server's words name.
func (s *scope) paramRange(wanted topology.Parameters, words string) hcl.Range {
	for _, name := range wanted.Names() {
		if strings.Contains(words, `"`+name+`"`) {
			return wanted[name].Range
		}
	}
	return s.cluster.Range
}

// judge answers what a running server would say of a value, or nil.
func judge(server *facts.Server, name string, p topology.Parameter) *paramFault {
	setting, known := server.Settings[name]
	value := p.Value
	if p.Secret.IsSet() {
		value = p.Secret.Reveal()
	}
	_, err := normalise(setting, value)
	switch {
	case !known && strings.Contains(name, "."):
		return nil // an extension's: the server takes it as it is
	case !known:
		return &paramFault{
			at: p.Range, summary: "Unknown parameter",
			text: fmt.Sprintf("PostgreSQL %d has no parameter %q.%s", server.Major(), name, near(name, settingNames(server))),
		}
	case setting.Context == "internal":
		return &paramFault{
			at: p.Range, summary: "Parameter cannot be set",
			text: fmt.Sprintf("%q shows how the server was built or its cluster was made.", name),
		}
	case err != nil && p.Secret.IsSet():
		return &paramFault{at: p.Range, summary: "Parameter not accepted", text: fmt.Sprintf("%s does not take the (sensitive) value.", name)}
	case err != nil:
		return &paramFault{at: p.Range, summary: "Parameter not accepted", text: fmt.Sprintf("%s: %s.", name, err)}
	}
	return nil
}

func settingNames(server *facts.Server) []string {
	names := map[string]bool{}
	for name := range server.Settings {
		names[name] = true
	}
	return sortedKeys(names)
}

// checkResolved refuses names that n cannot resolve: its rules are made of addresses.
func (s *scope) checkResolved(n *topology.Node, f *facts.Node, out *findings) {
	for _, m := range s.cluster.Members() {
		if m != n && s.cluster.Replication.Role != nil && len(s.resolve(n, m.Address)) == 0 {
			out.fail(s.rangeOf(m), "Address does not resolve",
				"%s cannot resolve %q, the address of %s. Replication between them needs it: mend DNS or /etc/hosts there, or set address on the node.", n.Name, m.Address, m.Name)
		}
	}
}

func (s *scope) checkPrimary(n *topology.Node, f *facts.Node, out *findings) {
	if f.Server == nil && f.Host.Data.State == facts.DataCluster && !s.fresh() {
		s.checkStillPrimary(n, f, out)
	}
	switch {
	case f.Host.Job(jobID(n, "init")).Failed() && f.Host.Data.State == facts.DataCluster && f.Server == nil:
		out.fail(n.Range, "A cluster that was not made to its end",
			"%s: the command that made %s ended badly, and whether the cluster ever ran cannot be told. If nothing in it is of use, remove it by hand:\n  rm -rf %s",
			n.Name, f.Host.DataDir, strings.Join(halfMade(f.Host, jobID(n, "init")), " "))
	case f.Host.Data.State == facts.DataForeign && len(f.Host.Jobs) == 0:
		out.fail(n.Range, "Data directory is not empty",
			"%s: %s holds files that are no PostgreSQL cluster. repltool writes over nothing: empty it, or name another data_dir.", n.Name, f.Host.DataDir)
	case f.Server == nil && f.Host.Data.State == facts.DataCluster && f.Host.StandbySignal:
		out.fail(s.cluster.Range, "The primary is a standby",
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
		out.fail(s.cluster.Range, "A stopped primary is not started",
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
			out.fail(s.cluster.Range, "The primary has no data, but a standby has",
				"%s has no cluster, and %s holds one in %s. A new primary would have another system identifier, and the data of %s would not be in it. If %s has the data to keep, name it as the primary.",
				n.Name, sb.Node.Name, f.Host.DataDir, sb.Node.Name, sb.Node.Name)
		}
	}
}

// checkEmpty looks at the place where a data directory is to be made.
func (s *scope) checkEmpty(n *topology.Node, f *facts.Node, out *findings) {
	if f.Host.PortOwner != "" {
		out.fail(n.Range, "Port is taken", "%s: port %d is used by %s. Stop that, or set another port on the node.", n.Name, n.Port, f.Host.PortOwner)
	}
	socket := fmt.Sprintf("%s/.s.PGSQL.%d", f.Host.SocketDir, n.Port)
	if len(socket) > 107 {
		out.fail(n.Range, "Socket path is too long", "%s: %s has %d bytes, and a Unix socket's path has at most 107. Set a shorter socket_dir.", n.Name, socket, len(socket))
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
	case f.Host.Data.State == facts.DataForeign && len(f.Host.Jobs) == 0:
		out.fail(s.rangeOf(n), "Data directory is not empty",
			"%s: %s holds files that are no PostgreSQL cluster. repltool writes over nothing: empty it, or name another data_dir.", n.Name, f.Host.DataDir)
	case s.replace[s.standbyAddress(n)] && f.Host.Aside && f.Host.Data.State == facts.DataCluster:
		out.fail(s.rangeOf(n), "An older copy is in the way",
			"%s: %s%s is there, from an earlier clone, and the directory of today would go to that place. Look at it and remove it:\n  rm -r %s%s",
			n.Name, f.Host.DataDir, Aside, f.Host.DataDir, Aside)
	case s.recloned(n):
		if f.Server == nil && !f.Host.Running {
			s.checkEmpty(n, f, out)
		}
		s.checkDisk(sb, f, out)
	case p.Server != nil && identifier != "" && identifier != p.Server.SystemIdentifier:
		out.fail(s.rangeOf(n), "A cluster of somebody else's",
			"%s: %s holds a cluster with system identifier %s, and %s has %s: it is no standby of it. Move that directory away, or, if its data may go, clone it with -replace=%s.",
			n.Name, f.Host.DataDir, identifier, s.cluster.Primary.Name, p.Server.SystemIdentifier, s.standbyAddress(n))
	case f.Server == nil && !f.Host.StandbySignal:
		out.fail(s.rangeOf(n), "Not a standby",
			"%s is down, and its data directory %s has no standby.signal: it would start as a primary. If it was one, clone it again with -replace=%s.", n.Name, f.Host.DataDir, s.standbyAddress(n))
	case f.Server != nil && p.Server != nil && f.Server.Timeline > p.Server.Timeline:
		out.fail(s.rangeOf(n), "Timelines have parted",
			"%s is on timeline %d, and its primary %s on %d: it has seen a promotion that the primary has not. Clone it again with -replace=%s, or name the right primary.",
			n.Name, f.Server.Timeline, s.cluster.Primary.Name, p.Server.Timeline, s.standbyAddress(n))
	}
}

// checkDisk compares what a clone needs with what is free; a tenth on top is for
// WAL that comes while it copies.
func (s *scope) checkDisk(sb *topology.Standby, f *facts.Node, out *findings) {
	need := s.cloneBytes(sb)
	need += need / 10
	if len(f.Host.Disks) == 0 || len(f.Host.Jobs) > 0 {
		return
	}
	if d := f.Host.Disks[0]; d.Free < need {
		out.fail(s.rangeOf(sb.Node), "Disk is too small",
			"%s: %s on %s has %s free, and the clone of %s needs %s.", sb.Node.Name, f.Host.DataDir, d.Mount, bytesText(d.Free), sb.Upstream.Name, bytesText(need))
	}
}

// checkSenders refuses a topology whose standbys do not fit their upstream's
// max_wal_senders: one each, and one more for a clone.
func (s *scope) checkSenders(out *findings) {
	for _, up := range s.cluster.Members() {
		standbys, clones := 0, 0
		for _, sb := range s.cluster.Standbys {
			if sb.Upstream == up {
				standbys++
				if s.recloned(sb.Node) {
					clones = 1
				}
			}
		}
		limit := s.senders(up)
		if need := standbys + clones; standbys > 0 && limit >= 0 && need > limit {
			out.fail(s.cluster.Range, "Too few WAL senders",
				"%s feeds %d standbys and needs max_wal_senders = %d at least; it has %d. Set it in parameters.", up.Name, standbys, need, limit)
		}
	}
}

// senders answers max_wal_senders of n as it will be; -1 unknown.
func (s *scope) senders(n *topology.Node) int {
	if p, given := s.cluster.ParametersOf(n)["max_wal_senders"]; given {
		return int(number(facts.Setting{}, p.Value))
	}
	if f := s.found(n); f.Server != nil && !s.recloned(n) {
		return int(number(facts.Setting{}, f.Server.InForce("max_wal_senders")))
	}
	return -1
}

// checkReplace refuses -replace of what is no standby.
func checkReplace(t *topology.Topology, addresses []string) hcl.Diagnostics {
	var all []string
	for _, c := range t.Clusters {
		for _, sb := range c.Standbys {
			all = append(all, c.ID+".standby."+sb.Node.Name)
		}
	}
	var diags hcl.Diagnostics
	for _, a := range addresses {
		if !slices.Contains(all, a) {
			diags = append(diags, &hcl.Diagnostic{
				Severity: hcl.DiagError, Summary: "Nothing to replace",
				Detail: fmt.Sprintf("-replace=%s: the topology has no standby of that address. Write cluster.NAME.standby.NODE.%s", a, near(a, all)),
			})
		}
	}
	return diags
}
