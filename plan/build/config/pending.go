package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/doctor"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A change that reloads or restarts a server does more than it asks for: every pending
// value comes into force with it, pg_hba.conf as it stands, and a restart ends a pause of
// replay. So each change says that of each server that it reloads or restarts, and is
// refused where that would promote, cut off or move the server, or block commits.

// PutIntoForce completes the drafts of the cluster: it comes after all that make drafts.
func PutIntoForce(s *cluster.Cluster, out *draft.Findings) {
	for _, n := range s.Cluster.Members() {
		if !s.Running(n) || s.Recloned(n) {
			continue
		}
		all, reported := s.Pending(n), map[string]bool{}
		for _, d := range out.Drafts {
			reloads, restarts := reaches(d, n)
			if !reloads && !restarts {
				continue
			}
			f := force{scope: s, node: n, draft: d, restarts: restarts}
			for _, p := range all {
				if (restarts || !p.Restart) && !f.settles(p) && !f.settledFirst(p, out) {
					f.put(p)
					reported[p.Name] = true
				}
			}
			f.rules(out)
			f.pause()
		}
		for _, p := range all {
			reportPending(s, n, p, reported[p.Name], out)
		}
	}
}

// reaches tells what a draft does to the server of n.
func reaches(d *draft.Draft, n *topology.Node) (reloads, restarts bool) {
	for _, step := range d.Steps {
		sql, is := step.Op.(plan.SQL)
		reloads = reloads || is && step.Node == n.Name && strings.Contains(sql.SQL.Text, "pg_reload_conf()")
	}
	return reloads, slices.Contains(d.Restarts, n.Name)
}

// reportPending reports what is pending on n and what this plan does not replace: what must
// not come into force as an error, and the rest where no change lists it.
func reportPending(s *cluster.Cluster, n *topology.Node, p cluster.Pending, listed bool, out *draft.Findings) {
	if !listed && (ownLine(s, n, p.Name) || slices.ContainsFunc(out.Drafts, func(d *draft.Draft) bool { return (force{scope: s, node: n, draft: d}).settles(p) })) {
		return
	}
	address, when := s.ParametersAddress(n), "reload"
	if p.Restart {
		when = "restart"
	}
	what := fmt.Sprintf("%s = '%s' (%s) waits for a %s of %s", p.Name, p.Value, p.Where, when, n.Name)
	if why := refusesPending(s, n, p); why != "" {
		out.Report(doctor.Finding{
			Code: "pending_value_would_break_node", Severity: doctor.Error, Address: address, Node: n.Name,
			Evidence: "pg_settings and pg_file_settings on " + n.Name, Fix: undo(s, n, p) + ".",
		}, "%s: %s", what, why)
		return
	}
	if !listed {
		out.ReportUnmanaged("pending_value", address, n.Name, "%s", what)
	}
}

// undo says how to take a pending value back.
func undo(s *cluster.Cluster, n *topology.Node, p cluster.Pending) string {
	switch {
	case s.Cluster.Standby(n) != nil && slices.Contains(cluster.StandbyOwn(), p.Name):
		return fmt.Sprintf("Write the value in force back on %s: ALTER SYSTEM SET %s = … (SHOW %s has it)", n.Name, p.Name, p.Name)
	case strings.HasPrefix(p.Where, "removed"):
		return "Write the previous value of " + p.Name + " back on " + n.Name
	case strings.Contains(p.Where, "/"+cluster.AutoConf+","):
		return "Run ALTER SYSTEM RESET " + p.Name + " on " + n.Name
	}
	return "Remove that line on " + n.Name
}

// ownLine reports whether the topology gives n the parameter: compareParameters looks at it.
func ownLine(s *cluster.Cluster, n *topology.Node, name string) bool {
	return cluster.HasLine(s.Lines(n), name)
}

// force is what one draft puts into force on one server.
type force struct {
	scope    *cluster.Cluster
	node     *topology.Node
	draft    *draft.Draft
	restarts bool
}

// settles reports whether the draft, or the block, gives the parameter a value of its own.
func (f force) settles(p cluster.Pending) bool {
	if ownLine(f.scope, f.node, p.Name) || p.Name == cluster.SyncNames && f.draft.Address == f.scope.SyncAddress() {
		return true
	}
	for _, step := range f.draft.Steps {
		sql, is := step.Op.(plan.SQL)
		if is && step.Node == f.node.Name && (strings.Contains(sql.SQL.Text, "ALTER SYSTEM SET "+p.Name+" ") || strings.Contains(sql.SQL.Text, "ALTER SYSTEM RESET "+p.Name+";")) {
			return true
		}
	}
	return f.draft.Address == f.scope.ParametersAddress(f.node) && cluster.Differs(f.draft.Attributes, p.Name)
}

