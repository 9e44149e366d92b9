package plan

import (
	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Ways between the machines.

// checkResolved refuses names that n cannot resolve: its rules are made of addresses.
func (s *scope) checkResolved(n *topology.Node, f *facts.Node, out *findings) {
	for _, m := range s.cluster.Members() {
		if m != n && s.cluster.Replication.Role != nil && len(s.resolve(n, m.Address)) == 0 {
			out.fail(s.rangeOf(m), "Address does not resolve",
				"%s cannot resolve %q, the address of %s. Replication between them needs it: mend DNS or /etc/hosts there, or set address on the node.", n.Name, m.Address, m.Name)
		}
	}
}
