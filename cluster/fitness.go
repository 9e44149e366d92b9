package cluster

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// Which member may be written to now, and which may be read from. Nothing is given for a write
// where two could take it, or where the one that would is known to have been replaced. A standby
// is judged from both sides: by what the primary has, and by what the standby has replayed. What
// the standby alone says of its lag flatters: a WAL receiver that stands still has nothing to
// replay.

// Asked is what the members are asked for.
type Asked struct {
	MaxLag time.Duration // how old what a standby shows may be
	// Waited is how long the standbys were waited for so far; Patience how long they are.
	Waited, Patience time.Duration
	// After is a place in the WAL that who is read from must have; zero for none.
	After facts.Branch
}

// Fitness is what a member is fit for.
type Fitness struct {
	Node     *topology.Node
	Port     int // on which it listens now
	Role     facts.NodeRole
	Timeline int
	Replayed string // how far a standby has replayed, and a primary has written
	LagBytes *int64 // from there to what the primary had written after that
	// Lag is how old what it shows is at most; nil is not known.
	Lag    *time.Duration
	Writes bool
	Reads  bool   // the primary can always be read from
	Why    string // it may not be read from, or not be written to though it accepts writes; "" where it may
	// Pending: whether it is within the limit shows once it has been waited for.
	Pending bool
	// Foreign: it has other data than this cluster, or may have.
	Foreign bool
}

// Verdict is what the members are fit for.
type Verdict struct {
	Writer  *topology.Node // who may be written to; nil for none
	Refused string         // why none may be written to, though some accept writes
	Void    string         // why nobody has, or will have, what Asked.After wants
	// Stale is why it is not known how old what the standbys show is; "" where it is.
	Stale   string
	Members []Fitness // the primary first, then in the topology's order
	Has     facts.Branch
	Moving  *Switchover // a move that has begun, and is not over
}

// Readers are the members that may be read from beside the primary.
func (v Verdict) Readers() []*topology.Node {
	var all []*topology.Node
	for _, m := range v.Members {
		if m.Reads && m.Node != v.Writer {
			all = append(all, m.Node)
		}
	}
	return all
}

// Pending reports whether waiting may show that more members are fit.
func (v Verdict) Pending() bool {
	return slices.ContainsFunc(v.Members, func(m Fitness) bool { return m.Pending })
}

// judge is what the members of a cluster are judged by.
type judge struct {
	*Cluster
	asked   Asked
	courses Courses
	glances map[string]facts.Glance
	system  string // of the cluster's data; "" is not known
	writer  *topology.Node
}

// Fitness judges the members by facts that these glances have brought up to date.
func (s *Cluster) Fitness(asked Asked, courses Courses, glances map[string]facts.Glance) Verdict {
	j := &judge{Cluster: s, asked: asked, courses: courses, glances: glances, system: s.ownSystem()}
	v := Verdict{Moving: s.begunMove()}
	writers := j.writers()
	v.Refused = j.refusal(writers)
	if v.Refused == "" && len(writers) == 1 {
		j.writer, v.Writer = writers[0], writers[0]
		server := s.Found(j.writer).Server
		v.Has = facts.Branch{Timeline: server.Timeline, LSN: server.LSN}
		v.Void = j.void()
	}
	for _, n := range s.Cluster.Members() {
		v.Members = append(v.Members, j.member(n, v.Refused))
	}
	if len(writers) == 0 {
		v.Stale = j.noWriter()
		j.readStale(v.Members)
	}
	slices.SortStableFunc(v.Members, func(a, b Fitness) int { return cmp.Compare(rank(a), rank(b)) })
	return v
}

func rank(f Fitness) int {
	if f.Role == facts.RolePrimary {
		return 0
	}
	return 1
}

// begunMove is a move of the primary that has begun, by the ledger or by what was stopped.
func (s *Cluster) begunMove() *Switchover {
	m := s.Switchover()
	if m == nil || m.Stopped {
		return m
	}
	begun := slices.ContainsFunc(s.rowsOf(s.Found(m.From).Server), func(r LedgerRow) bool { return r.Row == s.MoveIntent(m) && r.Intent != "" })
	if !begun {
		return nil // the topology names another primary, and nothing was done yet
	}
	return m
}

// ownSystem is the system identifier that most members have; those count most that have the
// cluster's ledger: a server that a package has just created on a new host has none.
func (s *Cluster) ownSystem() string {
	votes := map[string]int{}
	for _, n := range s.Cluster.Members() {
		f := s.Found(n)
		if id := SystemOf(f); id != "" {
			votes[id]++
			if f.Server != nil && len(s.rowsOf(f.Server)) > 0 {
				votes[id] += len(s.Cluster.Members())
			}
		}
	}
	ids := slices.SortedFunc(maps.Keys(votes), func(a, b string) int { return cmp.Or(cmp.Compare(votes[b], votes[a]), cmp.Compare(a, b)) })
	if len(ids) == 0 || len(ids) > 1 && votes[ids[0]] == votes[ids[1]] {
		return ""
	}
	return ids[0]
}

