package plan

import (
	"fmt"

	"github.com/repltool/repltool/topology"
)

// option is one option of pg_subscription, as the server's version has it.
type option struct {
	name    string // PostgreSQL's
	since   int    // the version that brought it
	wanted  string // PostgreSQL's default where the topology says nothing
	is      string
	given   bool // by the topology: CREATE SUBSCRIPTION names it
	number  bool // written without quotes
	offline bool // altered only while the subscription is disabled, and in no transaction
	fixed   bool // cannot be altered in this version
	runtime bool // taken over by a worker that runs
}

func (o option) same() bool { return o.wanted == o.is }

func (o option) sql() string {
	if o.number {
		return o.name + " = " + o.wanted
	}
	return o.name + " = " + literal(o.wanted)
}

// options answers those of the subscriber's version, in order. Options of newer ones
// are errors of the check.
func (v *subscription) options() []option {
	return kept(v.allOptions(), func(o option) bool { return v.scope.atLeast(o.since) })
}

// allOptions are all that PostgreSQL 13 to 18 have; enabled and slot_name apart.
func (v *subscription) allOptions() []option {
	w := v.Options
	var is topology.SubscriptionOptions
	if v.is != nil {
		is = v.is.Options
	}
	streaming := topology.StreamingOff
	if v.scope.atLeast(18) {
		streaming = topology.StreamingParallel
	}
	return []option{
		flagOption("binary", 14, w.Binary, is.Binary, false),
		textOption("streaming", 14, w.Streaming, is.Streaming, streaming),
		textOption("synchronous_commit", 10, w.SynchronousCommit, is.SynchronousCommit, "off").takenOver(),
		flagOption("two_phase", 15, w.TwoPhase, is.TwoPhase, false).alterable(v.scope.atLeast(18)),
		flagOption("disable_on_error", 15, w.DisableOnError, is.DisableOnError, false).takenOver(),
		flagOption("password_required", 16, w.PasswordRequired, is.PasswordRequired, true),
		flagOption("run_as_owner", 16, w.RunAsOwner, is.RunAsOwner, false),
		textOption("origin", 16, w.Origin, is.Origin, topology.OriginAny),
		flagOption("failover", 17, w.Failover, is.Failover, false).alterable(true),
	}
}

// alterable marks an option that is altered only while the subscription is disabled.
func (o option) alterable(yes bool) option {
	o.offline, o.fixed = yes, !yes
	return o
}

// takenOver marks an option for which no worker has to start again.
func (o option) takenOver() option {
	o.runtime = true
	return o
}

func flagOption(name string, since int, wanted, is *bool, fallback bool) option {
	o := option{name: name, since: since, wanted: fmt.Sprint(fallback), is: fmt.Sprint(fallback), number: true}
	if wanted != nil {
		o.wanted, o.given = fmt.Sprint(*wanted), true
	}
	if is != nil {
		o.is = fmt.Sprint(*is)
	}
	return o
}

func textOption(name string, since int, wanted, is, fallback string) option {
	o := option{name: name, since: since, wanted: fallback, is: fallback}
	if wanted != "" {
		o.wanted, o.given = wanted, true
	}
	if is != "" {
		o.is = is
	}
	return o
}

// isOn tells that an option is on; nil is PostgreSQL's own default.
func isOn(flag *bool) bool { return flag != nil && *flag }
