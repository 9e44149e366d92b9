package plan

import (
	"strings"

	"github.com/repltool/repltool/providers/conninfo"
	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// Password files are named after the node and the cluster, in a directory that all
// PostgreSQL servers of an OS user share: another topology with the same names on the
// same host has the same files. A file that this cluster's servers do not use, and that
// leads to other servers than theirs, is another topology's and is not written over.

// checkPassfiles refuses to take another topology's password files.
func (s *scope) checkPassfiles(n *topology.Node, f *facts.Node, out *findings) {
	if sb := s.cluster.Standby(n); sb != nil && s.cluster.Replication.Role != nil && s.cluster.Replication.Role.Password.IsSet() {
		inUse := f.Server != nil && conninfo.Map(f.Server.ConnInfo.Reveal())["passfile"] == f.Host.Passfile.Path
		if !inUse && foreignPassfile(f.Host.Passfile, s.standbyPasswords(sb)) {
			out.fail(s.rangeOf(n), "Password file of another topology",
				"%s: %s leads to servers that are not in %s: another topology has a node %s on this host, and its standby would lose its password. Give the node another name. If nothing uses the file any more, remove it on the host:\n  rm %s",
				n.Name, f.Host.Passfile.Path, s.cluster.ID, n.Name, f.Host.Passfile.Path)
		}
	}
	wanted := s.subscriptionPasswords()
	if wanted.Text != "" && (s.live() != nil || s.fresh()) && !s.usesPassfile(f.Host.SubscriptionPassfile.Path) && foreignPassfile(f.Host.SubscriptionPassfile, wanted) {
		out.fail(s.cluster.Range, "Password file of another topology",
			"%s: %s leads to servers that no subscription of %s subscribes to: another topology has a cluster %s on this host, and its subscriptions would lose their passwords. Give the cluster another name. If nothing uses the file any more, remove it on the host:\n  rm %s",
			n.Name, f.Host.SubscriptionPassfile.Path, s.cluster.ID, s.cluster.Name, f.Host.SubscriptionPassfile.Path)
	}
}

// usesPassfile tells whether a subscription of the cluster logs in by that file.
func (s *scope) usesPassfile(path string) bool {
	for _, database := range s.readDatabases() {
		for _, sub := range s.live().Logical[database].Subscriptions {
			if conninfo.Map(sub.ConnInfo.Reveal())["passfile"] == path {
				return true
			}
		}
	}
	return false
}

// foreignPassfile tells whether a password file that exists has a line that the wanted one
// has not.
func foreignPassfile(file facts.SecretFile, wanted Text) bool {
	if !file.Exists {
		return false
	}
	ours, theirs := passfileServers(wanted.Text), passfileServers(file.Text.Reveal())
	return len(without(theirs, ours)) > 0
}

// passfileServers answers where the lines of a password file lead: their fields but the
// last one.
func passfileServers(text string) []string {
	var all []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if i := lastColon(line); i > 0 && !strings.HasPrefix(line, "#") {
			all = append(all, line[:i])
		}
	}
	return all
}

// lastColon answers the colon before the password, the fourth that no backslash escapes.
func lastColon(line string) int {
	colons := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case ':':
			if colons++; colons == 4 {
				return i
			}
		}
	}
	return -1
}