func (j *judge) foreign(n *topology.Node) bool {
	id := SystemOf(j.Found(n))
	return j.system != "" && id != "" && id != j.system
}

// writers are the members that accept writes, and have this cluster's data or may have it.
func (j *judge) writers() []*topology.Node {
	return slices.DeleteFunc(j.Cluster.Cluster.Members(), func(n *topology.Node) bool {
		f := j.Found(n)
		return f.Server == nil || f.Server.InRecovery || j.foreign(n)
	})
}

// refusal is why nobody may be written to, though somebody accepts writes; "" for no reason.
func (j *judge) refusal(writers []*topology.Node) string {
	if len(writers) > 1 {
		var each []string
		for _, n := range writers {
			server := j.Found(n).Server
			each = append(each, fmt.Sprintf("%s (timeline %d, %s)", n.Name, server.Timeline, server.LSN))
		}
		return fmt.Sprintf("%d members accept writes: %s. What is written to one is missing on the others. Find out which one clients write to, and stop the other.",
			len(writers), strings.Join(each, ", "))
	}
	if len(writers) == 0 {
		return ""
	}
	w := j.Found(writers[0])
	for _, n := range j.Cluster.Cluster.Members() {
		f := j.Found(n)
		if n == writers[0] || f.Host == nil || j.foreign(n) || SystemOf(f) == "" {
			continue
		}
		if newest := NewestTimeline(f); newest > w.Server.Timeline {
			return fmt.Sprintf("%s accepts writes on timeline %d, and %s has WAL of timeline %d: another member was promoted after it. "+
				"If %s is the primary, stop %s and clone it again, or remove it from standbys; if not, stop %s.",
				writers[0].Name, w.Server.Timeline, n.Name, newest, writers[0].Name, n.Name, writers[0].Name)
		}
	}
	return ""
}

// noWriter says why nobody can be written to, and that nobody knows how old what is read is.
func (j *judge) noWriter() string {
	text := "No member accepts writes"
	if unread := j.Unread(); len(unread) > 0 {
		return text + ", and " + words.Few(unread) + " could not be read: the primary may be there, and how old what the standbys show is, is not known"
	}
	return text + ": how old what the standbys show is, is not known"
}

// member judges one.
func (j *judge) member(n *topology.Node, refused string) Fitness {
	f := j.Found(n)
	m := Fitness{Node: n, Port: j.PortInForce(n), Role: roleOf(f), Foreign: j.foreign(n)}
	if f.Server == nil {
		m.Why = absent(f)
		return m
	}
	m.Timeline, m.Replayed = f.Server.Timeline, f.Server.LSN
	switch {
	case m.Foreign:
		m.Why = fmt.Sprintf("has the data of another cluster (system identifier %s)", f.Server.SystemIdentifier)
	case n == j.writer:
		m.Writes, m.Reads = true, true
	case refused != "" && m.Role == facts.RolePrimary:
		m.Why, m.Foreign = "accepts writes, and may not be the primary", true
	case refused != "":
		m.Why = "which member is the primary is not known"
	case j.writer == nil:
		m.Why = j.unfit(n)
	default:
		m.LagBytes = facts.Behind(f.Server.LSN, j.Found(j.writer).Server.LSN)
		if m.Why = cmp.Or(j.unfit(n), j.apart(n)); m.Why == "" {
			j.lag(&m)
		}
		m.Reads = m.Why == ""
	}
	return m
}

// roleOf is the role of a server, also of one whose machine was not read.
func roleOf(f *facts.Node) facts.NodeRole {
	switch {
	case f.Server == nil:
		return f.Role()
	case f.Server.InRecovery:
		return facts.RoleStandby
	}
	return facts.RolePrimary
}

// absent says why a member has no server that can be asked.
func absent(f *facts.Node) string {
	for _, e := range []*facts.ReadError{f.Error, f.ServerError} {
		if e != nil {
			return "could not be read: " + e.Text
		}
	}
	if f.Role() == facts.RoleDown {
		return "is down"
	}
	return "has no cluster"
}

// unfit is why a standby is not to be read from, whoever leads; "" for no reason.
func (j *judge) unfit(n *topology.Node) string {
	switch delay := j.Delay(n); {
	case delay >= j.asked.MaxLag && delay > 0:
		return fmt.Sprintf("delays its replay by %s (recovery_min_apply_delay)", delay)
	case j.Paused(n):
		return "its replay is paused"
	}
	return ""
}