// settledFirst puts the draft after the one that writes what a standby has in
// postgresql.auto.conf again, where that changes nothing that is in force.
func (f force) settledFirst(p cluster.Pending, out *draft.Findings) bool {
	address := f.scope.StandbyAddress(f.node)
	for _, d := range out.Drafts {
		if d.Address == address && f.draft != d && len(d.Needs)+len(d.After) == 0 && slices.Contains(cluster.StandbyOwn(), p.Name) && (force{scope: f.scope, node: f.node, draft: d}).settles(p) {
			f.draft.Needs, f.draft.Brings = append(f.draft.Needs, address), append(f.draft.Brings, address)
			return true
		}
	}
	return false
}

// put lists a pending value under the draft, or refuses the draft.
func (f force) put(p cluster.Pending) {
	n, does, when := f.node, "reloads", "reload"
	if f.restarts {
		does, when = "restarts", "restart"
	}
	if why := refusesPending(f.scope, n, p); why != "" {
		f.refuse("Pending change would break the node",
			"%s: %s = '%s' (%s) is not in effect yet, and %s %s %s, which puts it into effect: %s. %s, then plan again.",
			n.Name, p.Name, p.Value, p.Where, f.draft.Address, does, n.Name, why, undo(f.scope, n, p))
		return
	}
	f.raisePast(p)
	setting, name := f.scope.Found(n).Server.Settings[p.Name], p.Name
	if len(f.draft.Nodes) == 0 || f.draft.Nodes[0] != n.Name {
		name = n.Name + ": " + name
	}
	before, after := cluster.WithUnit(setting, setting.Value), cluster.WithUnit(setting, p.Value)
	if p.Name == "primary_conninfo" {
		before = topology.Redacted
	}
	f.draft.Attributes = append(f.draft.Attributes, plan.Attribute{
		Name: name, Before: plan.Ptr(before), After: plan.Ptr(after),
		Note: "not from this topology; this " + when + " puts it into effect: " + p.Where,
	})
}

// raisePast warns where a restart of the primary puts a raised value into force that somebody
// else has set.
func (f force) raisePast(p cluster.Pending) {
	now := f.scope.Found(f.node).Server.InForce(p.Name)
	why := raisedPastUndefined(f.scope)
	if f.node != f.scope.Goal.Primary || !slices.Contains(pg.HotStandby(), p.Name) || cluster.LimitOf(p.Value) <= cluster.LimitOf(now) || why == "" {
		return
	}
	at := f.scope.RangeOf(f.node)
	f.draft.Diags = append(f.draft.Diags, &hcl.Diagnostic{
		Severity: hcl.DiagWarning, Summary: raisedPast, Subject: &at,
		Detail: fmt.Sprintf("%s restarts %s, which raises %s from %s to %s (%s), and %s", f.draft.Address, f.node.Name, p.Name, now, p.Value, p.Where, why),
	})
}

// refuse is an error of plan and apply; drift and status report the state by its health.
func (f force) refuse(summary, format string, args ...any) {
	at := f.scope.RangeOf(f.node)
	f.draft.Diags = append(f.draft.Diags, &hcl.Diagnostic{Severity: hcl.DiagError, Summary: summary, Subject: &at, Detail: fmt.Sprintf(format, args...), Extra: plan.LiveState{}})
}

// rules brings the block of pg_hba.conf into its place first, where the file as it stands
// would keep out a standby that streams, or repltool.
func (f force) rules(out *draft.Findings) {
	address := f.scope.HBAAddress(f.node)
	if f.draft.Address == address || !f.scope.PendingRulesLockOut(f.node) {
		return
	}
	if slices.ContainsFunc(out.Drafts, func(d *draft.Draft) bool { return d.Address == address }) {
		f.draft.Needs, f.draft.Brings = append(f.draft.Needs, address), append(f.draft.Brings, address)
	}
}

// pause refuses a restart that ends a pause of replay which somebody wants, and that this
// restart is not the way out of.
func (f force) pause() {
	n := f.node
	if !f.restarts || !f.scope.Paused(n) || f.scope.LimitPauses(n) != "" {
		return
	}
	f.refuse("Restart would end the pause of replay",
		"%s has paused its replay, and %s restarts it. A restart resumes the replay, and defeats the purpose of the pause. %s Then plan again.",
		n.Name, f.draft.Address, f.scope.ResumeHint(n))
}

