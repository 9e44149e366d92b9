package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/doctor"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Limits of a server, each in one sum: what is there, also of others, what this plan
// adds, and a reserve for the copies that it makes. All are compared on every plan, so
// that all refusals are reported at once (PostgreSQL docs, 29.12 "Configuration Settings").

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
		parts = append(parts, fmt.Sprintf("%d reserved for base backups", d.reserve))
	}
	return strings.Join(parts, ", ")
}

func CheckLimits(s *cluster.Cluster, out *draft.Findings) {
	for _, n := range s.Cluster.Members() {
		checkLimit(s, n, "Not enough replication slots", "max_replication_slots", "replication slots", slotDemand(s, n), out)
		checkLimit(s, n, "Not enough WAL senders", "max_wal_senders", "WAL senders", senderDemand(s, n), out)
	}
	checkConnections(s, out)
	checkMinimal(s, out)
	n := s.Goal.Primary
	if len(plannedSubscriptions(s)) == 0 {
		return
	}
	workers, processes, origins := workerDemand(s), workerDemand(s), originDemand(s)
	processes.there++ // the launcher
	checkLimit(s, n, "Not enough workers", "max_logical_replication_workers", "logical replication workers", workers, out)
	checkLimit(s, n, "Not enough workers", "max_worker_processes", "background workers", processes, out)
	checkLimit(s, n, "Not enough replication origins", cluster.OriginsParameter(s.Major()), "replication origins", origins, out)
	for _, sub := range plannedSubscriptions(s) {
		checkOptionLimits(s, sub, out)
	}
}

// checkMinimal refuses wal_level = minimal under standbys and publications: the limits
// that it would have to be 0 with are not what is to be fixed. What a subscription needs
// of its publisher is compared with the subscription.
func checkMinimal(s *cluster.Cluster, out *draft.Findings) {
	const name = "wal_level"
	n := s.Goal.Primary
	if !s.Running(n) && !s.WillRun(n) || s.WillHave(n, name) != "minimal" {
		return
	}
	standbys, publications := len(s.Cluster.Standbys), len(s.Publications())
	level, who, why := "replica", words.Counted(standbys, "standby"), "WAL of that level cannot be replayed on a standby, and no base backup can be taken"
	switch {
	case standbys == 0 && (publications == 0 || len(s.Subscribers()) > 0):
		return
	case standbys == 0:
		who, why = words.Counted(publications, "publication"), "changes cannot be decoded from WAL of that level"
	}
	if publications > 0 {
		level = "logical"
	}
	out.Fail(s.RangeOfParameter(n, name), "wal_level too low",
		"%s has wal_level = minimal and %s: %s. Set in parameters of %s\n  wal_level = %q",
		n.Name, who, why, s.Cluster.ID, level)
}

// checkLimit is an error where this plan adds to what does not fit. Where it adds nothing,
// what exists and does not fit is a finding, and a missing reserve a warning.
func checkLimit(s *cluster.Cluster, n *topology.Node, summary, name, what string, d demand, out *draft.Findings) {
	limit, at := s.Limit(n, name)
	if limit < 0 || d.sum() <= limit {
		return
	}
	say := out.Warn
	switch {
	case d.come > 0 || d.now:
		say = out.Fail
	case d.there > limit:
		out.Report(doctor.Finding{
			Code: "limit_exceeded", Severity: doctor.Error, Address: s.ParametersAddress(n), Node: n.Name,
			Evidence: "pg_settings and what uses the limit on " + n.Name,
			Fix:      fmt.Sprintf("Set in parameters of %s\n  %s = %d", s.Cluster.ID, name, d.sum()),
		}, "%s has %s = %d and needs %d %s (%s)", n.Name, name, limit, d.sum(), what, d)
		return
	}
	say(at, summary, "%s has %s = %d and needs %d %s (%s). Set in parameters of %s\n  %s = %d", n.Name, name, limit, d.sum(), what, d, s.Cluster.ID, name, d.sum())
}

// plannedSubscriptions are those of the cluster that this plan looks at.
func plannedSubscriptions(s *cluster.Cluster) []*topology.Subscription {
	return list.Kept(s.Subscriptions(), func(sub *topology.Subscription) bool { return s.Targeted(sub.Address()) })
}

// slotDemand counts slots; each table copy has one of its own.
func slotDemand(s *cluster.Cluster, n *topology.Node) demand {
	var d demand
	if f := s.Found(n); f.Server != nil && !s.Recloned(n) {
		d.there = len(f.Server.Slots)
	}
	for _, w := range s.WantedSlots() {
		if w.On == n && s.FoundSlot(n, w.Name) == nil && (w.By == nil || s.Targeted(w.By.Address())) {
			d.come++
		}
	}
	if n == s.Goal.Primary && s.CopiesFrom() {
		d.reserve, d.now = 1, true
	}
	if d.come+d.reserve == 0 {
		return demand{} // a server does not start with fewer than it has
	}
	return d
}

