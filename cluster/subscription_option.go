package cluster

import (
	"fmt"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// option is one option of pg_subscription, as the server's version has it.
type option struct {
	Name    string // PostgreSQL's
	Since   int    // the version that brought it
	Wanted  string // PostgreSQL's default where the topology says nothing
	Is      string
	Given   bool // by the topology: CREATE SUBSCRIPTION names it
	number  bool // written without quotes
	Offline bool // altered only while the subscription is disabled, and in no transaction
	Fixed   bool // cannot be altered in this version
	Runtime bool // taken over by a worker that runs
}

func (o option) Same() bool { return o.Wanted == o.Is }

func (o option) SQL() string {
	if o.number {
		return o.Name + " = " + o.Wanted
	}
	return o.Name + " = " + pg.Literal(o.Wanted)
}

// WantedOptions returns those of the subscriber's version, in order. Options of newer ones
// are errors of the check.
func (v *Subscription) WantedOptions() []option {
	return list.Kept(v.AllOptions(), func(o option) bool { return v.Scope.AtLeast(o.Since) })
}

// AllOptions are all that PostgreSQL 13 to 18 have; enabled and slot_name apart.
func (v *Subscription) AllOptions() []option {
	w := v.Options
	var is topology.SubscriptionOptions
	if v.Is != nil {
		is = v.Is.Options
	}
	streaming := topology.StreamingOff
	if v.Scope.AtLeast(18) {
		streaming = topology.StreamingParallel
	}
	return []option{
		flagOption("binary", 14, w.Binary, is.Binary, false),
		textOption("streaming", 14, w.Streaming, is.Streaming, streaming),
		textOption("synchronous_commit", 10, w.SynchronousCommit, is.SynchronousCommit, "off").takenOver(),
		flagOption("two_phase", 15, w.TwoPhase, is.TwoPhase, false).alterable(v.Scope.AtLeast(18)),
		flagOption("disable_on_error", 15, w.DisableOnError, is.DisableOnError, false).takenOver(),
		flagOption("password_required", 16, w.PasswordRequired, is.PasswordRequired, true),
		flagOption("run_as_owner", 16, w.RunAsOwner, is.RunAsOwner, false),
		textOption("origin", 16, w.Origin, is.Origin, topology.OriginAny),
		flagOption("failover", 17, w.Failover, is.Failover, false).alterable(true),
	}
}

// alterable marks an option that is altered only while the subscription is disabled.
func (o option) alterable(yes bool) option {
	o.Offline, o.Fixed = yes, !yes
	return o
}

// takenOver marks an option for which no worker has to start again.
func (o option) takenOver() option {
	o.Runtime = true
	return o
}

func flagOption(name string, since int, wanted, is *bool, fallback bool) option {
	o := option{Name: name, Since: since, Wanted: fmt.Sprint(fallback), Is: fmt.Sprint(fallback), number: true}
	if wanted != nil {
		o.Wanted, o.Given = fmt.Sprint(*wanted), true
	}
	if is != nil {
		o.Is = fmt.Sprint(*is)
	}
	return o
}

func textOption(name string, since int, wanted, is, fallback string) option {
	o := option{Name: name, Since: since, Wanted: fallback, Is: fallback}
	if wanted != "" {
		o.Wanted, o.Given = wanted, true
	}
	if is != "" {
		o.Is = is
	}
	return o
}
