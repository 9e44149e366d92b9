package topology

import (
	"fmt"
	"strings"
)

func (e *evaluator) checkCluster(c *Cluster) {
	e.checkUpstreams(c)
	e.checkSlotNames(c)
	e.checkSynchronous(c)
	e.checkReplication(c)
	e.checkMemberships(c)
}

// checkUpstreams: every standby follows a member, and in the end the primary.
func (e *evaluator) checkUpstreams(c *Cluster) {
	members := map[*Node]bool{}
	for _, n := range c.Members() {
		members[n] = true
	}
	for _, s := range c.Standbys {
		at := e.places.of(s, "upstream", s.Range)
		switch {
		case s.Upstream == nil || s.Node == c.Primary:
		case s.Upstream == s.Node:
			e.add(problem(at, "Standby with itself as upstream",
				"%s is its own upstream. Name another member of %s, or omit upstream to follow the primary.", s.Node.ID, c.ID))
		case !members[s.Upstream]:
			e.add(problem(at, "Upstream outside the cluster",
				"%s is not a member of %s, so %s cannot follow it. The members are %s.",
				s.Upstream.ID, c.ID, s.Node.ID, nodeList(c.Members())))
		default:
			e.checkLoop(c, s)
		}
	}
}

// checkLoop reports a cascade that comes back to s. Every member of a circle
// sees it: the first by name reports it.
func (e *evaluator) checkLoop(c *Cluster, s *Standby) {
	chain := []*Node{s.Node}
	for at := s; at != nil && at.Upstream != nil && len(chain) <= len(c.Standbys); at = c.Standby(at.Upstream) {
		chain = append(chain, at.Upstream)
		if at.Upstream == s.Node {
			break
		}
		if at.Upstream.Name < s.Node.Name {
			return
		}
	}
	if chain[len(chain)-1] != s.Node {
		return
	}
	e.add(problem(e.places.of(s, "upstream", s.Range), "Circular cascade",
		"These standbys follow each other, and none of them follows the primary: %s. Omit upstream on one of them.", nodeChain(chain)))
}

func nodeChain(nodes []*Node) string {
	var names []string
	for _, n := range nodes {
		names = append(names, n.ID)
	}
	return strings.Join(names, " -> ")
}

func nodeList(nodes []*Node) string { return strings.ReplaceAll(nodeChain(nodes), " -> ", ", ") }

// checkSlotNames: slots are unique on one server. Names of nodes fold to the
// few letters that a slot may have, so two of them may become one.
func (e *evaluator) checkSlotNames(c *Cluster) {
	type place struct {
		upstream *Node
		slot     string
	}
	taken := map[place]string{}
	seen := map[*Node]bool{c.Primary: true} // a node that is twice here is reported as that
	for _, s := range c.PermanentSlots {
		taken[place{c.Primary, s.Name}] = fmt.Sprintf("the slot block at %s", where(s.Range))
	}
	for _, s := range c.Standbys {
		if s.Slot == "" || s.Upstream == nil || seen[s.Node] {
			continue
		}
		seen[s.Node] = true
		key := place{s.Upstream, s.Slot}
		if other := taken[key]; other != "" {
			e.add(problem(e.places.of(s, "slot", s.Range), "Duplicate slot name",
				"The slot of standby %s on %s would be named %q, which is also the name of %s. Choose another name with slot "+
					"in a standby block.",
				s.Node.ID, s.Upstream.ID, s.Slot, other))
			continue
		}
		taken[key] = "the slot of standby " + s.Node.ID
	}
}

