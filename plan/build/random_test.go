package build

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// TestRandomPlans builds plans from one random topology to another, over a world in which
// random things are missing, killed or someone else's: no plan has a cycle, each stands
// in the order that it asks for, what it relaxes it restores, and no server restarts under
// a base backup. A failure names its seed.
func TestRandomPlans(t *testing.T) {
	seeds := 200
	if testing.Short() {
		seeds = 50
	}
	planned := 0
	for seed := range uint64(seeds) {
		g := newGenerator(seed, 8)
		top, f := g.world(t)
		g.disturb(t, top, f)
		o := cluster.Options{RepltoolVersion: "test", Replace: g.replaced(top)}
		if g.one(4) {
			o.Targets = []string{g.target(top)}
		}
		p, diags := Build(top, f, o)
		if !diags.HasErrors() && len(p.Changes) > 0 {
			planned++
		}
		if d := faultOf(p, diags); d != "" {
			t.Errorf("%s: %s\nworld: %v, replace: %v, target: %v\n%s", g, d, g.done, o.Replace, o.Targets, compact(p, diags))
		}
	}
	if planned < seeds/4 {
		t.Errorf("only %d of %d seeds made a plan with changes", planned, seeds)
	}
}

// faultOf says what is wrong with a plan; "" for nothing.
func faultOf(p *plan.Plan, diags hcl.Diagnostics) string {
	for _, d := range diags {
		if d.Summary == cycleSummary {
			return d.Detail
		}
	}
	done := map[string]int{}
	for i, s := range p.Steps {
		for _, id := range s.Requires {
			if _, before := done[id]; !before {
				return s.ID + " stands before " + id + ", which it requires"
			}
		}
		done[s.ID] = i
	}
	for _, c := range p.Changes {
		for _, suffix := range []string{"synchronous", "synchronized_slots"} {
			address := strings.TrimSuffix(c.Address, ".leaving")
			if strings.HasSuffix(c.Address, suffix+".leaving") && !slices.ContainsFunc(p.Changes, func(c plan.Change) bool { return c.Address == address }) {
				return c.Address + " is not followed by " + address
			}
		}
	}
	return ""
}

// generator makes topologies and worlds at random, the same for the same seed and stream; a
// stream is that of one test.
type generator struct {
	seed         uint64
	r            *rand.Rand
	nodes        int
	up           []int // of each node, when it is a standby; the primary is 1
	live, wanted string
	done         []string
}

func newGenerator(seed, stream uint64) *generator {
	g := &generator{seed: seed, r: rand.New(rand.NewPCG(seed, stream))}
	g.nodes = 2 + g.r.IntN(4)
	g.upstreams()
	g.live, g.wanted = g.topology("live"), g.topology("wanted")
	return g
}

func (g *generator) String() string {
	return fmt.Sprintf("seed %d\nlive:\n%s\nwanted:\n%s", g.seed, g.live, g.wanted)
}

// world is the wanted topology, and servers that fit the live one, of which repltool made the
// slots.
func (g *generator) world(t *testing.T) (*topology.Topology, facts.Facts) {
	t.Helper()
	top, f := loadText(t, g.wanted), converged(t, loadText(t, g.live))
	addEmpty(top, f)
	for _, slot := range f.Nodes["pg1"].Server.Slots {
		alter(t, f, top, fmt.Sprintf("pg1 ledger cluster.main.node.pg1.slot.%s slot %s on pg1", slot.Name, slot.Name))
	}
	return top, f
}

func (g *generator) one(of int) bool { return g.r.IntN(of) == 0 }

func pick[T any](g *generator, list ...T) T { return list[g.r.IntN(len(list))] }

func (g *generator) upstreams() {
	g.up = make([]int, g.nodes+1)
	for i := 2; i <= g.nodes; i++ {
		g.up[i] = pick(g, 1, 1, 1+g.r.IntN(i-1))
	}
}

