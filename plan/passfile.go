package plan

import (
	"cmp"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/pg/conninfo"
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

func (s *scope) passfileAddress(n *topology.Node) topology.Address {
	return s.nodeAddress(n).With(topology.PartPassfile)
}

// subscriptionPassfile is its path on n.
func (s *scope) subscriptionPassfile(n *topology.Node) string {
	if h := s.found(n).Host; h != nil {
		return h.SubscriptionPassfile.Path
	}
	return ""
}

func (s *scope) standbyPassfileAddress(n *topology.Node) topology.Address {
	return s.standbyAddress(n).With(topology.PartPassfile)
}

// loginAddresses are what must be in order before a server of the cluster restarts.
func (s *scope) loginAddresses() []topology.Address {
	var all []topology.Address
	if r := s.cluster.Replication.Role; r != nil {
		all = append(all, s.address("role", r.Name))
	}
	for _, sb := range s.cluster.Standbys {
		all = append(all, s.standbyPassfileAddress(sb.Node))
	}
	return all
}

// standbyPassfiles are those of standbys that run.
func standbyPassfiles(s *scope, out *findings) {
	for _, sb := range s.cluster.Standbys {
		if s.running(sb.Node) && !s.recloned(sb.Node) && s.cluster.Replication.Role.Password.IsSet() {
			if d := s.standbyPassfile(sb); len(d.steps) > 0 { // else it is counted with its standby
				out.put(d)
			}
		}
	}
}

func (s *scope) standbyPassfile(sb *topology.Standby) *draft {
	n, f, wanted := sb.Node, s.found(sb.Node), s.standbyPasswords(sb)
	d := newDraft(Update, s.standbyPassfileAddress(n), n)
	d.after = []topology.Address{s.address("role", s.cluster.Replication.Role.Name)}
	now := conninfo.Map(f.Server.ConnInfo.Reveal())
	adopted := s.hasPassword(now, n) && len(s.connDiffers(now, s.connInfo(sb), sb)) == 0 // it has its password there, and needs no file
	if adopted || s.passfileFits(n, f.Host.Passfile, wanted) {
		return d
	}
	if !f.Host.Passfile.Exists {
		d.Action = Create
	}
	d.Reason = "how " + n.Name + " logs in to its upstream"
	s.writePassfile(d, n, f.Host.Passfile, wanted)
	return d
}

func passfiles(s *scope, out *findings) {
	wanted := s.subscriptionPasswords()
	for _, n := range s.cluster.Members() {
		f := s.found(n)
		if f.Host == nil || wanted.Text == "" && (!s.ownsPart(n, f.Host.SubscriptionPassfile) || s.passfileUsed()) {
			continue
		}
		out.put(s.subscriptionPassfileChange(n, wanted))
	}
}

func (s *scope) subscriptionPassfileChange(n *topology.Node, wanted Text) *draft {
	d := newDraft(Update, s.passfileAddress(n), n)
	file := s.found(n).Host.SubscriptionPassfile
	for _, sub := range s.subscriptions() { // of the old password until the new one is in force
		if c := sub.Publisher(); c != nil {
			d.after = append(d.after, s.of(c).address("role", sub.Role.Name), s.of(c).portAddress())
		}
	}
	if wanted.Text == "" {
		d.Action = Delete
		d.Reason = "no subscription logs in by a password any more"
		d.after = append(d.after, s.subscriptionAddresses()...)
		s.removePassfile(d, n, file, Text{})
		return d
	}
	if s.passfileFits(n, file, wanted) {
		return d
	}
	if !file.Exists {
		d.Action = Create
	}
	d.Reason = "how subscriptions log in to their publishers"
	s.writePassfile(d, n, file, wanted)
	return d
}

// passfileUsed tells whether a subscription that stays and that the topology does not
// name logs in by it.
func (s *scope) passfileUsed() bool {
	return slices.ContainsFunc(s.loginsBy(s.subscriptionPassfile(s.cluster.Primary)), func(o object) bool { return !s.isOurs(o) })
}

// loginsBy answers the subscriptions of the cluster that log in by that file.
func (s *scope) loginsBy(path string) []object {
	var all []object
	for _, database := range s.readDatabases() {
		for _, sub := range s.live().Logical[database].Subscriptions {
			if conninfo.Map(sub.ConnInfo.Reveal())["passfile"] == path {
				all = append(all, object{"subscription", sub.Name, database})
			}
		}
	}
	return all
}

// subscriptionPasswords is the text of the password file; "" for none.
func (s *scope) subscriptionPasswords() Text {
	var lines []passfileLine
	seen := map[string]bool{}
	ports := s.publisherPorts()
	for _, sub := range s.subscriptions() {
		v := &subscription{Subscription: sub, scope: s}
		if c := sub.Publisher(); c != nil {
			v.publisher = s.of(c)
		}
		if !v.password().IsSet() {
			continue
		}
		if l := newPassfileLine(v, ports); !seen[l.where] {
			seen[l.where] = true
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return Text{}
	}
	// libpq takes the first line that fits: one for any port must not hide another.
	slices.SortStableFunc(lines, func(a, b passfileLine) int { return cmp.Compare(a.any, b.any) })
	var b textBuilder
	b.write("# repltool ", s.cluster.Name, ": how subscriptions log in to their publishers\n")
	for _, l := range lines {
		b.write(l.where, ":").secret(l.password, FormPassfile).write("\n")
	}
	return b.done()
}

// passfileLine is a line: four fields that say which connection it is for, of which any
// fit everything (*), and a password.
type passfileLine struct {
	where    string
	any      int
	password topology.Secret
}

// publisherPorts are the ports on which the publishers at an address listen.
func (s *scope) publisherPorts() map[string][]int {
	ports := map[string][]int{}
	for _, sub := range s.subscriptions() {
		if c := sub.Publisher(); c != nil && !slices.Contains(ports[c.Primary.Address], c.Primary.Port) {
			ports[c.Primary.Address] = append(ports[c.Primary.Address], c.Primary.Port)
		} else if sub.Connection != nil {
			ports[sub.Connection.Host] = append(ports[sub.Connection.Host], sub.Connection.Port)
		}
	}
	return ports
}

// newPassfileLine is the line of a subscription. A publisher of the topology is meant
// whatever its port, which may change, unless another one has its address.
func newPassfileLine(v *subscription, ports map[string][]int) passfileLine {
	c, l := v.conn(), passfileLine{password: v.password()}
	if v.publisher != nil && len(ports[c["host"]]) == 1 {
		c["port"] = ""
	}
	fields := []string{"host", "port", "dbname", "user"}
	for i, key := range fields {
		fields[i] = conninfo.PassField(c[key])
		if c[key] == "" {
			fields[i] = "*"
			l.any++
		}
	}
	l.where = strings.Join(fields, ":")
	return l
}

// standbyPasswords is the text of the standby's password file.
func (s *scope) standbyPasswords(sb *topology.Standby) Text {
	role := s.cluster.Replication.Role
	var b textBuilder
	b.write("# repltool ", s.cluster.Name, ": how ", sb.Node.Name, " logs in to its upstream\n")
	seen := map[string]bool{}
	for _, m := range s.cluster.Members() {
		where := conninfo.PassField(m.Address)
		if m == sb.Node || seen[where] {
			continue
		}
		seen[where] = true
		b.write(where, ":*:*:", conninfo.PassField(role.Name), ":").secret(role.Password, FormPassfile).write("\n")
	}
	return b.done()
}
