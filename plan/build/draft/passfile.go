package draft

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// The steps that write password files; their lines are those of cluster/passfile.go.

// WritePassfile adds the write of the instance's block in a password file; of its lines
// those that begin with one of keep stay.
func WritePassfile(s *cluster.Cluster, d *Draft, n *topology.Node, file facts.SecretFile, wanted plan.Text, keep []string) {
	b := s.PassfileBlock(n, file, wanted)
	b.Keep = keep
	after := wanted.Text
	for _, where := range keep {
		after += where + topology.Redacted + "\n"
	}
	d.Step(n, "write the password file", plan.File{
		Path: file.Path, Block: &b, Content: wanted, Mode: 0o600, Diff: cluster.LinesDiff(s.PassfileBefore(b, file, wanted), cluster.Marked(b.Name, after)),
	})
}

// RemovePassingLines adds the later write of a standby's password file, without the lines
// that go in this plan.
func RemovePassingLines(s *cluster.Cluster, d *Draft, sb *topology.Standby) {
	n, wanted := sb.Node, s.StandbyPasswords(sb)
	file, after := s.Found(n).Host.Passfile, s.StandbyPasswords(sb).Text
	before := after
	for _, where := range s.PassingLines(sb) {
		before += where + topology.Redacted + "\n"
	}
	if before == after {
		return
	}
	b := s.PassfileBlock(n, file, wanted)
	d.Step(n, "remove the lines of its earlier connection from the password file", plan.File{
		Path: file.Path, Block: &b, Content: wanted, Mode: 0o600, Diff: cluster.LinesDiff(cluster.Marked(b.Name, before), cluster.Marked(b.Name, after)),
	})
}

// RemoveLogins adds the later write of the password file of subscriptions, without the lines
// that go in this plan; keep are those that stay beside the wanted ones.
func RemoveLogins(s *cluster.Cluster, d *Draft, n *topology.Node, wanted plan.Text, keep, passing []string) {
	after := wanted.Text
	for _, where := range keep {
		after += where + topology.Redacted + "\n"
	}
	before := after
	for _, where := range passing {
		before += where + topology.Redacted + "\n"
	}
	file := s.Found(n).Host.SubscriptionPassfile
	b := s.PassfileBlock(n, file, wanted)
	b.Keep = keep
	d.Step(n, "remove the lines of earlier connections from the password file", plan.File{
		Path: file.Path, Block: &b, Content: wanted, Mode: 0o600, Diff: cluster.LinesDiff(cluster.Marked(b.Name, before), cluster.Marked(b.Name, after)),
	})
}

// RemovePassfile adds the removal of the instance's lines, its block and those without one, and of the file where it has no
// others.
func RemovePassfile(s *cluster.Cluster, d *Draft, n *topology.Node, file facts.SecretFile, lines plan.Text) {
	b := s.PassfileBlock(n, file, lines)
	d.Step(n, "remove its lines from the password file", plan.File{Path: file.Path, Block: &b, Mode: 0o600, Diff: cluster.LinesDiff(s.PassfileBefore(b, file, plan.Text{}), "")})
	if strings.TrimSpace(cluster.Rest(b, file)) == "" {
		d.Command(n, "remove the password file", "sh", "-c", cluster.RemoveEmpty, "sh", file.Path)
	}
}