// apart is why a standby does not get, all the way from the primary, what that writes; "" for no
// reason.
func (j *judge) apart(n *topology.Node) string {
	w, f := j.Found(j.writer), j.Found(n)
	if d := j.Diverged(n, j.writer); d != nil {
		return "has diverged: " + d.String(n.Name, j.writer.Name)
	}
	if f.Server.Timeline != w.Server.Timeline {
		return fmt.Sprintf("is on timeline %d, and %s on %d", f.Server.Timeline, j.writer.Name, w.Server.Timeline)
	}
	for at, hops := n, 0; at != j.writer; hops++ {
		up := j.UpstreamOf(j.Found(at))
		if hops > len(j.Cluster.Cluster.Members()) {
			return "follows itself"
		}
		if why := j.link(at, up); why != "" {
			return why
		}
		at = up
	}
	return ""
}

// link is why a standby does not stream from its upstream, as both of them see it; "" where it
// does.
func (j *judge) link(n, up *topology.Node) string {
	r := j.Found(n).Server.Receiver
	switch {
	case r == nil || r.Status != "streaming":
		return n.Name + " is not connected to its upstream: how old what it shows is, is not known"
	case up == nil:
		return n.Name + " follows a server that is not a member"
	case j.Found(up).Server == nil:
		return n.Name + " follows " + up.Name + ", which " + absent(j.Found(up))
	}
	sb := j.Cluster.Cluster.Standby(n)
	if sb == nil {
		sb = &topology.Standby{Node: n, Slot: n.SlotName()} // the topology's primary, which follows now
	}
	switch sender := j.SenderOf(sb, up); {
	case sender == nil:
		return up.Name + " has no WAL sender for " + n.Name + ": its connection is gone"
	case sender.State != "streaming":
		return n.Name + " is in state " + sender.State + " on " + up.Name
	}
	return ""
}

// lag fills in how old what a standby shows is, and why that is too old.
func (j *judge) lag(m *Fitness) {
	g := j.glances[m.Node.Name]
	if g.Server == nil {
		m.Why = "has not answered since"
		return
	}
	if age, known := j.courses.age(j.writer.Name, g); known {
		if m.Lag = &age; age > j.asked.MaxLag {
			m.Why = fmt.Sprintf("lag %s > %s", rounded(age), j.asked.MaxLag)
		}
		if m.Why == "" && j.lacks(m.Replayed) {
			m.Why = fmt.Sprintf("has not replayed %s of -after", j.asked.After.LSN)
			m.Pending = j.asked.Waited < j.asked.Patience
		}
		return
	}
	behind := ""
	if m.LagBytes != nil {
		behind = ", and is " + words.BytesText(*m.LagBytes) + " behind"
	}
	waited := g.Answered.Sub(j.courses.since(j.writer.Name, g.Answered))
	switch r := g.Server.Receiver; {
	case waited > j.asked.MaxLag:
		m.Why = fmt.Sprintf("lag > %s: it has not replayed what %s had written %s before%s", j.asked.MaxLag, j.writer.Name, rounded(waited), behind)
	case waited <= j.asked.Patience && j.asked.Waited < 2*j.asked.Patience:
		m.Pending = true
		m.Why = fmt.Sprintf("has not replayed yet what %s had written when it was asked first%s", j.writer.Name, behind)
	case r.ReplayDelay != nil && *r.ReplayDelay <= j.asked.MaxLag: // by the servers' clocks: all there is before it has been waited for
		m.Lag = r.ReplayDelay
	case r.ReplayDelay != nil:
		m.Lag, m.Why = r.ReplayDelay, fmt.Sprintf("lag %s > %s%s", rounded(*r.ReplayDelay), j.asked.MaxLag, behind)
	default:
		m.Why = fmt.Sprintf("how old what it shows is, is not known: it has not replayed within %s what %s had written%s", rounded(waited), j.writer.Name, behind)
	}
}

func rounded(d time.Duration) time.Duration {
	if d > time.Second {
		return d.Round(100 * time.Millisecond)
	}
	return d.Round(time.Millisecond)
}

// farApart is how much WAL a standby may lack of what the furthest one has, to be read from while
// nobody leads.
const farApart = 16 << 20

// readStale gives the standbys that may be read from while nobody leads: those that lack little
// of what is known.
func (j *judge) readStale(members []Fitness) {
	most := facts.Branch{}
	for _, m := range members {
		if f := j.Found(m.Node); m.Why == "" && m.Role == facts.RoleStandby {
			if r := reached(f); r.Timeline > most.Timeline || r.Timeline == most.Timeline && *cmp.Or(facts.Behind(most.LSN, r.LSN), new(int64)) > 0 {
				most = r
			}
		}
	}
	for i := range members {
		m := &members[i]
		if m.Why != "" || m.Role != facts.RoleStandby {
			continue
		}
		m.LagBytes = facts.Behind(m.Replayed, most.LSN)
		switch {
		case m.Timeline != most.Timeline:
			m.Why = fmt.Sprintf("is on timeline %d, and another standby on %d", m.Timeline, most.Timeline)
		case m.LagBytes == nil || *m.LagBytes > farApart:
			m.Why = "lacks too much of what another standby has"
		default:
			m.Reads = true
		}
	}
}
