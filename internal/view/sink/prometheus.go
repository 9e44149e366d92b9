package sink

import (
	"bytes"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// lastComplete is the metric that is taken over from the file that is replaced.
const lastComplete = "repltool_last_complete_timestamp_seconds"

// LastComplete reads, from the metrics that an earlier run of the topology wrote, when one last
// read every node; zero where they do not say.
func LastComplete(metrics []byte, name string) time.Time {
	prefix := lastComplete + `{topology="` + labelValue(name) + `"} `
	for line := range bytes.Lines(metrics) {
		if value, is := strings.CutPrefix(strings.TrimSpace(string(line)), prefix); is {
			if seconds, err := strconv.ParseFloat(value, 64); err == nil && seconds > 0 {
				return time.UnixMicro(int64(seconds * 1e6))
			}
		}
	}
	return time.Time{}
}

// Prometheus writes the run for the textfile collector of node_exporter. A value that is not
// known has no sample: a node that could not be read has repltool_node_up 0 and nothing else,
// and repltool_drift 0 is only said of a cluster that was compared in full. The labels are
// names of the topology, of slots and of subscriptions, so that their number is bounded; slots
// of base backups and of initial table copies, which come and go, are left out.
func Prometheus(w io.Writer, r *Run, lastComplete time.Time) error {
	e := &exposition{}
	e.run(r, lastComplete)
	e.nodes(r)
	e.drift(r)
	e.standbys(r)
	e.synchronous(r)
	e.slots(r)
	e.subscriptions(r)
	return e.write(w)
}

func (e *exposition) run(r *Run, last time.Time) {
	e.gauge("repltool_build_info", "Version of repltool that wrote this file.", "version").set(1, r.Version)
	e.gauge("repltool_run_timestamp_seconds", "End of the last run of repltool drift.", "topology").set(seconds(r.Ended), r.Name)
	e.gauge("repltool_run_duration_seconds", "Time that the run took to read the nodes.", "topology").set(r.Took.Seconds(), r.Name)
	e.gauge("repltool_run_exit_code", "Exit code of the run: 0 in sync, 1 error, 2 drift, 3 incomplete.", "topology").set(float64(r.ExitCode), r.Name)
	e.gauge("repltool_run_complete", "Whether every node was read, and all of the topology compared.", "topology").set(flag(r.Whole()), r.Name)
	if r.Whole() {
		last = r.Ended
	}
	complete := e.gauge(lastComplete, "End of the last run that was complete.", "topology")
	if !last.IsZero() {
		complete.set(seconds(last), r.Name)
	}
}

func (e *exposition) nodes(r *Run) {
	up := e.gauge("repltool_node_up", "Whether the PostgreSQL server of the node could be read.", "cluster", "node")
	primary := e.gauge("repltool_node_primary", "Whether the node is a primary.", "cluster", "node")
	timeline := e.gauge("repltool_node_timeline", "Timeline of the node.", "cluster", "node")
	pending := e.gauge("repltool_node_pending_restart", "Parameters that wait for a restart of the node.", "cluster", "node")
	archive := e.gauge("repltool_wal_archive_failing", "Whether the last attempt to archive WAL failed.", "cluster", "node")
	info := e.gauge("repltool_node_info", "Version and location of the node.", "cluster", "node", "version", "location")
	for _, c := range r.Topology.Clusters {
		for _, n := range r.Plan.Nodes {
			if n.Cluster != c.ID {
				continue
			}
			server := r.server(n.Name)
			up.set(flag(server != nil), c.Name, n.Name)
			if server == nil {
				continue
			}
			primary.set(flag(!server.InRecovery), c.Name, n.Name)
			timeline.set(float64(n.Timeline), c.Name, n.Name)
			pending.set(float64(pendingRestart(server)), c.Name, n.Name)
			archive.set(flag(server.Unarchived != nil), c.Name, n.Name)
			info.set(1, c.Name, n.Name, n.Version, locationOf(r.Topology, n.Name))
		}
	}
}

func pendingRestart(server *facts.Server) int {
	n := 0
	for _, s := range server.Settings {
		if s.PendingRestart {
			n++
		}
	}
	return n
}

func (e *exposition) drift(r *Run) {
	drift := e.gauge("repltool_drift", "Whether the cluster differs from the topology; absent where that is not known.", "cluster")
	changes := e.gauge("repltool_drift_changes", "Objects that differ, by kind and by what a plan would do with them (none: report only).", "cluster", "kind", "action")
	unmanaged := e.gauge("repltool_drift_unmanaged", "Objects that are not defined in the topology.", "cluster", "kind")
	health := e.gauge("repltool_health", "Findings by severity; absent where the cluster was not read in full and none is known.", "cluster", "severity")
	findings := e.gauge("repltool_health_findings", "Findings by code.", "cluster", "severity", "code")
	for _, c := range r.Topology.Clusters {
		if r.compared(c) {
			drift.set(0, c.Name)
			health.set(0, c.Name, string(plan.Error))
			health.set(0, c.Name, string(plan.Warning))
		}
	}
	for _, x := range r.Results {
		switch x.Outcome {
		case Differs:
			action := x.Code
			if !slices.Contains([]plan.Action{plan.Create, plan.Update, plan.Delete, plan.Replace}, plan.Action(action)) {
				action = "none"
			}
			drift.set(1, x.Cluster)
			changes.add(1, x.Cluster, kindOf(x.Address), action)
		case Unhealthy:
			health.add(1, x.Cluster, string(x.Severity))
			findings.add(1, x.Cluster, string(x.Severity), x.Code)
		}
	}
	for _, n := range r.Plan.Unmanaged {
		unmanaged.add(1, clusterName(r.Topology, n.Address), kindOf(n.Address))
	}
}

// kindOf is the kind of the object at an address; of a node the part, such as parameters.
func kindOf(address string) string {
	a := topology.ParseAddress(address)
	switch {
	case a.Slot() != "":
		return "slot"
	case a.Kind == "node" && a.Part != "":
		return a.Part
	case strings.ContainsAny(a.Kind, ". "): // no address
		return "other"
	}
	return a.Kind
}

func clusterName(t *topology.Topology, address string) string {
	if c := t.ClusterOf(topology.ParseAddress(address)); c != nil {
		return c.Name
	}
	return ""
}

func (e *exposition) standbys(r *Run) {
	streaming := e.gauge("repltool_standby_streaming", "Whether the upstream streams to the standby.", "cluster", "node", "upstream")
	paused := e.gauge("repltool_standby_replay_paused", "Whether replay is paused.", "cluster", "node", "upstream")
	bytes := e.gauge("repltool_standby_lag_bytes", "WAL from the upstream's end to what the standby was sent, and has written, flushed and replayed.", "cluster", "node", "upstream", "stage")
	lag := e.gauge("repltool_standby_lag_seconds", "write_lag, flush_lag and replay_lag of pg_stat_replication; absent while they are NULL.", "cluster", "node", "upstream", "stage")
	backlog := e.gauge("repltool_standby_backlog_bytes", "WAL that the standby has received and not replayed.", "cluster", "node")
	for i, c := range r.Topology.Clusters {
		for _, n := range r.Status.Clusters[i].Nodes {
			upstream := upstreamOf(c, n)
			at := []string{c.Name, n.Node, upstream}
			asked := r.server(upstream) != nil
			if n.Lag == nil && asked { // there is none that streams to it
				streaming.set(0, at...)
			}
			if n.Lag == nil || !asked && n.State == "not connected" {
				continue
			}
			streaming.set(flag(n.State == "streaming"), at...)
			for _, s := range []struct {
				stage string
				bytes *int64
				lag   *float64
			}{
				{"sent", n.Lag.SentBytes, nil},
				{"written", n.Lag.WriteBytes, n.Lag.WriteSeconds},
				{"flushed", n.Lag.FlushBytes, n.Lag.FlushSeconds},
				{"replayed", n.Lag.ReplayBytes, n.Lag.ReplaySeconds},
			} {
				setKnown(bytes, s.bytes, append(at, s.stage)...)
				setKnown(lag, s.lag, append(at, s.stage)...)
			}
			if r.server(n.Node) != nil {
				paused.set(flag(n.Lag.Paused), at...)
			}
			setKnown(backlog, n.Lag.Backlog, c.Name, n.Node)
		}
	}
}

// upstreamOf is who a standby follows or, where that was not found, whom it should follow; "" of
// a primary.
func upstreamOf(c *topology.Cluster, n view.Standing) string {
	i := slices.IndexFunc(c.Standbys, func(s *topology.Standby) bool { return s.Node.Name == n.Node })
	if n.Upstream != "" || i < 0 || n.Role == string(facts.RolePrimary) {
		return n.Upstream
	}
	return c.Standbys[i].Upstream.Name
}

func (e *exposition) synchronous(r *Run) {
	wanted := e.gauge("repltool_synchronous_wanted", "Synchronous standbys that a commit waits for, in the topology.", "cluster")
	present := e.gauge("repltool_synchronous_present", "Standbys that stream with sync_state sync or quorum.", "cluster")
	for i, c := range r.Topology.Clusters {
		if c.Synchronous == nil {
			continue
		}
		wanted.set(float64(c.Synchronous.Number), c.Name)
		if primary := leader(r, c); primary != "" {
			present.set(float64(synchronous(r.Status.Clusters[i].Nodes, primary)), c.Name)
		}
	}
}

func synchronous(nodes []view.Standing, primary string) int {
	n := 0
	for _, s := range nodes {
		if s.Upstream == primary && s.State == "streaming" && (s.Sync == "sync" || s.Sync == "quorum") {
			n++
		}
	}
	return n
}

func (e *exposition) slots(r *Run) {
	active := e.gauge("repltool_slot_active", "Whether a process uses the slot.", "cluster", "node", "slot", "type")
	retained := e.gauge("repltool_slot_retained_bytes", "WAL that the slot holds back.", "cluster", "node", "slot", "type")
	safe := e.gauge("repltool_slot_safe_bytes", "WAL that may still be written until the slot can be lost; absent without a limit.", "cluster", "node", "slot", "type")
	status := e.gauge("repltool_slot_wal_status", "wal_status of the slot: exactly one is 1.", "cluster", "node", "slot", "status")
	for i, c := range r.Topology.Clusters {
		for _, s := range r.Status.Clusters[i].Slots {
			if _, _, copying := pg.CopySlot(s.Name); copying || s.Temporary {
				continue
			}
			at := []string{c.Name, s.Node, s.Name, s.Type}
			active.set(flag(s.Active), at...)
			setKnown(retained, s.Retained, at...)
			setKnown(safe, s.Safe, at...)
			for _, state := range []string{"reserved", "extended", "unreserved", "lost"} {
				if s.Status != "" {
					status.set(flag(s.Status == state), c.Name, s.Node, s.Name, state)
				}
			}
		}
	}
}

func (e *exposition) subscriptions(r *Run) {
	labels := []string{"cluster", "database", "subscription"}
	running := e.gauge("repltool_subscription_running", "Whether the subscription streams or copies tables.", labels...)
	lag := e.gauge("repltool_subscription_lag_bytes", "WAL from the publisher's end to what the subscription has applied.", labels...)
	tables := e.gauge("repltool_subscription_tables", "Tables of the subscription.", labels...)
	ready := e.gauge("repltool_subscription_tables_ready", "Tables whose initial copy has ended.", labels...)
	errors := e.counter("repltool_subscription_errors_total", "Errors of the subscription since the statistics were reset; PostgreSQL 15 and later.", append(labels, "phase")...)
	for i, c := range r.Topology.Clusters {
		for _, s := range r.Status.Clusters[i].Subscriptions {
			if s.State == "unknown" {
				continue
			}
			at := []string{c.Name, s.Database, strings.TrimPrefix(s.Address, "subscription.")}
			running.set(flag(s.State == "streaming" || s.State == "copying"), at...)
			setKnown(lag, s.LagBytes, at...)
			tables.set(float64(s.Tables), at...)
			ready.set(float64(s.Ready), at...)
			setKnown(errors, s.ApplyErrors, append(at, "apply")...)
			setKnown(errors, s.SyncErrors, append(at, "sync")...)
		}
	}
}

func locationOf(t *topology.Topology, node string) string {
	if n := t.Node(node); n != nil {
		return n.Location
	}
	return ""
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

func flag(is bool) float64 {
	if is {
		return 1
	}
	return 0
}
