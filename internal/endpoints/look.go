// Package endpoints finds out which members of a cluster may be written to and read from now, once
// or again and again. What a member is fit for is package cluster's to say; here is in which order
// it is looked at, for how long, and what of that is written to a file.
//
// Two rules keep the answer from flattering. The primary is looked at again after the standbys: it
// must still lead, and lag is counted up to there. And a second primary counts once both
// accept writes in a look that began after the other had ended: in a switchover one of them may
// be seen before it and the other one after it.
package endpoints

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Servers are the members as they live.
type Servers interface {
	// Inspect reads all that is known of them.
	Inspect(ctx context.Context, replace []string) facts.Facts
	// Glance reads where these are.
	Glance(ctx context.Context, nodes []string, limit time.Duration) map[string]facts.Glance
}

const (
	glanceLimit = 3 * time.Second
	// inspectEvery is how old may be what a glance does not see, such as a delay of replay.
	inspectEvery = 15 * time.Second
	patience     = 10 * time.Second // for a limit that is longer, the servers' own figures must do
	pause        = 100 * time.Millisecond
	mostChanges  = 5
)

// Looker looks at the members of a cluster.
type Looker struct {
	topology  *topology.Topology // of this cluster alone
	cluster   *topology.Cluster
	servers   Servers
	maxLag    time.Duration
	after     facts.Branch // what readers must have; zero for none
	found     facts.Facts
	inspected time.Time // zero: what was found is out of date
	courses   cluster.Courses
	fresh     chan facts.Facts // what is being read again
	reading   bool             // something is
}

// Only returns a topology that has one of its clusters, and nothing else that is read.
func Only(t *topology.Topology, c *topology.Cluster) *topology.Topology {
	one := *t
	one.Clusters, one.Publications, one.Subscriptions = []*topology.Cluster{c}, nil, nil
	return &one
}

// New returns a looker at the one cluster of a topology, for readers that are this far behind at
// most, and have what was written up to a place; zero for none.
func New(t *topology.Topology, servers Servers, maxLag time.Duration, after facts.Branch) *Looker {
	return &Looker{after: after, topology: t, cluster: t.Clusters[0], servers: servers, maxLag: maxLag, courses: cluster.Courses{}, fresh: make(chan facts.Facts, 1)}
}

// Answer is what was found, and when.
type Answer struct {
	cluster.Verdict
	At time.Time
	// Unread are the members that could not be read.
	Unread []string
}

// Blind reports whether nobody is known to lead, and somebody that could not be read may.
func (a Answer) Blind() bool { return a.Writer == nil && a.Refused == "" && len(a.Unread) > 0 }

// Look looks until each standby is known to be within the limit, or not.
func (l *Looker) Look(ctx context.Context) (Answer, error) {
	var began time.Time // of the wait: the first look may have taken long
	waited := time.Duration(0)
	for {
		a, err := l.once(ctx, waited)
		if err != nil || !a.Pending() {
			return a, err
		}
		if began.IsZero() {
			began = time.Now()
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return a, ctx.Err()
		}
		waited = time.Since(began)
	}
}

// errChanging is of members that have other roles each time.
var errChanging = errors.New("the roles of the members keep changing while repltool looks at them")

// once looks at all members once; waited is how long the standbys had to replay what the primary
// had. Where a role has changed, everything is read again first.
func (l *Looker) once(ctx context.Context, waited time.Duration) (Answer, error) {
	for range mostChanges {
		if time.Since(l.inspected) > inspectEvery {
			l.found = l.servers.Inspect(ctx, nil)
			l.inspected = time.Now()
		}
		seen := l.glance(ctx)
		if err := ctx.Err(); err != nil {
			return Answer{}, err
		}
		if !l.moved(seen) {
			return l.judge(seen, waited), nil
		}
		l.inspected = time.Time{}
	}
	return Answer{}, errChanging
}

// quick looks once and waits for nothing but that: everything else is read again meanwhile, where a
// role has changed or it is time. A machine that does not answer holds up nobody.
func (l *Looker) quick(ctx context.Context) (Answer, error) {
	select {
	case found := <-l.fresh:
		l.found, l.inspected, l.reading = found, time.Now(), false
	default:
	}
	seen := l.glance(ctx)
	if err := ctx.Err(); err != nil {
		return Answer{}, err
	}
	if (l.moved(seen) || l.gone(seen) || time.Since(l.inspected) > inspectEvery) && !l.reading {
		l.reading = true
		go func() { l.fresh <- l.servers.Inspect(ctx, nil) }()
	}
	return l.judge(seen, 0), nil
}

// glance looks at all members, and once more at those that accept writes.
func (l *Looker) glance(ctx context.Context) map[string]facts.Glance {
	seen := l.servers.Glance(ctx, l.running(), glanceLimit)
	l.again(ctx, seen)
	return seen
}

// running are the members that may have a server.
func (l *Looker) running() []string {
	var names []string
	for _, n := range l.cluster.Members() {
		if f := l.found.Nodes[n.Name]; f != nil && (f.Host != nil || f.Server != nil) {
			names = append(names, n.Name)
		}
	}
	return names
}

// again looks once more at those that accept writes.
func (l *Looker) again(ctx context.Context, seen map[string]facts.Glance) {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(seen)) {
		if s := seen[name].Server; s != nil && !s.InRecovery {
			names = append(names, name)
			l.note(name, seen[name])
		}
	}
	maps.Copy(seen, l.servers.Glance(ctx, names, glanceLimit))
	for _, name := range names {
		if s := seen[name].Server; s != nil && !s.InRecovery {
			l.note(name, seen[name])
		}
	}
}

// note adds to where a primary was.
func (l *Looker) note(name string, g facts.Glance) {
	l.courses.Add(name, g, 2*l.maxLag+inspectEvery)
}

// moved reports whether a server has come, or has another role than when everything was read, so
// that the rest may have changed as well.
func (l *Looker) moved(seen map[string]facts.Glance) bool {
	for name, g := range seen {
		before := l.found.Nodes[name].Server
		if g.Server != nil && (before == nil || before.InRecovery != g.Server.InRecovery || before.SystemIdentifier != g.Server.SystemIdentifier) {
			return true
		}
	}
	return false
}

// gone reports whether a server that was there does not answer: why, only a reading says.
func (l *Looker) gone(seen map[string]facts.Glance) bool {
	for name, g := range seen {
		if g.Server == nil && l.found.Nodes[name].Server != nil {
			return true
		}
	}
	return false
}

func (l *Looker) judge(seen map[string]facts.Glance, waited time.Duration) Answer {
	w := cluster.New(l.topology, l.found.With(seen), cluster.Options{})
	s := w.Of(l.cluster)
	asked := cluster.Asked{MaxLag: l.maxLag, Waited: waited, Patience: min(l.maxLag, patience), After: l.after}
	return Answer{Verdict: s.Fitness(asked, l.courses, seen), At: time.Now(), Unread: s.Unread()}
}
