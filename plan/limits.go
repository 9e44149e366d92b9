package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Limits of a server, each in one sum: what is there, also of others, what this plan
// adds, and a reserve for the copies that it makes. All are compared on every plan, so
// that all refusals are told at once (PostgreSQL docs, 29.12 "Configuration Settings").

// demand is what a limit of a server has to hold.
type demand struct {
	there, come, reserve int
	now                  bool // the reserve is for copies of this plan
}

func (d demand) sum() int { return d.there + d.come + d.reserve }

func (d demand) String() string {
	parts := []string{fmt.Sprintf("%d exist", d.there)}
	if d.come > 0 {
		parts = append(parts, fmt.Sprintf("%d to be added", d.come))
	}
	if d.reserve > 0 {
		parts = append(parts, fmt.Sprintf("%d reserved for copies", d.reserve))
	}
	return strings.Join(parts, ", ")
}

func (s *scope) checkLimits(out *findings) {
	for _, n := range s.cluster.Members() {
		s.checkLimit(n, "Too few replication slots", "max_replication_slots", "replication slots", s.slotDemand(n), out)
		s.checkLimit(n, "Too few WAL senders", "max_wal_senders", "WAL senders", s.senderDemand(n), out)
	}
	s.checkMinimal(out)
	n := s.cluster.Primary
	if len(s.plannedSubscriptions()) == 0 {
		return
	}
	workers, processes, origins := s.workerDemand(), s.workerDemand(), s.originDemand()
	processes.there++ // the launcher
	s.checkLimit(n, "Too few workers", "max_logical_replication_workers", "logical replication workers", workers, out)
	s.checkLimit(n, "Too few workers", "max_worker_processes", "background workers", processes, out)
	name := "max_replication_slots"
	if s.atLeast(18) {
		name = "max_active_replication_origins"
	}
	s.checkLimit(n, "Too few replication origins", name, "replication origins", origins, out)
	for _, sub := range s.plannedSubscriptions() {
		s.checkOptionLimits(sub, out)
	}
}

// checkMinimal refuses wal_level = minimal under standbys and publications: the limits
// that it would have to be 0 with are not what is to be fixed. What a subscription needs
// of its publisher is compared with the subscription.
func (s *scope) checkMinimal(out *findings) {
	const name = "wal_level"
	n := s.cluster.Primary
	if !s.running(n) && !s.willRun(n) || s.willHave(n, name) != "minimal" {
		return
	}
	standbys, publications := len(s.cluster.Standbys), len(s.publications())
	level, who, why := "replica", counted(standbys, "standby"), "WAL of that level cannot be replayed on a standby, and no base backup can be taken"
	switch {
	case standbys == 0 && (publications == 0 || len(s.subscribers()) > 0):
		return
	case standbys == 0:
		who, why = counted(publications, "publication"), "changes cannot be decoded from WAL of that level"
	}
	if publications > 0 {
		level = "logical"
	}
	out.fail(s.rangeOfParameter(n, name), "wal_level is too low",
		"%s has wal_level = minimal and %s: %s. Write in parameters of %s\n  wal_level = %q",
		n.Name, who, why, s.cluster.ID, level)
}

// checkLimit is an error where this plan adds to what does not fit. Where it adds nothing,
// what exists and does not fit is a finding, and a missing reserve a warning.
func (s *scope) checkLimit(n *topology.Node, summary, name, what string, d demand, out *findings) {
	limit, at := s.limit(n, name)
	if limit < 0 || d.sum() <= limit {
		return
	}
	say := out.warn
	switch {
	case d.come > 0 || d.now:
		say = out.fail
	case d.there > limit:
		out.tellHealth(Error, s.parametersAddress(n), fmt.Sprintf("Write in parameters of %s\n  %s = %d", s.cluster.ID, name, d.sum()),
			"%s has %s = %d and needs %d %s (%s)", n.Name, name, limit, d.sum(), what, d)
		return
	}
	say(at, summary, "%s has %s = %d and needs %d %s (%s). Write in parameters of %s\n  %s = %d", n.Name, name, limit, d.sum(), what, d, s.cluster.ID, name, d.sum())
}

