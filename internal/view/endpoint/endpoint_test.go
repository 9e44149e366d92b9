package endpoint_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/view/endpoint"
	"github.com/repltool/repltool/topology"
)

var update = flag.Bool("update", false, "write the golden files again")

// TestGolden writes each state in each format.
func TestGolden(t *testing.T) {
	for name, e := range states() {
		for _, format := range endpoint.Formats() {
			t.Run(name+"."+format, func(t *testing.T) {
				var out bytes.Buffer
				e.Diagnostics = e.Problems()
				if err := e.Write(&out, format); err != nil {
					t.Fatal(err)
				}
				compare(t, filepath.Join("testdata", name+"."+format), out.String())
			})
		}
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got):\n%s", path, d)
	}
}

// states are a shop on a good day for writes and for reads, and on bad days.
func states() map[string]endpoint.Endpoints {
	shop := endpoint.Endpoints{
		Cluster: &topology.Cluster{ID: "cluster.shop", Name: "shop", Databases: []*topology.Database{{Name: "shop"}, {Name: `it's "odd"`}}},
		Version: "1.2.3", MaxLag: 5 * time.Second, At: time.Date(2026, 11, 27, 1, 0, 5, 0, time.UTC),
	}
	mixed := shop
	mixed.Verdict = fit()
	rw, ro := mixed, mixed
	rw.For, ro.For = endpoint.Write, endpoint.Read
	lagging := mixed
	lagging.Members = []cluster.Fitness{mixed.Members[0], mixed.Members[3]}
	alone := lagging
	alone.StandbysOnly = true
	alone.For = endpoint.Read
	split := shop
	split.Verdict = cluster.Verdict{Refused: "2 members accept writes: shop1 (timeline 1, 0/5000000), product1 (timeline 2, 0/5000060). Stop the other.", Members: []cluster.Fitness{
		{Node: member("shop1", "10.0.0.1"), Port: 5432, Role: facts.RolePrimary, Timeline: 1, Replayed: "0/5000000", Foreign: true, Why: "accepts writes, and may not be the primary"},
		{Node: member("product1", "10.0.0.3"), Port: 5432, Role: facts.RolePrimary, Timeline: 2, Replayed: "0/5000060", Foreign: true, Why: "accepts writes, and may not be the primary"},
	}}
	void := ro
	void.Void = "1:0/4000100 is lost: shop1 left timeline 1 at 0/4000000, before it"
	stale := shop
	stale.Unread = []string{"shop1"}
	stale.Verdict = cluster.Verdict{Stale: "No member accepts writes, and shop1 could not be read: the primary may be there", Members: []cluster.Fitness{
		{Node: member("shop1", "10.0.0.1"), Port: 5432, Role: facts.RoleUnknown, Why: "could not be read: no route to host"},
		{Node: member("product1", "10.0.0.3"), Port: 5432, Role: facts.RoleStandby, Timeline: 1, Replayed: "0/5000000", LagBytes: bytesOf(0), Reads: true},
	}}
	return map[string]endpoint.Endpoints{"fit": mixed, "fit-rw": rw, "fit-ro": ro, "lagging": lagging, "lagging-standbys-only": alone, "split": split, "void": void, "stale": stale}
}

func fit() cluster.Verdict {
	soon, late := 12*time.Millisecond, 12*time.Second
	return cluster.Verdict{
		Writer: member("shop1", "10.0.0.1"), Has: facts.Branch{Timeline: 3, LSN: "0/5000060"},
		Moving: &cluster.Switchover{From: member("shop1", "10.0.0.1"), To: member("reserve", "10.0.0.2")},
		Members: []cluster.Fitness{
			{Node: member("shop1", "10.0.0.1"), Port: 5432, Role: facts.RolePrimary, Timeline: 3, Replayed: "0/5000060", Writes: true, Reads: true},
			{Node: member("reserve", "10.0.0.2"), Port: 5432, Role: facts.RoleStandby, Timeline: 3, Replayed: "0/5000060", LagBytes: bytesOf(0), Lag: &soon, Reads: true},
			{Node: member("product1", "fd00::3"), Port: 5433, Role: facts.RoleStandby, Timeline: 3, Replayed: "0/5000000", LagBytes: bytesOf(96), Lag: &soon, Reads: true},
			{Node: member("product 2", "p2.example.net"), Port: 5432, Role: facts.RoleStandby, Timeline: 3, Replayed: "0/4000000", LagBytes: bytesOf(16<<20 + 96), Lag: &late, Why: "lag 12s > 5s"},
			{Node: member("new1", "10.0.0.5"), Port: 5432, Role: facts.RolePrimary, Timeline: 1, Foreign: true, Why: "has the data of another cluster (system identifier 7)"},
		},
	}
}

func member(name, address string) *topology.Node {
	return &topology.Node{Name: name, Host: address, Address: address}
}

func bytesOf(n int64) *int64 { return &n }