// senderDemand counts WAL senders: one for each standby, each enabled subscription, and
// each client that is not defined in the topology; a clone and a table copy take one.
func senderDemand(s *cluster.Cluster, n *topology.Node) demand {
	var d demand
	for _, sb := range s.Cluster.Standbys {
		switch {
		case sb.Upstream != n:
		case s.Recloned(sb.Node):
			d.come, d.reserve = d.come+1, 1
		default:
			d.there++
		}
	}
	if n == s.Goal.Primary {
		for _, sub := range s.Subscribers() {
			switch {
			case !sub.Options.Enabled || !s.Targeted(sub.Address()):
			case s.Exists(sub):
				d.there++
			default:
				d.come++
			}
		}
		if s.CopiesFrom() {
			d.reserve, d.now = 1, true
		}
	}
	if f := s.Found(n); f.Server != nil && !s.Recloned(n) {
		d.there += len(list.Kept(f.Server.Senders, func(c facts.Sender) bool { return s.ForeignSender(n, c) }))
	}
	return d
}

// workerDemand counts apply workers: one for each enabled subscription, also of those
// that the topology does not define, and one for a table copy.
func workerDemand(s *cluster.Cluster) demand {
	d := demand{there: s.OtherSubscriptions(), reserve: 1}
	for _, sub := range plannedSubscriptions(s) {
		name := facts.SubscriptionName{Database: sub.Database, Name: sub.Name}
		switch {
		case !sub.Options.Enabled:
		case s.Live() != nil && slices.Contains(s.Live().Applying, name) || s.Exists(sub) && s.Earlier("subscription", sub.Address(), sub.Database, sub.Name) != "":
			d.there++
		default:
			d.come++
		}
		d.now = d.now || s.Copying(sub)
	}
	return d
}

// originDemand counts replication origins: one for each subscription, and one for each
// table copy.
func originDemand(s *cluster.Cluster) demand {
	var d demand
	for _, sub := range plannedSubscriptions(s) {
		if s.Exists(sub) {
			d.there++
		} else {
			d.come++
		}
		if s.Copying(sub) {
			d.reserve, d.now = 1, true
		}
	}
	d.there += s.OtherSubscriptions()
	if s.Live() != nil {
		d.there = max(d.there, s.Live().Origins)
	}
	return d
}

// checkOptionLimits compares what an option of a subscription asks of the subscriber.
func checkOptionLimits(s *cluster.Cluster, sub *topology.Subscription, out *draft.Findings) {
	checkPrepared(s, sub, out)
	n := s.Goal.Primary
	if limit, at := s.Limit(n, "max_sync_workers_per_subscription"); limit == 0 && s.Copying(sub) {
		out.Fail(at, "Not enough workers", "%s copies tables, but %s has max_sync_workers_per_subscription = 0: no copy would start. Set in parameters "+
			"of %s\n  max_sync_workers_per_subscription = 2", sub.ID, n.Name, s.Cluster.ID)
	}
	if limit, at := s.Limit(n, "max_parallel_apply_workers_per_subscription"); limit == 0 && sub.Options.Streaming == topology.StreamingParallel {
		out.Warn(at, "Parallel apply disabled on the subscriber", "%s has streaming = \"parallel\", but %s has max_parallel_apply_workers_per_subscription = 0: large "+
			"transactions are written to files and applied by one worker, as with \"on\". Set in parameters of %s\n"+
			"  max_parallel_apply_workers_per_subscription = 2", sub.ID, n.Name, s.Cluster.ID)
	}
}

// checkPrepared compares max_prepared_transactions with what two_phase needs: what the
// publisher can hold prepared at one time is prepared on the subscriber too.
func checkPrepared(s *cluster.Cluster, sub *topology.Subscription, out *draft.Findings) {
	v, _ := s.SubscriptionOf(sub)
	has := v.Is != nil && pg.IsOn(v.Is.Options.TwoPhase)
	if v.Option("two_phase") != "true" {
		return
	}
	n, need := s.Goal.Primary, 1
	if v.Source != nil {
		if most, _ := v.Source.Limit(v.Source.Goal.Primary, "max_prepared_transactions"); most > need {
			need = most
		}
	}
	limit, at := s.Limit(n, "max_prepared_transactions")
	way := fmt.Sprintf("Set in parameters of %s, which requires a restart of %s,\n  max_prepared_transactions = %d", s.Cluster.ID, n.Name, need)
	switch {
	case limit < 0 || limit >= need:
	case limit == 0 && has:
		out.Report(doctor.Finding{
			Code: "two_phase_without_prepared_transactions", Severity: doctor.Error, Address: sub.Address(), Node: n.Name,
			Evidence: "pg_subscription and pg_settings on " + n.Name, Fix: way,
		}, "%s has two_phase, and %s has max_prepared_transactions = 0: the first PREPARE TRANSACTION on its publisher stops replication", v.Is.Name, n.Name)
	case limit == 0:
		out.Fail(at, "Prepared transactions disabled on the subscriber", "%s has two_phase = true, and %s has max_prepared_transactions = 0: the first PREPARE TRANSACTION on its publisher would stop replication. %s", sub.ID, n.Name, way)
	default:
		out.Warn(at, "Not enough prepared transactions", "%s has two_phase = true, and %s has max_prepared_transactions = %d, its publisher %d: replication stops while more are prepared. %s", sub.ID, n.Name, limit, need, way)
	}
}
