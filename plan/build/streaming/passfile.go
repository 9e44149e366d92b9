package streaming

import (
	"slices"
	"strconv"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Passwords that servers log in with stand in password files of repltool's own
// (PostgreSQL docs, 34.16 "The Password File"). A standby has one, with a line for
// every other node of the cluster, for any port, so that neither a new upstream nor
// another port needs a new file.
// Subscriptions log in to their publishers by a password file on the subscriber's
// machines, one for each cluster: pg_subscription is replicated to the standbys, so
// that the path must be one on all of them. A new password reaches the files right after
// its role: a server that restarts in between would not come back to its upstream.

// StandbyPassfiles are those of standbys that run.
func StandbyPassfiles(s *cluster.Cluster, out *draft.Findings) {
	for _, sb := range s.Cluster.Standbys {
		if s.Running(sb.Node) && !s.Recloned(sb.Node) && s.Cluster.Replication.Role.Password.IsSet() {
			if d := standbyPassfile(s, sb); len(d.Steps) > 0 { // else it is counted with its standby
				out.Put(d)
			}
		}
	}
}

func standbyPassfile(s *cluster.Cluster, sb *topology.Standby) *draft.Draft {
	n, f, wanted := sb.Node, s.Found(sb.Node), s.StandbyPasswords(sb)
	d := draft.NewDraft(plan.Update, s.StandbyPassfileAddress(n), n)
	d.Needs = []topology.Address{s.Address("role", s.Cluster.Replication.Role.Name)}
	now := s.ConnNow(n)
	adopted := s.HasPassword(now, n) && len(s.ConnDiffers(now, s.ConnInfo(sb), sb)) == 0 // it has its password there, and needs no file
	keep := s.PassingLines(sb)                                                           // until it has its new connection
	if adopted || s.PassfileFits(n, f.Host.Passfile, wanted, keep) {
		return d
	}
	if !f.Host.Passfile.Exists {
		d.Action = plan.Create
	}
	d.Reason = "how " + n.Name + " logs in to its upstream"
	draft.WritePassfile(s, d, n, f.Host.Passfile, wanted, keep)
	return d
}

func Passfiles(s *cluster.Cluster, out *draft.Findings) {
	wanted := s.SubscriptionPasswords()
	for _, n := range s.Cluster.Members() {
		f := s.Found(n)
		if f.Host == nil {
			continue
		}
		passing, _ := s.PassingLogins(n) // until the subscriptions have their new connections
		keep := append(keptLines(s, n, wanted, out), passing...)
		if wanted.Text != "" || len(keep) > 0 || s.OwnsPart(n, f.Host.SubscriptionPassfile) {
			out.Put(subscriptionPassfileChange(s, n, wanted, keep))
		}
	}
}

func subscriptionPassfileChange(s *cluster.Cluster, n *topology.Node, wanted plan.Text, keep []string) *draft.Draft {
	d := draft.NewDraft(plan.Update, s.PassfileAddress(n), n)
	file := s.Found(n).Host.SubscriptionPassfile
	for _, sub := range s.Subscriptions() { // of the old password until the new one is in force
		if c := sub.Publisher(); c != nil {
			d.Needs = append(d.Needs, s.Of(c).Address("role", sub.Role.Name), s.Of(c).PortAddress())
		}
	}
	if wanted.Text == "" {
		d.Needs = append(d.Needs, s.SubscriptionAddresses()...)
	}
	switch {
	case wanted.Text == "" && len(keep) == 0:
		d.Action, d.Reason = plan.Delete, "no subscription uses a password any more"
		draft.RemovePassfile(s, d, n, file, plan.Text{})
		return d
	case wanted.Text == "":
		wanted = plan.Text{Text: s.PassfileHead()}
	}
	if s.PassfileFits(n, file, wanted, keep) {
		return d
	}
	if !file.Exists {
		d.Action, d.Adopts = plan.Create, s.LogInByThemselves()
	}
	d.Reason = "how subscriptions log in to their publishers"
	draft.WritePassfile(s, d, n, file, wanted, keep)
	return d
}

// keptLines returns the beginnings of the lines of the instance's block that are not wanted
// and that stay, since a subscription that remains logs in by them.
func keptLines(s *cluster.Cluster, n *topology.Node, wanted plan.Text, out *draft.Findings) []string {
	var keep []string
	has := conninfo.PassLines(wanted.Text)
	for _, l := range s.OwnLines(n) {
		if slices.ContainsFunc(has, l.Overlaps) {
			continue // by which it logs in, too
		}
		i := slices.IndexFunc(s.Users(), func(u cluster.User) bool {
			return u.Is == nil || l.Fits(u.Conn["host"], strconv.Itoa(pg.PortOf(u.Conn)), u.Conn["dbname"], u.Conn["user"])
		})
		if i >= 0 {
			out.Keep(s.Users()[i], n, "password of %s", l.Where)
			keep = append(keep, l.Where+":")
		}
	}
	return keep
}