// plannedSubscriptions are those of the cluster that this plan looks at.
func (s *scope) plannedSubscriptions() []*topology.Subscription {
	return kept(s.subscriptions(), func(sub *topology.Subscription) bool { return s.targeted(sub.Address()) })
}

// copying tells whether a subscription is to copy tables in this plan.
func (s *scope) copying(sub *topology.Subscription) bool {
	if !sub.CopyData || !sub.Options.Enabled {
		return false
	}
	of := s.of(sub.Cluster)
	local, unknown := of.logical(sub.Database)
	v := of.subscription(sub, local)
	come, _ := v.tableChanges()
	return !unknown && (v.is == nil || v.remade() || len(come) > 0)
}

// exists tells whether a subscription is there.
func (s *scope) exists(sub *topology.Subscription) bool {
	local, unknown := s.of(sub.Cluster).logical(sub.Database)
	return unknown || s.of(sub.Cluster).subscription(sub, local).is != nil
}

// copiesFrom tells whether the primary is to send initial table copies.
func (s *scope) copiesFrom() bool {
	return slices.ContainsFunc(s.subscribers(), func(sub *topology.Subscription) bool { return s.targeted(sub.Address()) && s.copying(sub) })
}

// slotDemand counts slots; each table copy has one of its own.
func (s *scope) slotDemand(n *topology.Node) demand {
	var d demand
	if f := s.found(n); f.Server != nil && !s.recloned(n) {
		d.there = len(f.Server.Slots)
	}
	for _, w := range s.wantedSlots() {
		if w.on == n && s.foundSlot(n, w.Name) == nil && (w.by == nil || s.targeted(w.by.Address())) {
			d.come++
		}
	}
	if n == s.cluster.Primary && s.copiesFrom() {
		d.reserve, d.now = 1, true
	}
	if d.come+d.reserve == 0 {
		return demand{} // a server does not start with fewer than it has
	}
	return d
}

// senderDemand counts WAL senders: one for each standby, each enabled subscription, and
// each client that is not defined in the topology; a clone and a table copy take one.
func (s *scope) senderDemand(n *topology.Node) demand {
	var d demand
	for _, sb := range s.cluster.Standbys {
		switch {
		case sb.Upstream != n:
		case s.recloned(sb.Node):
			d.come, d.reserve = d.come+1, 1
		default:
			d.there++
		}
	}
	if n == s.cluster.Primary {
		for _, sub := range s.subscribers() {
			switch {
			case !sub.Options.Enabled || !s.targeted(sub.Address()):
			case s.exists(sub):
				d.there++
			default:
				d.come++
			}
		}
		if s.copiesFrom() {
			d.reserve, d.now = 1, true
		}
	}
	if f := s.found(n); f.Server != nil && !s.recloned(n) {
		d.there += len(kept(f.Server.Senders, func(c facts.Sender) bool { return s.foreignSender(n, c) }))
	}
	return d
}

// foreignSender tells of a WAL sender for somebody whom the topology does not define and
// that is there to stay.
func (s *scope) foreignSender(n *topology.Node, c facts.Sender) bool {
	_, _, copies := copySlot(c.SlotName)
	known := slices.ContainsFunc(s.cluster.Members(), func(m *topology.Node) bool {
		return m.Name == c.ApplicationName || s.applicationName(m) == c.ApplicationName
	})
	return !known && c.State != "backup" && !copies && !slotWanted(s.wantedSlots(), n, c.SlotName) && !s.isOurs(object{"slot", c.SlotName, n.Name}) &&
		!slices.ContainsFunc(s.subscribers(), func(sub *topology.Subscription) bool {
			return sub.Options.SlotName == c.SlotName || sub.Name == c.ApplicationName
		})
}

