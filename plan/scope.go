package plan

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// maintenance is the database that holds the ledger and where what belongs to no
// database is done.
const maintenance = "postgres"

// shared is what the scopes of one plan share.
type shared struct {
	topology *topology.Topology
	facts    facts.Facts
	replace  map[topology.Address]bool
	targets  []topology.Address
	required map[topology.Address]bool // publications and subscriptions beside the targets
	inApply  bool
	renames  bool // the topology has moved blocks
	twins    map[*topology.Node]twin
	// ledgered are the subscriptions in the ledgers of all clusters.
	ledgered func() []madeSubscription
}

// scope is one cluster and what was found of it: what every kind reads.
type scope struct {
	*shared
	cluster        *topology.Cluster
	clusterAddress topology.Address
	once           once
}

// targeted tells whether an object that stands beside the clusters is to be planned: it
// is a target, or one requires it (see widen).
func (s *scope) targeted(address topology.Address) bool {
	return len(s.targets) == 0 || s.required[address] || slices.ContainsFunc(s.targets, func(t topology.Address) bool { return t.Contains(address) || address.Contains(t) })
}

func newShared(t *topology.Topology, f facts.Facts, o Options) *shared {
	w := &shared{topology: t, facts: f, replace: map[topology.Address]bool{}, targets: topology.ParseAddresses(o.Targets), inApply: o.InApply, renames: anyMoved(t)}
	for _, address := range topology.ParseAddresses(o.Replace) {
		w.replace[address] = true
	}
	w.ledgered = sync.OnceValue(w.madeSubscriptions)
	return w
}

// scope is that of one cluster.
func (w *shared) scope(c *topology.Cluster) *scope {
	return &scope{shared: w, cluster: c, clusterAddress: c.Address()}
}

func newScope(t *topology.Topology, c *topology.Cluster, f facts.Facts, o Options) *scope {
	return newShared(t, f, o).scope(c)
}

// found answers what was read of n; never nil.
func (s *scope) found(n *topology.Node) *facts.Node {
	if f := s.facts.Nodes[n.Name]; f != nil {
		return f
	}
	return &facts.Node{Name: n.Name, Error: &facts.ReadError{Kind: facts.ReadFailed, Text: "was not read"}}
}

func (s *scope) primary() *facts.Node { return s.found(s.cluster.Primary) }

// live answers the primary's server, or nil when there is none yet.
func (s *scope) live() *facts.Server { return s.primary().Server }

// running tells whether n has a server that was read.
func (s *scope) running(n *topology.Node) bool { return s.found(n).Server != nil }

// fresh tells that the cluster does not exist yet: its primary is to be made, or
// an earlier apply died over making it.
func (s *scope) fresh() bool {
	p := s.primary()
	return p.Complete() && p.Server == nil && (p.Host.Data.State != facts.DataCluster || p.Host.Job(jobID(p.Host, "init")) != nil)
}

func (s *scope) complete() bool {
	for _, n := range s.cluster.Members() {
		if !s.found(n).Complete() {
			return false
		}
	}
	return (s.live() != nil || s.fresh()) && !s.logicalUnknown()
}

// Addresses of the cluster's objects.

func (s *scope) address(kind, name string) topology.Address {
	return s.clusterAddress.Object(kind, name)
}

func (s *scope) nodeAddress(n *topology.Node) topology.Address {
	return s.address("node", n.Name)
}

func (s *scope) parametersAddress(n *topology.Node) topology.Address {
	return s.nodeAddress(n).With(topology.PartParameters)
}

func (s *scope) hbaAddress(n *topology.Node) topology.Address {
	return s.nodeAddress(n).With(topology.PartHBA)
}

func (s *scope) standbyAddress(n *topology.Node) topology.Address {
	return s.address("standby", n.Name)
}

func (s *scope) syncAddress() topology.Address   { return s.address("synchronous", "") }
func (s *scope) ledgerAddress() topology.Address { return s.address("ledger", "") }

// nodes tells what was found, for the plan's head.
func (s *scope) nodes() []Node {
	var nodes []Node
	for _, n := range s.cluster.Members() {
		nodes = append(nodes, s.describe(n))
	}
	return nodes
}

