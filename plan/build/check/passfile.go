package check

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Of a password file that instances share (cluster/passfile_block.go), libpq takes the first line
// that fits: two passwords for one connection cannot both be in it.

// checkPassfiles refuses to take another instance's password away, or to be given it.
func checkPassfiles(s *cluster.Cluster, n *topology.Node, f *facts.Node, out *draft.Findings) {
	if sb := s.Cluster.Standby(n); sb != nil && s.Cluster.Replication.Role != nil && s.Cluster.Replication.Role.Password.IsSet() {
		checkPassfile(s, n, f.Host.Passfile, s.StandbyPasswords(sb), s.RangeOf(n), "node", out)
	}
	if s.Live() != nil || s.IsNew() {
		checkPassfile(s, n, f.Host.SubscriptionPassfile, s.SubscriptionPasswords(), s.Cluster.Range, "cluster", out)
	}
}

func checkPassfile(s *cluster.Cluster, n *topology.Node, file facts.SecretFile, wanted plan.Text, at hcl.Range, kind string, out *draft.Findings) {
	text, err := s.FilledPassfile(wanted)
	if err != nil || text == "" || !file.Exists {
		return
	}
	b := s.PassfileBlock(n, file, wanted)
	if _, err := conftext.FindBlock(file.Text.Reveal(), b.Name); err != nil {
		out.Fail(at, "Invalid managed block", "%s: %s: %v. Correct the markers by hand, or remove all of these lines, then plan again.", n.Name, file.Path, err)
		return
	}
	for _, theirs := range conninfo.PassLines(cluster.Rest(b, file)) {
		for _, ours := range conninfo.PassLines(text) {
			if ours.Overlaps(theirs) && ours.Password != theirs.Password {
				out.Fail(at, "Conflicting passwords for one connection",
					"%s: %s has a line for %s with another password, from another topology or another instance on this host, and "+
						"libpq uses the first line that matches %s: one of the two could not log in. Rename the %s, so that it gets "+
						"a password file of its own. If nothing uses that line any more, remove it on the host by hand.",
					n.Name, file.Path, theirs.Where, ours.Where, kind)
				return
			}
		}
	}
}
