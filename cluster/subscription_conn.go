package cluster

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// subscriptionPassfile is its path on n.
func (s *Cluster) subscriptionPassfile(n *topology.Node) string {
	if h := s.Found(n).Host; h != nil {
		return h.SubscriptionPassfile.Path
	}
	return ""
}

// Conn returns the wanted connection, without a password.
func (v *Subscription) Conn() map[string]string {
	passfile := ""
	if v.Password().IsSet() && !v.KeepsPassword() {
		passfile = v.Scope.subscriptionPassfile(v.Scope.Goal.Primary)
	}
	var wanted map[string]string
	said := pg.AlwaysSaid()
	if c := v.Connection; c != nil {
		wanted = map[string]string{
			"service": c.Service, "host": c.Host, "port": numberText(c.Port), "dbname": c.Database, "user": c.User,
			"passfile": cmp.Or(passfile, c.Passfile), "connect_timeout": numberText(c.ConnectTimeout),
			"sslmode": c.SSLMode, "sslrootcert": c.SSLRootCert, "sslcert": c.SSLCert, "sslkey": c.SSLKey,
		}
		said = append(said, list.SortedKeys(wanted)...)
	} else {
		wanted = connTo(v.Source.Goal.Primary, v.Role.Name, v.Source.Cluster.Replication)
		wanted["dbname"], wanted["passfile"] = v.SourceDatabase(), passfile
	}
	now := v.ConnNow()
	wanted = pg.KeepRest(now, wanted, said)
	pg.KeepHosts(now, wanted)
	pg.Keepalives(wanted)
	wanted["options"] = v.sessionOptions(wanted["options"])
	return wanted
}

// sessionOptions returns the options of a connection string with what lets a copy end, and makes
// one that lacks rows fail. What they say already stays.
func (v *Subscription) sessionOptions(options string) string {
	options = pg.AddOption(options, "row_security", "off")
	for _, name := range pg.TimeLimits(v.publisherMajor()) {
		options = pg.AddOption(options, name, "0")
	}
	return options
}

// publisherMajor is the version of the publisher; 0 of one outside of the topology.
func (v *Subscription) publisherMajor() int {
	if v.Source == nil {
		return 0
	}
	return v.Source.Major()
}

// ConnNow returns the connection as it is.
func (v *Subscription) ConnNow() map[string]string {
	if v.Is == nil {
		return nil
	}
	return conninfo.Map(v.Is.ConnInfo.Reveal())
}

// Repointed reports whether this plan gives the subscription another address or port of its
// publisher.
func (v *Subscription) Repointed() bool {
	if v.Is == nil || v.Lifecycle.Ignores("connection") {
		return false
	}
	now, wanted := v.ConnNow(), v.Conn()
	return !pg.SameHost(now["host"], wanted["host"]) || pg.PortOf(now) != pg.PortOf(wanted)
}

// ConnText is the connection as an SQL literal.
func (v *Subscription) ConnText(b *plan.TextBuilder) *plan.TextBuilder {
	quoted := pg.Literal(pg.FormatConnInfo(v.Conn()))
	if !v.KeepsPassword() || !v.Password().IsSet() {
		return b.Write(quoted)
	}
	return b.Write(quoted[:len(quoted)-1], " password=").Secret(v.Password(), plan.FormConnInfo).Write("'")
}

func numberText(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprint(n)
}

func RedactedIf(text string) *string {
	if text == "" {
		return nil
	}
	return plan.Ptr(topology.Redacted)
}

// RightPassword reports whether a connection string holds the password itself, and the
// right one: a subscription made by hand is adopted as it is.
func (v *Subscription) RightPassword(text string) bool {
	want := v.Password()
	return text != "" && want.IsSet() && text == want.Reveal()
}

// LogInByThemselves reports whether every subscription of the cluster is there and has the right
// password in its connection string: a file that has it too changes nothing.
func (s *Cluster) LogInByThemselves() bool {
	return !slices.ContainsFunc(s.Subscriptions(), func(sub *topology.Subscription) bool {
		v, unknown := s.SubscriptionOf(sub)
		return unknown || v.Is == nil || !v.RightPassword(v.ConnNow()["password"])
	})
}

// Password is what it logs in with.
func (v *Subscription) Password() topology.Secret {
	if v.Connection != nil {
		return v.Connection.Password
	}
	return v.Role.Password
}

// ApplicationName is the name under which the publisher sees a subscription.
func ApplicationName(is *facts.Subscription) string {
	return cmp.Or(conninfo.Map(is.ConnInfo.Reveal())["application_name"], is.Name)
}