func (s *scope) describe(n *topology.Node) Node {
	f := s.found(n)
	d := Node{Name: n.Name, Host: n.Host, Cluster: s.cluster.ID, Reachable: f.Error == nil, Role: string(f.Role())}
	for _, e := range []*facts.ReadError{f.Error, f.ServerError} {
		if e != nil {
			d.Error, d.Hint = e.Text, e.Hint
		}
	}
	if f.Host != nil && f.Host.Control != nil {
		d.SystemIdentifier, d.Timeline = f.Host.Control.SystemIdentifier, f.Host.Control.Timeline
	}
	if f.Server != nil {
		d.Version, d.SystemIdentifier, d.Timeline = f.Server.Version, f.Server.SystemIdentifier, f.Server.Timeline
		if up := s.upstreamOf(f); up != nil {
			d.Upstream = up.Name
		}
	}
	return d
}

// followed answers the upstream of a standby as it is, not as it is wanted; where
// nobody can tell, the one wanted.
func (s *scope) followed(sb *topology.Standby) *topology.Node {
	return cmp.Or(s.upstreamOf(s.found(sb.Node)), sb.Upstream)
}

// findings is what the kinds found, in the order they ran.
type findings struct {
	refused   map[topology.Address]bool // publications and subscriptions with an error: they are not planned
	drafts    []*draft
	unchanged int
	drift     []Notice
	unmanaged []Notice
	health    []Health
	diags     hcl.Diagnostics
}

func (f *findings) add(g *findings) {
	f.drafts = append(f.drafts, g.drafts...)
	f.unchanged += g.unchanged
	f.drift = append(f.drift, g.drift...)
	f.unmanaged = append(f.unmanaged, g.unmanaged...)
	f.health = append(f.health, g.health...)
	f.diags = append(f.diags, g.diags...)
}

// refuse keeps an object from being planned; why is a diagnostic.
func (f *findings) refuse(address topology.Address) {
	if f.refused == nil {
		f.refused = map[topology.Address]bool{}
	}
	f.refused[address] = true
}

// put takes a draft, or counts the object as unchanged when it has no steps.
func (f *findings) put(d *draft) {
	if len(d.steps) == 0 {
		f.unchanged++
		return
	}
	f.drafts = append(f.drafts, d)
}

// tellDrift notes a difference that no change of this plan mends.
func (f *findings) tellDrift(address topology.Address, node, format string, args ...any) {
	f.drift = append(f.drift, Notice{Address: address.String(), Node: node, Detail: fmt.Sprintf(format, args...)})
}

// tellUnmanaged notes an object that is neither in the topology nor repltool's.
func (f *findings) tellUnmanaged(address topology.Address, node, format string, args ...any) {
	f.unmanaged = append(f.unmanaged, Notice{Address: address.String(), Node: node, Detail: fmt.Sprintf(format, args...)})
}

// unmanage notes one of a kind of which there are usually many.
func (f *findings) unmanage(kind string, address topology.Address, node, detail string) {
	f.unmanaged = append(f.unmanaged, Notice{Address: address.String(), Node: node, Kind: kind, Detail: detail})
}

func (f *findings) tellHealth(severity Severity, address topology.Address, hint, format string, args ...any) {
	f.health = append(f.health, Health{Address: address.String(), Severity: severity, Message: fmt.Sprintf(format, args...), Hint: hint})
}

func (f *findings) fail(r hcl.Range, summary, format string, args ...any) {
	f.diagnose(hcl.DiagError, r, summary, fmt.Sprintf(format, args...))
}

// finding is fail for a state of the live clusters that nobody may change over: an error
// of plan and apply, and a finding of drift and status, which have done their work when
// they report it.
func (f *findings) finding(address topology.Address, r hcl.Range, summary, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	f.health = append(f.health, Health{Address: address.String(), Severity: Error, Message: summary, Hint: detail})
	f.diagnose(hcl.DiagError, r, summary, detail).Extra = Finding{}
}

func (f *findings) warn(r hcl.Range, summary, format string, args ...any) {
	f.diagnose(hcl.DiagWarning, r, summary, fmt.Sprintf(format, args...))
}

func (f *findings) diagnose(severity hcl.DiagnosticSeverity, r hcl.Range, summary, detail string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail}
	if r.Filename != "" {
		d.Subject = &r
	}
	f.diags = append(f.diags, d)
	return d
}

// near answers " Did you mean …?" for a name that is close to one of known.
func near(name string, known []string) string {
	if n := topology.Nearest(strings.ToLower(name), known); n != "" {
		return fmt.Sprintf(" Did you mean %q?", n)
	}
	return ""
}
