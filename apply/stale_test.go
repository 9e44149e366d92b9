package apply

import (
	"slices"
	"testing"

	"github.com/repltool/repltool/plan"
)

func stalePlan() *plan.Plan {
	before, after := "100", "200"
	p := planOf(
		opStep("1", "pg1", plan.File{Path: "/pg_hba.conf", Replaces: plan.HashFile([]byte("old")), Content: plan.Text{Text: "x"}}),
		sqlStep("2", "pg1", "SELECT 1"))
	p.Steps[0].Address, p.Steps[1].Address = "cluster.a.node.pg1.hba", "cluster.a.node.pg1.parameters"
	p.Nodes = []plan.Node{{Name: "pg1", Cluster: "cluster.a", Reachable: true, Role: "primary", SystemIdentifier: "7", Timeline: 1}}
	p.Changes = []plan.Change{
		{Address: "cluster.a.node.pg1.hba", Action: plan.Update, Impact: plan.Reload},
		{
			Address: "cluster.a.node.pg1.parameters", Action: plan.Update, Impact: plan.Restart,
			Attributes: []plan.Attribute{{Name: "max_connections", Before: &before, After: &after}},
		},
	}
	return p
}

func TestStale(t *testing.T) {
	other := "150"
	cases := map[string]struct {
		change func(p *plan.Plan)
		want   []string
	}{
		"topology": {func(p *plan.Plan) { p.TopologyHash = "x" }, []string{"the topology: planned: unchanged; now: edited"}},
		"failover": {
			func(p *plan.Plan) { p.Nodes[0].Role, p.Nodes[0].Timeline = "standby", 2 },
			[]string{"cluster.a.node.pg1: planned: role primary; now: role standby", "cluster.a.node.pg1: planned: timeline 1; now: timeline 2"},
		},
		"other cluster": {func(p *plan.Plan) { p.Nodes[0].SystemIdentifier = "8" }, []string{"cluster.a.node.pg1: planned: system identifier 7; now: system identifier 8"}},
		"down":          {func(p *plan.Plan) { p.Nodes[0] = plan.Node{Name: "pg1", Cluster: "cluster.a"} }, []string{"cluster.a.node.pg1: planned: reachable; now: unreachable"}},
		"node gone":     {func(p *plan.Plan) { p.Nodes = nil }, []string{"cluster.a.node.pg1: planned: in the topology; now: not in the topology"}},
		"node new":      {func(p *plan.Plan) { p.Nodes = append(p.Nodes, plan.Node{Name: "x"}) }, []string{"node.x: planned: not in the topology; now: in the topology"}},
		"change done":   {func(p *plan.Plan) { p.Changes = p.Changes[1:] }, []string{"cluster.a.node.pg1.hba: planned: update; now: no change needed"}},
		"change new": {
			func(p *plan.Plan) { p.Changes = append(p.Changes, plan.Change{Address: "b", Action: plan.Create}) },
			[]string{"b: planned: no change needed; now: create"},
		},
		"action": {func(p *plan.Plan) { p.Changes[0].Action = plan.Create }, []string{"cluster.a.node.pg1.hba: planned: update; now: create"}},
		"attribute": {
			func(p *plan.Plan) { p.Changes[1].Attributes[0].Before = &other },
			[]string{"cluster.a.node.pg1.parameters: planned: max_connections '100' -> '200'; now: max_connections '150' -> '200'"},
		},
		"attribute gone": {
			func(p *plan.Plan) { p.Changes[1].Attributes = nil },
			[]string{"cluster.a.node.pg1.parameters: planned: max_connections '100' -> '200'; now: max_connections no difference"},
		},
		"file": {func(p *plan.Plan) {
			op := p.Steps[0].Op.(plan.File)
			op.Replaces = plan.HashFile([]byte("new"))
			p.Steps[0].Op = op
		}, []string{"cluster.a.node.pg1.hba: planned: file /pg_hba.conf with sha256 cba06b5736fa…; now: file /pg_hba.conf with sha256 11507a0e2f5e…"}},
		"statement": {
			func(p *plan.Plan) { p.Steps[1].Op = plan.SQL{SQL: plan.Text{Text: "SELECT 2"}} },
			[]string{"cluster.a.node.pg1.parameters: planned: sql SELECT 1; now: sql SELECT 2"},
		},
		"steps":   {func(p *plan.Plan) { p.Steps = p.Steps[:1] }, []string{"cluster.a.node.pg1.parameters: planned: number of steps 1; now: number of steps 0"}},
		"unknown": {func(p *plan.Plan) { p.Fingerprint = "0123456789abcdef" }, []string{"planned: fingerprint f; now: fingerprint 0123456789ab"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			fresh := stalePlan()
			fresh.Fingerprint = "g"
			c.change(fresh)
			var got []string
			for _, d := range Stale(stalePlan(), fresh) {
				got = append(got, d.String())
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
	if got := Stale(stalePlan(), stalePlan()); len(got) > 0 {
		t.Errorf("the same plan: %v", got)
	}
}