// checkSynchronous: a commit waits for these, so each must be able to confirm.
func (e *evaluator) checkSynchronous(c *Cluster) {
	sync := c.Synchronous
	if sync == nil || e.doubtful[c] {
		return
	}
	seen := map[*Node]bool{}
	for i, n := range sync.Standbys {
		s := c.Standby(n)
		at := e.places.of(sync, elementName(i), sync.Range)
		switch {
		case seen[n]:
			e.add(problem(at, "Duplicate synchronous standby", "%s is listed twice.", n.ID))
		case s == nil:
			e.add(problem(at, "Synchronous node is not a standby",
				"%s is not a standby of %s, so commits would wait for it forever. The standbys are %s.", n.ID, c.ID, standbyList(c)))
		case s.Upstream != nil && s.Upstream != c.Primary:
			e.add(problem(at, "Cascading synchronous standby",
				"%s follows %s, and PostgreSQL waits only for standbys that are connected to the primary directly.", n.ID, s.Upstream.ID))
		case s.ApplyDelay > 0:
			e.add(caution(at, "Delayed synchronous standby",
				"%s applies changes %s late. With synchronous_commit = remote_apply, every commit waits that long.", n.ID, s.ApplyDelay))
		}
		seen[n] = true
	}
	if sync.Number > len(seen) {
		e.add(problem(e.places.of(sync, "number", sync.Range), "Too few synchronous standbys",
			"number is %d, and the set has only %d. Reduce number, or add standbys.", sync.Number, len(seen)))
	}
}

func standbyList(c *Cluster) string {
	var nodes []*Node
	for _, s := range c.Standbys {
		nodes = append(nodes, s.Node)
	}
	if nodes == nil {
		return "none"
	}
	return nodeList(nodes)
}

// checkReplication: standbys must be able to log in.
func (e *evaluator) checkReplication(c *Cluster) {
	r := &c.Replication
	e.checkCertificate(c)
	if r.Role == nil {
		if _, named := e.places[r]["role"]; !named {
			e.reportNoRole(c)
		}
		return
	}
	at := e.places.of(r, "role", r.Role.Range)
	switch {
	case !r.Role.Replication && !r.Role.Superuser:
		e.add(problem(at, "Role without REPLICATION",
			"Standbys connect as %q, which does not have replication = true.", r.Role.Name))
	case !r.Role.Login:
		e.add(problem(at, "Role without LOGIN", "Standbys connect as %q, which has login = false.", r.Role.Name))
	case r.Method == "scram-sha-256" && !r.Role.Password.IsSet() && len(c.Standbys) > 0:
		if _, given := e.places[r.Role]["password"]; given {
			return // what is wrong with it is reported already
		}
		e.add(problem(r.Role.Range, "Replication role without a password",
			"Standbys connect as %q with method scram-sha-256, which requires a password. Set one on the role, for "+
				"example\n  password = env(\"REPLICATOR_PASSWORD\")\nor set method = \"cert\" in the replication block.", r.Role.Name))
	}
}

// reportNoRole tells two reasons apart: several roles that fit, or none.
func (e *evaluator) reportNoRole(c *Cluster) {
	fitting := replicationRoles(c)
	switch {
	case len(fitting) > 1:
		e.add(problem(c.Replication.Range, "Ambiguous replication role",
			"The roles %s have replication = true. Specify which one the standbys connect as: replication { role = %q }.",
			allOfList(fitting), fitting[0]))
	case len(c.Standbys) > 0 && !e.doubtful[c]:
		e.add(problem(c.Range, "No replication role",
			"%s has standbys, which need a role to connect as. Add, for example\n"+
				"  role \"replicator\" {\n    replication = true\n    password    = env(\"REPLICATOR_PASSWORD\")\n  }", c.ID))
	}
}

func replicationRoles(c *Cluster) []string {
	var names []string
	for _, role := range c.Roles {
		if role.Replication {
			names = append(names, role.Name)
		}
	}
	return names
}

func (e *evaluator) checkCertificate(c *Cluster) {
	r := &c.Replication
	if r.Method == "cert" && (r.SSLMode == "disable" || r.SSLMode == "allow") {
		e.add(problem(e.places.of(r, "sslmode", r.Range), "Certificate authentication without TLS",
			"method = \"cert\" requires TLS, and sslmode = %q does not enforce it. Use \"require\" or stronger.", r.SSLMode))
	}
}
