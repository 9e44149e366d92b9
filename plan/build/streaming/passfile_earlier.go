package streaming

import (
	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A node or a cluster that was renamed has its logins in a password file of the new name.
// Its block in the file of the old one is removed last, once nothing logs in by it: the
// block names the data directory, so that it is known whose it is, with a moved block or
// without one, and also where the apply that wrote the new file died before it came to this.

func EarlierPassfiles(s *cluster.Cluster, out *draft.Findings) {
	for _, n := range s.Cluster.Members() {
		f := s.Found(n)
		if f.Host == nil || f.Server == nil && !s.Recloned(n) && s.Cluster.Standby(n) != nil {
			continue // by which file a standby logs in is not known while it is down
		}
		d := draft.NewDraft(plan.Delete, s.EarlierPassfileAddress(n), n)
		d.Reason = "the password file under an earlier name of " + n.Name + " or of its cluster; nothing uses it any more"
		d.Needs = append(s.SubscriptionAddresses(), s.StandbyAddress(n))
		passedLogins(s, d, n)
		for _, file := range f.Host.EarlierPassfiles {
			if s.StillUsed(file) {
				continue
			}
			d.Needs = append(d.Needs, s.WritersOf(file)...)
			draft.RemovePassfile(s, d, n, file, plan.Text{})
		}
		if len(d.Steps) > 0 {
			out.Put(d)
		}
	}
}

// passedLogins removes the lines by which subscriptions logged in until this plan.
func passedLogins(s *cluster.Cluster, d *draft.Draft, n *topology.Node) {
	passing, drops := s.PassingLogins(n)
	if !drops {
		return
	}
	d.Action, d.Reason = plan.Update, "no subscription logs in by these lines any more"
	d.Needs = append(d.Needs, s.PassfileAddress(n))
	wanted, file := s.SubscriptionPasswords(), s.Found(n).Host.SubscriptionPassfile
	keep := keptLines(s, n, wanted, &draft.Findings{})
	if wanted.Text == "" && len(keep) == 0 {
		draft.RemovePassfile(s, d, n, file, plan.Text{})
		return
	}
	if wanted.Text == "" {
		wanted = plan.Text{Text: s.PassfileHead()}
	}
	draft.RemoveLogins(s, d, n, wanted, keep, passing)
}
