package cluster

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

func (s *Cluster) PassfileAddress(n *topology.Node) topology.Address {
	return s.NodeAddress(n).With(topology.PartPassfile)
}

func (s *Cluster) StandbyPassfileAddress(n *topology.Node) topology.Address {
	return s.StandbyAddress(n).With(topology.PartPassfile)
}

// LoginAddresses are what must be in order before a server of the cluster restarts.
func (s *Cluster) LoginAddresses() []topology.Address {
	var all []topology.Address
	if r := s.Cluster.Replication.Role; r != nil {
		all = append(all, s.Address("role", r.Name))
	}
	for _, sb := range s.Cluster.Standbys {
		all = append(all, s.StandbyPassfileAddress(sb.Node))
	}
	return all
}

// loginsBy returns the subscriptions of the cluster that log in by that file.
func (s *Cluster) loginsBy(path string) []Object {
	var all []Object
	for _, database := range s.ReadDatabases() {
		for _, sub := range s.Live().Logical[database].Subscriptions {
			if conninfo.Map(sub.ConnInfo.Reveal())["passfile"] == path {
				all = append(all, Object{"subscription", sub.Name, database})
			}
		}
	}
	return all
}

// OwnLines returns the lines of the instance's block in the password file of the cluster's
// subscriptions.
func (s *Cluster) OwnLines(n *topology.Node) []conninfo.PassLine {
	h := s.Found(n).Host
	if h == nil {
		return nil
	}
	own, err := conftext.FindBlock(h.SubscriptionPassfile.Text.Reveal(), h.DataDir)
	if err != nil || !h.SubscriptionPassfile.Exists {
		return nil
	}
	return conninfo.PassLines(own.Body)
}

func (s *Cluster) PassfileHead() string {
	return "# repltool " + s.Cluster.Name + ": how subscriptions log in to their publishers\n"
}

// SubscriptionPasswords is the text of the password file; "" for none.
func (s *Cluster) SubscriptionPasswords() plan.Text {
	var lines []passfileLine
	seen := map[string]bool{}
	ports := s.publisherPorts()
	for _, sub := range s.Subscriptions() {
		v := &Subscription{Subscription: sub, Scope: s}
		if c := sub.Publisher(); c != nil {
			v.Source = s.Of(c)
		}
		if !v.Password().IsSet() {
			continue
		}
		if l := newPassfileLine(v, ports); !seen[l.where] {
			seen[l.where] = true
			lines = append(lines, l)
		}
	}
	if len(lines) == 0 {
		return plan.Text{}
	}
	// libpq takes the first line that fits: one for any port must not hide another.
	slices.SortStableFunc(lines, func(a, b passfileLine) int { return cmp.Compare(a.any, b.any) })
	var b plan.TextBuilder
	b.Write(s.PassfileHead())
	for _, l := range lines {
		b.Write(l.where, ":").Secret(l.password, plan.FormPassfile).Write("\n")
	}
	return b.Done()
}

// passfileLine is a line: four fields that say which connection it is for, of which any
// fit everything (*), and a password.
type passfileLine struct {
	where    string
	any      int
	password topology.Secret
}

// publisherPorts are the ports on which the publishers at an address listen.
func (s *Cluster) publisherPorts() map[string][]int {
	ports := map[string][]int{}
	for _, sub := range s.Subscriptions() {
		if c := sub.Publisher(); c != nil && !slices.Contains(ports[c.Primary.Address], c.Primary.Port) {
			ports[c.Primary.Address] = append(ports[c.Primary.Address], c.Primary.Port)
		} else if sub.Connection != nil {
			ports[sub.Connection.Host] = append(ports[sub.Connection.Host], sub.Connection.Port)
		}
	}
	if len(s.Users()) > 0 { // which may log in to another one at the same address
		for _, l := range s.OwnLines(s.Goal.Primary) {
			host, port := l.Endpoint()
			if number, err := strconv.Atoi(port); err == nil && !slices.Contains(ports[host], number) {
				ports[host] = append(ports[host], number)
			}
		}
	}
	return ports
}

// newPassfileLine is the line of a subscription. A publisher of the topology is meant
// whatever its port, which may change, unless another one has its address.
func newPassfileLine(v *Subscription, ports map[string][]int) passfileLine {
	c, l := v.Conn(), passfileLine{password: v.Password()}
	if v.Source != nil && len(ports[c["host"]]) == 1 {
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

// StandbyPasswords is the text of the standby's password file.
func (s *Cluster) StandbyPasswords(sb *topology.Standby) plan.Text {
	return compute(s, "standbyPasswords", sb, func() plan.Text { return s.standbyPasswords(sb) })
}

func (s *Cluster) standbyPasswords(sb *topology.Standby) plan.Text {
	role := s.Cluster.Replication.Role
	var b plan.TextBuilder
	b.Write("# repltool ", s.Cluster.Name, ": how ", sb.Node.Name, " logs in to its upstream\n")
	others := map[string]bool{}
	for _, m := range s.Cluster.Members() {
		if m != sb.Node {
			others[conninfo.PassField(m.Address)] = true
		}
	}
	for _, where := range list.SortedKeys(others) { // in the same order whoever leads
		b.Write(where, ":*:*:", conninfo.PassField(role.Name), ":").Secret(role.Password, plan.FormPassfile).Write("\n")
	}
	return b.Done()
}

func (s *Cluster) EarlierPassfileAddress(n *topology.Node) topology.Address {
	return s.NodeAddress(n).With(topology.PartEarlierPassfile)
}

// StillUsed reports whether a subscription logs in by a password file and this plan neither
// gives it another one nor drops it, or whether that is not known.
func (s *Cluster) StillUsed(file facts.SecretFile) bool {
	return s.logicalUnknown() || slices.ContainsFunc(s.loginsBy(file.Path), func(o Object) bool {
		for _, sub := range s.Subscriptions() {
			if sub.Database == o.In && sub.Name == o.Name {
				return sub.Lifecycle.Ignores("connection")
			}
		}
		return !s.IsOurs(o)
	})
}

// WritersOf are the changes of other nodes that have the file's name now: they write to it
// first.
func (s *Cluster) WritersOf(file facts.SecretFile) []topology.Address {
	var all []topology.Address
	for _, c := range s.Topology.Clusters {
		of := s.Of(c)
		for _, m := range c.Members() {
			if h := s.Found(m).Host; h != nil && (h.Passfile.Path == file.Path || h.SubscriptionPassfile.Path == file.Path) {
				all = append(all, of.StandbyPassfileAddress(m), of.StandbyAddress(m), of.NodeAddress(m), of.PassfileAddress(m))
			}
		}
	}
	return all
}
