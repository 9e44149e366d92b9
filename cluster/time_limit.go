package cluster

import (
	"fmt"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// The time limits under which a publisher copies tables to a subscription. Those of the files
// go behind those of ALTER DATABASE and ALTER ROLE; in a connection that repltool writes, its
// options go before all of them.

// CopyLimits returns the limits in force for the sessions of a subscription on its publisher
// that its connection, as it is, does not lift, as "statement_timeout = 5min"; nil where it has
// no table to copy.
func (v *Subscription) CopyLimits() []string {
	if v.Is == nil || v.PublisherServer() == nil || v.Remote == nil || v.Role == nil {
		return nil
	}
	if come, _ := v.TableChanges(); v.Is.Copying() == 0 && (len(come) == 0 || !v.CopyData) {
		return nil
	}
	var all []string
	options := v.ConnNow()["options"]
	for _, name := range pg.TimeLimits(v.publisherMajor()) {
		if value := v.timeLimit(name); !pg.NoTimeLimit(value) && !pg.OptionSaid(options, name) {
			all = append(all, fmt.Sprintf("%s = %s", name, value))
		}
	}
	return all
}

// timeLimit returns a limit for the sessions of its role in the publisher's database: the one in
// force, or else what the topology is to have in force.
func (v *Subscription) timeLimit(name string) string {
	value, set := v.Remote.Access[v.Role.Name].TimeLimits[name]
	if !set {
		value = v.PublisherServer().InForce(name) + v.PublisherServer().Settings[name].Unit
	}
	if !pg.NoTimeLimit(value) {
		return value
	}
	for _, p := range []topology.Parameters{v.Role.Parameters, v.Source.databaseParameters(v.SourceDatabase()), v.Source.ParametersOf(v.Source.Goal.Primary)} {
		if p, given := p[name]; given {
			return p.Value
		}
	}
	return ""
}

// ApplyLimit returns the transaction_timeout of its workers on the subscriber, as "1h", or "": no
// connection string lifts it. They run as its owner.
func (v *Subscription) ApplyLimit() string {
	const name = "transaction_timeout"
	if v.Local == nil || v.Scope.Live() == nil {
		return ""
	}
	value := v.Scope.Live().InForce(name) + v.Scope.Live().Settings[name].Unit
	if d := v.Scope.Live().Database(v.Database); d != nil {
		if p, set := d.Parameters[name]; set {
			value = p.Value
		}
	}
	if v.Is != nil {
		if own, set := v.Local.Access[v.Is.Owner].TimeLimits[name]; set {
			value = own
		}
	}
	if pg.NoTimeLimit(value) {
		return ""
	}
	return value
}

func (s *Cluster) databaseParameters(name string) topology.Parameters {
	if d := s.Cluster.Database(name); d != nil {
		return d.Parameters
	}
	return nil
}
