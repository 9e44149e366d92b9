package plan

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// Of a password file that instances share (passfile_block.go), libpq takes the first line
// that fits: two passwords for one connection cannot both be in it.

// checkPassfiles refuses to take another instance's password away, or to be given it.
func (s *scope) checkPassfiles(n *topology.Node, f *facts.Node, out *findings) {
	if sb := s.cluster.Standby(n); sb != nil && s.cluster.Replication.Role != nil && s.cluster.Replication.Role.Password.IsSet() {
		s.checkPassfile(n, f.Host.Passfile, s.standbyPasswords(sb), s.rangeOf(n), "node", out)
	}
	if s.live() != nil || s.fresh() {
		s.checkPassfile(n, f.Host.SubscriptionPassfile, s.subscriptionPasswords(), s.cluster.Range, "cluster", out)
	}
}

func (s *scope) checkPassfile(n *topology.Node, file facts.SecretFile, wanted Text, at hcl.Range, kind string, out *findings) {
	text, err := s.filledPassfile(wanted)
	if err != nil || text == "" || !file.Exists {
		return
	}
	b := s.passfileBlock(n, file, wanted)
	if _, err := conftext.FindBlock(file.Text.Reveal(), b.Name); err != nil {
		out.fail(at, "Managed block cannot be read", "%s: %s: %v. Correct the markers by hand, or remove all of these lines, then plan again.", n.Name, file.Path, err)
		return
	}
	for _, theirs := range conninfo.PassLines(b.rest(file)) {
		for _, ours := range conninfo.PassLines(text) {
			if ours.Overlaps(theirs) && ours.Password != theirs.Password {
				out.fail(at, "Two passwords for one connection",
					"%s: %s has a line for %s with another password, of another topology or another instance on this host, and libpq uses the first line that fits %s: one of the two would not log in. Give the %s another name, so that it has a password file of its own. If nothing uses that line any more, remove it on the host by hand.",
					n.Name, file.Path, theirs.Where, ours.Where, kind)
				return
			}
		}
	}
}