// topology writes a cluster of which each node but the first may be a standby.
func (g *generator) topology(which string) string {
	var b strings.Builder
	for i := 1; i <= g.nodes; i++ {
		fmt.Fprintf(&b, "node \"pg%d\" { host = \"10.0.0.%d\" }\n", i, i)
	}
	fmt.Fprintf(&b, "cluster \"main\" {\n  version = 17\n  primary = node.pg1\n")
	members, direct := map[int]bool{1: true}, []string{}
	for i := 2; i <= g.nodes; i++ {
		if g.one(5) {
			continue
		}
		up := g.up[i]
		if !members[up] || g.one(6) { // it moves, or its upstream is gone
			up = 1
		}
		members[i] = true
		fmt.Fprintf(&b, "  standby {\n    node = node.pg%d\n    upstream = node.pg%d\n", i, up)
		switch {
		case g.one(6):
			b.WriteString("    apply_delay = \"1h\"\n")
		case up == 1:
			direct = append(direct, fmt.Sprintf("node.pg%d", i))
		}
		if g.one(8) {
			b.WriteString("    slot = false\n")
		}
		b.WriteString("  }\n")
	}
	if len(direct) > 0 && g.one(2) {
		n := 1 + g.r.IntN(len(direct))
		fmt.Fprintf(&b, "  synchronous {\n    method = %q\n    number = %d\n    standbys = [%s]\n  }\n", pick(g, "any", "first"), 1+g.r.IntN(n), strings.Join(direct[:n], ", "))
	}
	fmt.Fprintf(&b, "  parameters = { wal_level = \"logical\"%s }\n", pick(g, "", ", work_mem = \"8MB\"", ", max_connections = 200", ", max_connections = 50", ", shared_buffers = \"64MB\"", ", max_wal_senders = 20"))
	if g.one(3) {
		b.WriteString("  slot \"cdc\" {\n    type = \"logical\"\n    database = \"postgres\"\n    plugin = \"test_decoding\"\n    failover = true\n  }\n")
	}
	if g.one(4) {
		b.WriteString("  hba {\n    type = \"host\"\n    database = \"all\"\n    user = \"all\"\n    address = \"10.0.0.0/8\"\n    method = \"scram-sha-256\"\n  }\n")
	}
	fmt.Fprintf(&b, "  role \"replicator\" {\n    replication = true\n    password = env(%q)\n  }\n}\n", pick(g, "PW", "PW", which))
	return b.String()
}

// disturb changes the world.
func (g *generator) disturb(t *testing.T, top *topology.Topology, f facts.Facts) {
	t.Helper()
	do := func(format string, args ...any) {
		line := fmt.Sprintf(format, args...)
		g.done = append(g.done, line)
		alter(t, f, top, line)
	}
	pg1 := f.Nodes["pg1"].Server
	if g.one(4) {
		do("pg1 alter-system synchronous_standby_names %s", pick(g, "*", "pg2", "standby_b", "other"))
	}
	for i := 2; i <= g.nodes; i++ {
		n := fmt.Sprintf("pg%d", i)
		node := f.Nodes[n]
		if node == nil || node.Server == nil || top.Cluster(top.Node(n)) == nil {
			continue
		}
		switch g.r.IntN(12) {
		case 0:
			do("%s absent", n)
			g.copying(top, f, n)
		case 1:
			do("%s down", n)
		case 2:
			do("%s unreachable", n)
		case 3:
			do("%s alter-system synchronous_standby_names pg2", n)
		case 4:
			do("%s conninfo host=10.0.0.1 user=replicator password=%s application_name=standby_b", n, pick(g, "canary-PW", "x"))
			do("pg1 sender %s standby_b", n)
		case 5:
			do("%s in-force recovery_min_apply_delay 5000", n)
		case 6:
			node.Server.Receiver.ReplayPaused = true
		}
	}
	if g.one(6) && len(pg1.Slots) > 0 {
		do("pg1 no-slot %s", pg1.Slots[0].Name)
	}
	if g.one(6) && len(pg1.Slots) > 0 {
		do("pg1 lost-slot %s", pg1.Slots[0].Name)
	}
}

// copying gives the node a base backup that an apply which died began.
func (g *generator) copying(top *topology.Topology, f facts.Facts, name string) {
	c := top.Cluster(top.Node(name))
	sb, s := c.Standby(top.Node(name)), cluster.New(top, f, cluster.Options{}).Of(c)
	up := f.Nodes[sb.Upstream.Name]
	if up.Server == nil || !g.one(2) {
		return
	}
	h := f.Nodes[name].Host
	h.Jobs = []facts.Job{{ID: cluster.JobID(h, "clone"), Argv: s.Basebackup(sb), Running: true}}
	up.Server.Senders = append(up.Server.Senders, facts.Sender{PID: 900, ApplicationName: facts.BaseBackup, State: "backup"})
	g.done = append(g.done, "copying "+name)
}

func (g *generator) replaced(top *topology.Topology) []string {
	var all []string
	for _, sb := range top.Clusters[0].Standbys {
		if g.one(6) {
			all = append(all, "cluster.main.standby."+sb.Node.Name)
		}
	}
	return all
}

func (g *generator) target(top *topology.Topology) string {
	n := fmt.Sprintf("pg%d", 1+g.r.IntN(g.nodes))
	return pick(g, "cluster.main.standby."+n, "cluster.main.node."+n, "cluster.main.synchronous", "cluster.main.role.replicator")
}

// TestCycle: an error of the order leaves a plan that encodes whole, with nothing in it.
func TestCycle(t *testing.T) {
	a, b := draft.NewDraft(plan.Update, topology.Address{Kind: "a"}), draft.NewDraft(plan.Update, topology.Address{Kind: "b"})
	a.After, b.After = []topology.Address{b.Address}, []topology.Address{a.Address}
	p := &plan.Plan{}
	drafts, diags := order(p, []*draft.Draft{a, b}, func(d []*draft.Draft) ([]*draft.Draft, hcl.Diagnostics) { return d, nil })
	fill(p, drafts)
	if len(drafts) != 0 || !diags.HasErrors() || p.Complete || p.Changes == nil || p.Steps == nil {
		t.Errorf("%v %v %+v", drafts, diags, p)
	}
}
