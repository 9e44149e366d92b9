package plan

import (
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// A node or a cluster that was renamed has its logins in a password file of the new name.
// Its block in the file of the old one is removed last, once nothing logs in by it: the
// block names the data directory, so that it is known whose it is, with a moved block or
// without one, and also where the apply that wrote the new file died before it came to this.

func (s *scope) earlierPassfileAddress(n *topology.Node) topology.Address {
	return s.nodeAddress(n).With(topology.PartEarlierPassfile)
}

func earlierPassfiles(s *scope, out *findings) {
	for _, n := range s.cluster.Members() {
		f := s.found(n)
		if f.Host == nil || f.Server == nil && !s.recloned(n) && s.cluster.Standby(n) != nil {
			continue // by which file a standby logs in is not known while it is down
		}
		d := newDraft(Delete, s.earlierPassfileAddress(n), n)
		d.Reason = "the password file of an earlier name of " + n.Name + " or of its cluster; nothing logs in by it any more"
		d.after = append(s.subscriptionAddresses(), s.standbyAddress(n))
		for _, file := range f.Host.EarlierPassfiles {
			if s.stillUsed(file) {
				continue
			}
			d.after = append(d.after, s.writersOf(file)...)
			s.removePassfile(d, n, file, Text{})
		}
		if len(d.steps) > 0 {
			out.put(d)
		}
	}
}

// stillUsed tells whether a subscription logs in by a password file and this plan neither
// gives it another one nor drops it, or whether that is not known.
func (s *scope) stillUsed(file facts.SecretFile) bool {
	return s.logicalUnknown() || slices.ContainsFunc(s.loginsBy(file.Path), func(o object) bool {
		for _, sub := range s.subscriptions() {
			if sub.Database == o.in && sub.Name == o.name {
				return sub.Lifecycle.Ignores("connection")
			}
		}
		return !s.isOurs(o)
	})
}

// writersOf are the changes of other nodes that have the file's name now: they write to it
// first.
func (s *scope) writersOf(file facts.SecretFile) []topology.Address {
	var all []topology.Address
	for _, c := range s.topology.Clusters {
		of := s.of(c)
		for _, m := range c.Members() {
			if h := s.found(m).Host; h != nil && (h.Passfile.Path == file.Path || h.SubscriptionPassfile.Path == file.Path) {
				all = append(all, of.standbyPassfileAddress(m), of.standbyAddress(m), of.nodeAddress(m), of.passfileAddress(m))
			}
		}
	}
	return all
}