// workerDemand counts apply workers: one for each enabled subscription, also of those
// that the topology does not define, and one for a table copy.
func (s *scope) workerDemand() demand {
	d := demand{there: s.otherSubscriptions(), reserve: 1}
	for _, sub := range s.plannedSubscriptions() {
		name := facts.SubscriptionName{Database: sub.Database, Name: sub.Name}
		switch {
		case !sub.Options.Enabled:
		case s.live() != nil && slices.Contains(s.live().Applying, name) || s.exists(sub) && s.earlier("subscription", sub.Address(), sub.Database, sub.Name) != "":
			d.there++
		default:
			d.come++
		}
		d.now = d.now || s.copying(sub)
	}
	return d
}

// originDemand counts replication origins: one for each subscription, and one for each
// table copy.
func (s *scope) originDemand() demand {
	var d demand
	for _, sub := range s.plannedSubscriptions() {
		if s.exists(sub) {
			d.there++
		} else {
			d.come++
		}
		if s.copying(sub) {
			d.reserve, d.now = 1, true
		}
	}
	d.there += s.otherSubscriptions()
	if s.live() != nil {
		d.there = max(d.there, s.live().Origins)
	}
	return d
}

// checkOptionLimits compares what an option of a subscription asks of the subscriber.
func (s *scope) checkOptionLimits(sub *topology.Subscription, out *findings) {
	s.checkPrepared(sub, out)
	n := s.cluster.Primary
	if limit, at := s.limit(n, "max_sync_workers_per_subscription"); limit == 0 && s.copying(sub) {
		out.fail(at, "Too few workers", "%s copies tables, and %s has max_sync_workers_per_subscription = 0: no copy would start. Write in parameters of %s\n  max_sync_workers_per_subscription = 2", sub.ID, n.Name, s.cluster.ID)
	}
	if limit, at := s.limit(n, "max_parallel_apply_workers_per_subscription"); limit == 0 && sub.Options.Streaming == topology.StreamingParallel {
		out.warn(at, "Parallel apply is disabled on the subscriber", "%s has streaming = \"parallel\", and %s has max_parallel_apply_workers_per_subscription = 0: large transactions are written to files and applied by one worker, as with \"on\". Write in parameters of %s\n  max_parallel_apply_workers_per_subscription = 2", sub.ID, n.Name, s.cluster.ID)
	}
}

// checkPrepared compares max_prepared_transactions with what two_phase needs: what the
// publisher can hold prepared at one time is prepared on the subscriber too.
func (s *scope) checkPrepared(sub *topology.Subscription, out *findings) {
	local, _ := s.logical(sub.Database)
	v := s.subscription(sub, local)
	wanted := isOn(sub.Options.TwoPhase)
	has := v.is != nil && isOn(v.is.Options.TwoPhase)
	if sub.Lifecycle.Ignores("two_phase") {
		wanted = has
	}
	if !wanted || !s.atLeast(15) {
		return
	}
	n, need := s.cluster.Primary, 1
	if v.publisher != nil {
		if most, _ := v.publisher.limit(v.publisher.cluster.Primary, "max_prepared_transactions"); most > need {
			need = most
		}
	}
	limit, at := s.limit(n, "max_prepared_transactions")
	way := fmt.Sprintf("Write in parameters of %s, which takes a restart of %s,\n  max_prepared_transactions = %d", s.cluster.ID, n.Name, need)
	switch {
	case limit < 0 || limit >= need:
	case limit == 0 && has:
		out.tellHealth(Error, sub.Address(), way, "%s has two_phase, and %s has max_prepared_transactions = 0: the first PREPARE TRANSACTION on its publisher stops replication", v.is.Name, n.Name)
	case limit == 0:
		out.fail(at, "Prepared transactions are disabled on the subscriber", "%s has two_phase = true, and %s has max_prepared_transactions = 0: the first PREPARE TRANSACTION on its publisher would stop replication. %s", sub.ID, n.Name, way)
	default:
		out.warn(at, "Too few prepared transactions on the subscriber", "%s has two_phase = true, and %s has max_prepared_transactions = %d, its publisher %d: replication stops while more are prepared. %s", sub.ID, n.Name, limit, need, way)
	}
}
