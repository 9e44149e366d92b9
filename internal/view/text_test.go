package view

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

func TestDuration(t *testing.T) {
	for d, want := range map[time.Duration]string{
		850 * time.Millisecond: "850ms", 4200 * time.Millisecond: "4.2s", 3 * time.Second: "3s",
		59*time.Second + 990*time.Millisecond: "59.9s", 10 * time.Minute: "10m", 200 * time.Second: "3m20s",
		125 * time.Minute: "2h5m", 2 * time.Hour: "2h", -3 * time.Second: "-3s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v: got %q, want %q", int64(d), got, want)
		}
	}
}

func TestBytes(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 1536: "1.5 kB", 16 << 20: "16 MB", 412 << 30: "412 GB"} {
		if got := Bytes(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func TestShell(t *testing.T) {
	for arg, want := range map[string]string{"a-b/c.d=1": "a-b/c.d=1", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "$x": "'$x'", "é": "'é'"} {
		if got := Shell(arg); got != want {
			t.Errorf("%q: got %s, want %s", arg, got, want)
		}
	}
}

func TestCleanKeepsTheTerminalSafe(t *testing.T) {
	if got, want := Clean("a\x1b[2J\r\nb\tc\u202e\u0085é"), "a\\x1b[2J\\x0d\nb\tc\\u202e\\u0085é"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestDiagnostics(t *testing.T) {
	const text = "node \"pg1\" {\n  host = 1\n}\n\ncluster \"main\" {\n  primary = node.pg2\n}\n"
	file, diags := hclsyntax.ParseConfig([]byte(text), "main.hcl", hcl.InitialPos)
	if diags.HasErrors() {
		t.Fatal(diags)
	}
	all := Diagnostics(hcl.Diagnostics{
		{
			Severity: hcl.DiagError, Summary: "No such node", Detail: "There is no node \"pg2\". A sentence that is long enough to be wrapped at the edge, as prose is.\nA command is not wrapped:\n  repltool plan -target=cluster.main.standby.pg2 -target=cluster.main.standby.pg3 -out=some.plan",
			Subject: &hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: 6, Column: 13, Byte: 56}, End: hcl.Pos{Line: 6, Column: 21, Byte: 64}},
		},
		{Severity: hcl.DiagWarning, Summary: "Look here"},
		{Severity: hcl.DiagError, Summary: "Beyond the end", Subject: &hcl.Range{Filename: "main.hcl", Start: hcl.Pos{Line: 9, Byte: 900}, End: hcl.Pos{Line: 9, Byte: 901}}},
	}, map[string]*hcl.File{"main.hcl": file})
	if s := all[0].Snippet; s.Code[s.HighlightStartOffset:s.HighlightEndOffset] != "node.pg2" || *s.Context != `cluster "main"` {
		t.Errorf("snippet %+v", s)
	}
	var out bytes.Buffer
	if err := WriteDiagnostics(&out, Style{}, all); err != nil {
		t.Fatal(err)
	}
	want := `Warning: Look here

Error: No such node
  on main.hcl line 6, in cluster "main":
     6:   primary = node.pg2

  There is no node "pg2". A sentence that is long enough to be wrapped at the edge,
  as prose is.
  A command is not wrapped:
    repltool plan -target=cluster.main.standby.pg2 -target=cluster.main.standby.pg3 -out=some.plan

Error: Beyond the end
  on main.hcl line 9:

`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}

func TestStatus(t *testing.T) {
	pg1, pg2, pg3, pg4 := &topology.Node{Name: "pg1"}, &topology.Node{Name: "pg2"}, &topology.Node{Name: "pg3"}, &topology.Node{Name: "pg4"}
	top := &topology.Topology{Clusters: []*topology.Cluster{{ID: "cluster.main", Primary: pg1, Standbys: []*topology.Standby{{Node: pg2}, {Node: pg3}, {Node: pg4}}}}}
	none, lag, replay := int64(0), int64(3<<20), 1500*time.Millisecond
	f := facts.Facts{Nodes: map[string]*facts.Node{
		"pg1": {Name: "pg1", Server: &facts.Server{
			LSN: "0/5000000",
			Senders: []facts.Sender{
				{ApplicationName: "pg2", State: "streaming", SyncState: "quorum", SentBytes: &none, FlushBytes: &none, LagBytes: &lag, ReplayLag: &replay, SlotName: "pg2"},
				{ApplicationName: "pg3", State: "streaming", LagBytes: &lag}, // as its upstream sees it; it could not be read
			},
			Slots: []facts.Slot{{Slot: topology.Slot{Name: "pg2", Type: "physical"}, Active: true, WALStatus: "reserved"}},
		}},
		"pg2": {Name: "pg2", Server: &facts.Server{InRecovery: true, LSN: "0/4D00000", Settings: map[string]facts.Setting{"primary_slot_name": {Value: "pg2"}, "recovery_min_apply_delay": {Value: "60000", Unit: "ms"}}, Receiver: &facts.Receiver{Backlog: &lag, ReplayDelay: &replay}}},
		"pg3": {Name: "pg3"},
		"pg4": {Name: "pg4"},
	}}
	p := &plan.Plan{Nodes: []plan.Node{
		{Name: "pg1", Cluster: "cluster.main", Role: "primary", Timeline: 2},
		{Name: "pg2", Cluster: "cluster.main", Role: "standby", Timeline: 2, Upstream: "pg1"},
		{Name: "pg3", Cluster: "cluster.main", Role: "unknown", Error: "ssh: no route", Hint: "is it up?"},
		{Name: "pg4", Cluster: "cluster.main", Role: "down"},
	}, Findings: []plan.Finding{{Address: "cluster.main.standby.pg2", Severity: plan.Error, Message: "pg2 is 3 MB behind"}}}
	var out bytes.Buffer
	if err := NewStatus(top, f, p).Write(&out, Style{}); err != nil {
		t.Fatal(err)
	}
	want := `cluster.main
  NODE  ROLE     STATE      SYNC    TLI  UPSTREAM  SLOT  LSN        LAG     TIME
  pg1   primary  -          -       2    -         -     0/5000000  -       -
  pg2   standby  streaming  quorum  2    pg1       pg2   0/4D00000  3.0 MB  1.5s
  pg3   unknown  streaming  -       -    -         -     -          3.0 MB  -
  pg4   down     -          -       -    -         -     -          -       -
  pg3: ssh: no route
    is it up?

  BEHIND  SENT  WRITTEN  FLUSHED  REPLAYED     BACKLOG      REPLAY
  pg2     0 B   -        0 B -    3.0 MB 1.5s  3.0 MB 1.5s  delayed 1m
  pg3     -     -        -        3.0 MB -     -            -

  SLOT  ON   TYPE      ACTIVE  WAL       RETAINED  SAFE
  pg2   pg1  physical  yes     reserved  -         -

Health error: cluster.main.standby.pg2: pg2 is 3 MB behind

1 cluster, 4 nodes: 2 of 3 standbys streaming · 1 health problem · incomplete
`
	if d := cmp.Diff(want, out.String()); d != "" {
		t.Error(d)
	}
}

// TestValue: what would not be seen stands in quotes.
func TestValue(t *testing.T) {
	for text, want := range map[string]string{"": "''", "%m [%p] ": "'%m [%p] '", "8MB": "8MB", "a b": "a b", "a\nb": `a\nb`, " \n": `' \n'`} {
		if got := value(&text); got != want {
			t.Errorf("value(%q) = %s, want %s", text, got, want)
		}
	}
	if got := value(nil); got != "(none)" {
		t.Errorf("value(nil) = %s", got)
	}
}

// TestLongSummary: the first line of an error is broken between words on a terminal, and whole elsewhere.
func TestLongSummary(t *testing.T) {
	long := plan.Diagnostic{Severity: plan.Error, Summary: "rename ./.repltool-58402686 main.hcl: operation not permitted"}
	for width, want := range map[int]string{
		0:  "Error: rename ./.repltool-58402686 main.hcl: operation not permitted\n\n",
		60: "Error: rename ./.repltool-58402686 main.hcl: operation not\n  permitted\n\n",
	} {
		var b strings.Builder
		if err := WriteDiagnostics(&b, Style{Width: width}, []plan.Diagnostic{long}); err != nil || b.String() != want {
			t.Errorf("width %d: got %q, want %q: %v", width, b.String(), want, err)
		}
	}
}
