package view

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/plan"
)

// TestGates: a gate with which a change begins stands above the wave, and one further down
// between the steps before and after it.
func TestGates(t *testing.T) {
	gate := func(what string) plan.Op {
		return plan.Wait{What: what, Else: "writes would stop", Gate: true, Timeout: time.Minute}
	}
	p := &plan.Plan{Complete: true, Changes: []plan.Change{{Address: "cluster.main.primary", Action: plan.Update, Nodes: []string{"pg1"}, Impact: plan.Switchover, Wave: 1}}}
	for i, op := range []plan.Op{gate("pg3 streaming"), plan.SQL{SQL: plan.Text{Text: "CHECKPOINT;"}}, gate("pg2 streaming"), plan.SQL{SQL: plan.Text{Text: "SELECT 1;"}}} {
		id := fmt.Sprintf("cluster.main.primary#%d", i+1)
		p.Changes[0].Steps = append(p.Changes[0].Steps, id)
		p.Steps = append(p.Steps, plan.Step{ID: id, Address: "cluster.main.primary", Node: "pg1", Op: op})
	}
	var text bytes.Buffer
	if err := Plan(&text, Style{}, p, PlanOptions{}); err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, line := range []string{
		"\nGate · pg3 streaming (1m at most): otherwise the apply stops, because writes would stop\n", "Wave 1", "CHECKPOINT;\n",
		"      Gate · pg2 streaming (1m at most): otherwise the apply stops, because writes would stop\n", "SELECT 1;\n",
	} {
		next := strings.Index(text.String()[at:], line)
		if next < 0 || strings.Count(text.String(), line) != 1 {
			t.Fatalf("%q is not at its place:\n%s", line, &text)
		}
		at += next
	}
}
