package sink_test

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// ended is when every run of these tests ended.
func ended() time.Time { return time.Date(2026, 11, 27, 1, 0, 5, 0, time.UTC) }

// run is a run over testdata/shop.hcl, in which all is well.
func run(t *testing.T) sink.Run {
	t.Helper()
	dir := t.TempDir()
	text, err := os.ReadFile(filepath.Join("testdata", "shop.hcl"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "main.hcl"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	shop, diags := topology.Load(dir, topology.Inputs{})
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	return sink.Run{
		Name: "shop", Version: "1.2.3", Ended: ended(), Took: 412 * time.Millisecond, Base: dir, Redact: func(s string) string { return s },
		Topology: shop, Facts: servers(), Plan: inSync(),
	}
}

func inSync() *plan.Plan {
	p := view.EmptyPlan("1.2.3")
	p.TopologyHash, p.Complete = "ab12", true
	p.Nodes = []plan.Node{
		{Name: "pg1", Host: "10.0.0.1", Cluster: "cluster.shop", Reachable: true, Role: "primary", Version: "15.18", Timeline: 3},
		{Name: "pg2", Host: "10.0.0.2", Cluster: "cluster.shop", Reachable: true, Role: "standby", Upstream: "pg1", Version: "15.18", Timeline: 3},
		{Name: "dw", Host: "10.0.0.3", Cluster: "cluster.warehouse", Reachable: true, Role: "primary", Version: "14.2", Timeline: 1},
	}
	p.Summary.Unchanged = 12
	return p
}

// servers are what was read: pg1 streams to pg2 and to the subscription of dw.
func servers() facts.Facts {
	bytes := func(n int64) *int64 { return &n }
	lag := func(d time.Duration) *time.Duration { return &d }
	pg1 := &facts.Server{
		VersionNum: 150018, LSN: "0/5000060",
		Settings:   map[string]facts.Setting{"shared_buffers": {PendingRestart: true}, "port": {}},
		Unarchived: &facts.Unarchived{Segment: "000000030000000000000004"},
		Senders: []facts.Sender{
			{ApplicationName: "pg2", SlotName: "pg2", State: "streaming", SyncState: "sync", SentBytes: bytes(0), WriteBytes: bytes(0), FlushBytes: bytes(96), LagBytes: bytes(2048), ReplayLag: lag(1500 * time.Millisecond)},
			{ApplicationName: "orders", SlotName: "orders", State: "streaming", SyncState: "async", LagBytes: bytes(4096)},
		},
		Slots: []facts.Slot{
			{Slot: topology.Slot{Name: "pg2", Type: "physical"}, Active: true, RetainedBytes: bytes(2048), WALStatus: "reserved", SafeWALSize: bytes(1 << 30)},
			{Slot: topology.Slot{Name: "orders", Type: "logical"}, Active: true, RetainedBytes: bytes(1 << 40), WALStatus: "lost"},
			{Slot: topology.Slot{Name: `my"slot`, Type: "physical"}}, // PostgreSQL has none of that name: a label must not depend on it
			{Slot: topology.Slot{Name: "pg_16399_sync_16384_7000000000000000001", Type: "logical"}},
			{Slot: topology.Slot{Name: "pg_basebackup_77", Type: "physical"}, Temporary: true},
		},
	}
	pg2 := &facts.Server{
		VersionNum: 150018, InRecovery: true, LSN: "0/5000000",
		Settings: map[string]facts.Setting{"primary_slot_name": {Value: "pg2"}, "cluster_name": {Value: "pg2"}},
		Receiver: &facts.Receiver{Status: "streaming", ReplayPaused: true, Backlog: bytes(96)},
	}
	subscription := facts.Subscription{
		Name: "orders", Options: topology.SubscriptionOptions{SlotName: "orders", Enabled: true}, Worker: &facts.SubscriptionWorker{}, ApplyErrors: 3, SyncErrors: 1,
	}
	dw := &facts.Server{VersionNum: 150018, LSN: "0/1000000", Logical: map[string]*facts.Logical{"dw": {Subscriptions: []facts.Subscription{subscription}}}}
	return facts.Facts{Nodes: map[string]*facts.Node{
		"pg1": {Name: "pg1", Host: &facts.Host{Running: true}, Server: pg1},
		"pg2": {Name: "pg2", Host: &facts.Host{Running: true}, Server: pg2},
		"dw":  {Name: "dw", Host: &facts.Host{Running: true}, Server: dw},
	}}
}

// drifted differs, and is ill; dw cannot be read.
func drifted(r sink.Run) sink.Run {
	r.ExitCode, r.Plan.Complete = 2, false
	dw := &r.Plan.Nodes[2]
	dw.Reachable, dw.Role, dw.Version, dw.Timeline, dw.Error, dw.Hint = false, "unknown", "", 0, "ssh: connection\nrefused", "To check: ssh 10.0.0.3"
	r.Facts.Nodes["dw"] = &facts.Node{Name: "dw", Error: &facts.ReadError{Kind: facts.Unreachable, Text: dw.Error}}
	text := func(s string) *string { return &s }
	r.Plan.Changes = []plan.Change{
		{
			Address: "cluster.shop.node.pg1.parameters", Action: plan.Update, Impact: plan.Restart, Nodes: []string{"pg1"},
			Attributes: []plan.Attribute{{Name: "max_connections", Before: text("100"), After: text("150"), Note: "needs a restart"}},
		},
		{Address: "cluster.shop.database.shop", Action: plan.Create, Nodes: []string{"pg1"}, Reason: "not there: 100% gone ]]>\x01"},
		{Address: "cluster.shop.node.pg1.slot.old", Action: plan.Delete, Nodes: []string{"pg1"}, Reason: "not in the topology"},
	}
	r.Plan.Summary = plan.Summary{Create: 1, Update: 1, Delete: 1, Unchanged: 5, Restarts: []string{"pg1"}}
	r.Plan.Drift = []plan.Notice{{Address: "cluster.shop.node.pg1.hba", Code: "shadowed_rule", Node: "pg1", Detail: "a rule is shadowed | by another"}}
	r.Plan.Unmanaged = []plan.Notice{
		{Address: "cluster.shop.role.app", Code: "unmanaged_role", Kind: "role", Node: "pg1", Detail: "role app"},
		{Address: "cluster.shop.role.web", Code: "unmanaged_role", Kind: "role", Node: "pg1", Detail: "role web"},
	}
	r.Plan.Findings = []plan.Finding{
		{Address: "cluster.shop.standby.pg2", Node: "pg2", Code: "replay_paused", Severity: plan.Error, Message: "replay is paused on pg2, which has 96 B to replay", Hint: "SELECT pg_wal_replay_resume() on pg2."},
		{Address: "cluster.shop.slot.orders", Node: "pg1", Code: "slot_lost", Severity: plan.Error, Message: "slot orders is lost: <it>, and `more`"},
		{Address: "cluster.shop.node.pg1", Node: "pg1", Code: "archiving_failing", Severity: plan.Warning, Message: "WAL is not archived", Hint: "Look at the log."},
	}
	r.Plan.Diagnostics = []plan.Diagnostic{{
		Severity: plan.Warning, Code: "password_in_plain_text", Summary: "Password in plain text", Detail: "It is in version control.",
		Range: &plan.Range{Filename: filepath.Join(r.Base, "main.hcl"), Start: plan.Pos{Line: 23, Column: 19}, End: plan.Pos{Line: 23, Column: 27}},
	}}
	return r
}

// broken is of a topology that does not load.
func broken(r sink.Run) sink.Run {
	p := view.EmptyPlan("1.2.3")
	p.Diagnostics = []plan.Diagnostic{{
		Severity: plan.Error, Code: "missing_argument", Summary: "Missing required argument", Detail: `The argument "host" is required.`,
		Range: &plan.Range{Filename: filepath.Join(r.Base, "main.hcl"), Start: plan.Pos{Line: 1}, End: plan.Pos{Line: 1}},
	}}
	r.ExitCode, r.Topology, r.Facts, r.Plan = 1, nil, facts.Facts{}, p
	return r
}