// checkRole refuses a restart that would make a primary of a standby, or the other way round:
// what a server is at its start follows from standby.signal, not from what it was before.
func (c *paramChange) checkRole(out *draft.Findings) {
	if !c.restart || c.found.Host == nil || c.scope.Recloned(c.node) {
		return
	}
	if what, fix := cluster.OtherRole(c.node, c.found); what != "" {
		out.Fail(c.scope.RangeOf(c.node), "Restart would change the role of the server",
			"%s, and this plan restarts %s. Fix that first, then plan again. %s", what, c.node.Name, fix)
	}
}

// refusesPending tells why the value must not come into force; "" when it may.
func refusesPending(s *cluster.Cluster, n *topology.Node, p cluster.Pending) string {
	server := s.Found(n).Server
	limit := func(holds int, what string) string {
		if cluster.Number(server.Settings[p.Name], p.Value) >= float64(holds) {
			return ""
		}
		return fmt.Sprintf("it holds %s, and a lower limit does not do for that", words.Counted(holds, what))
	}
	for _, held := range cluster.HeldLimits(server) {
		if why := limit(held.N, held.What); held.Parameter == p.Name && why != "" {
			return why
		}
	}
	switch p.Name {
	case "data_directory":
		return "it would start on another data directory than the one in use"
	case "hba_file":
		return "the rules of " + server.Settings[p.Name].Value + ", which it uses now, would no longer be in effect"
	case "ident_file":
		return "the user name maps of " + server.Settings[p.Name].Value + ", which it uses now, would no longer be in effect"
	case "port", "unix_socket_directories":
		return "repltool and the other nodes would no longer find it at its address"
	case "max_wal_senders":
		if why := limit(len(server.Senders), "connection of standbys and other replication clients"); why != "" {
			return why
		}
	case "ssl":
		if s.Feeds(n) && s.ReplicationType() == "hostssl" && cluster.Same(server.Settings[p.Name], p.Value, "off") {
			return "standbys connect to it by TLS only, and could not connect again"
		}
	}
	if sb := s.Cluster.Standby(n); sb != nil {
		return refusesOnStandby(s, sb, p)
	}
	return refusesOnPrimary(s, p)
}

func refusesOnStandby(s *cluster.Cluster, sb *topology.Standby, p cluster.Pending) string {
	server := s.Found(sb.Node).Server
	switch p.Name {
	case "promote_trigger_file": // PostgreSQL 13 to 15
		if p.Value != "" {
			return "the standby is promoted, and is a second primary, as soon as that file exists"
		}
	case "primary_conninfo":
		if !s.PendingConnAsWanted(sb) {
			return "the standby would no longer follow its upstream " + s.Followed(sb).Name
		}
	case "primary_slot_name":
		if p.Value != sb.Slot {
			return "the standby would no longer hold its slot on its upstream " + s.Followed(sb).Name
		}
	case "hot_standby":
		if cluster.Same(server.Settings[p.Name], p.Value, "off") {
			return "the standby would accept no connections, and repltool could not read it"
		}
	case "recovery_target_timeline":
		if p.Value != "latest" {
			return "the standby would follow that timeline only, or not start"
		}
	case "recovery_target", "recovery_target_lsn", "recovery_target_name", "recovery_target_time", "recovery_target_xid":
		if p.Value != "" {
			return "the standby would stop its replay at that target, or not start"
		}
	}
	return ""
}

func refusesOnPrimary(s *cluster.Cluster, p cluster.Pending) string {
	if behind := standbysBelow(s, p); len(behind) > 0 {
		return strings.Join(behind, ", ") + " would have a lower limit than the primary, and would stop replaying; set in the topology, it is raised on the standbys first"
	}
	if p.Name == cluster.SyncNames {
		return s.WouldBlock(p.Value)
	}
	return ""
}

// standbysBelow are the standbys that will have less of a hot-standby parameter than their
// primary gets (PostgreSQL docs, 26.4.3 "Administrator's Overview").
func standbysBelow(s *cluster.Cluster, p cluster.Pending) []string {
	var names []string
	for _, sb := range s.Cluster.Standbys {
		if slices.Contains(pg.HotStandby(), p.Name) && cluster.LimitOf(s.WillHave(sb.Node, p.Name)) < cluster.LimitOf(p.Value) {
			names = append(names, sb.Node.Name)
		}
	}
	return names
}
