package topology

import (
	"fmt"
	"net/netip"
	"path"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// validate makes the checks that need more than one object. Each object has
// been read by then; what is missing in one has been reported and is passed
// over here.
func (e *evaluator) validate() {
	e.checkNames()
	e.checkEndpoints()
	e.checkInstances()
	e.checkDataDirs()
	e.checkMembership()
	for _, c := range e.top.Clusters {
		e.checkCluster(c)
	}
	e.checkPublications()
	e.checkSubscriptions()
	e.checkDecoding()
	e.checkUnused()
	e.checkEmptyPublications()
	e.checkEmpty()
}

// checkNames: application_name is compared without regard to case, so names
// that differ by it alone are one name to synchronous_standby_names.
func (e *evaluator) checkNames() {
	seen := map[string]*Node{}
	for _, n := range e.top.Nodes {
		name := strings.ToLower(n.Name)
		if first := seen[name]; first != nil {
			e.add(problem(n.Range, "Duplicate node name",
				"%s and %s (at %s) are both named %q. The name of a node is its label or its for_each key, and PostgreSQL "+
					"compares it without regard to case. Rename one of them.",
				n.ID, first.ID, where(first.Range), n.Name))
			continue
		}
		seen[name] = n
	}
}

func (e *evaluator) checkEndpoints() {
	seen := map[string]*Node{}
	for _, n := range e.top.Nodes {
		if n.Address == "" {
			continue
		}
		endpoint := fmt.Sprintf("%s port %d", strings.ToLower(n.Address), n.Port)
		if first := seen[endpoint]; first != nil {
			e.add(problem(e.places.of(n, "address", e.places.of(n, "host", n.Range)), "Duplicate node endpoint",
				"%s and %s (at %s) both have the endpoint %s. Two instances on one machine need different ports.",
				n.ID, first.ID, where(first.Range), endpoint))
			continue
		}
		seen[endpoint] = n
	}
}

// checkInstances refuses two nodes that are one instance under two addresses: one machine,
// one port, and no two data directories that would tell them apart.
func (e *evaluator) checkInstances() {
	for i, n := range e.top.Nodes {
		for _, first := range e.top.Nodes[:i] {
			same := n.Host != "" && strings.EqualFold(n.Host, first.Host) && n.Access == first.Access && n.Port == first.Port &&
				n.SSH.Port == first.SSH.Port && n.SSH.ProxyJump == first.SSH.ProxyJump && !strings.EqualFold(n.Address, first.Address)
			if same && (n.DataDir == "" || first.DataDir == "") {
				e.add(problem(e.places.of(n, "host", n.Range), "Duplicate instance",
					"%s and %s (at %s) both have port %d on host %s, which is a single PostgreSQL instance. Change host or port "+
						"of one of them, or set data_dir on each.",
					n.ID, first.ID, where(first.Range), n.Port, n.Host))
			}
		}
	}
}

func (e *evaluator) checkDataDirs() {
	seen := map[string]*Node{}
	for _, n := range e.top.Nodes {
		if n.DataDir == "" || n.Host == "" && n.Access != AccessLocal {
			continue
		}
		machine := strings.ToLower(n.Host)
		if onThisMachine(n) {
			machine = "this machine"
		}
		directory := path.Clean(n.DataDir) + " on " + machine
		if first := seen[directory]; first != nil {
			e.add(problem(e.places.of(n, "data_dir", n.Range), "Duplicate data directory",
				"%s and %s (at %s) both use the data directory %s. Each instance needs its own.",
				n.ID, first.ID, where(first.Range), directory))
			continue
		}
		seen[directory] = n
	}
}

// onThisMachine tells nodes that are on this machine whatever name they use.
func onThisMachine(n *Node) bool {
	addr, err := netip.ParseAddr(n.Host)
	return n.Access == AccessLocal || n.Host == "localhost" || err == nil && addr.IsLoopback()
}

// checkMembership: a node is in one cluster, once.
func (e *evaluator) checkMembership() {
	owner := map[*Node]*Cluster{}
	for _, c := range e.top.Clusters {
		for i, n := range c.Members() {
			if n == nil {
				continue
			}
			other := owner[n]
			if other == nil {
				owner[n] = c
				continue
			}
			e.reportMember(c, other, n, e.memberRange(c, i))
		}
	}
}

// checkUnused comes last and only says what is sure: with errors, what would
// use the node may not have been read.
func (e *evaluator) checkUnused() {
	if e.diags.HasErrors() || e.unknowns > 0 {
		return
	}
	used := map[*Node]bool{}
	for _, c := range e.top.Clusters {
		for _, n := range c.Members() {
			used[n] = true
		}
	}
	for _, n := range e.top.Nodes {
		if !used[n] {
			e.add(caution(n.Range, "Node without a cluster",
				"No cluster has %s as its primary or as a standby, so repltool ignores it.", n.ID))
		}
	}
}

func (e *evaluator) reportMember(c, other *Cluster, n *Node, at hcl.Range) {
	if c != other {
		e.add(problem(at, "Node in two clusters", "%s is also in %s (at %s). A node belongs to one cluster only.",
			n.ID, other.ID, where(other.Range)))
		return
	}
	as := "a standby"
	if c.Primary == n {
		as = "the primary"
	}
	e.add(problem(at, "Duplicate cluster member", "%s is already %s of %s. Remove one of the two.", n.ID, as, c.ID))
}

// memberRange returns where the member of that index was written.
func (e *evaluator) memberRange(c *Cluster, i int) hcl.Range {
	if c.Primary != nil {
		i--
	}
	if i < 0 {
		return e.places.of(c, "primary", c.Range)
	}
	s := c.Standbys[i]
	return e.places.of(s, "node", s.Range)
}
