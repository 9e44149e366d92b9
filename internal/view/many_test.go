package view

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/plan"
)

// TestManyAlike: a plan of 5,000 roles, each a member of one of twenty, and of a publication of
// 10,000 tables reads in a few screens, however long its statements are.
func TestManyAlike(t *testing.T) {
	p := &plan.Plan{Complete: true, Summary: plan.Summary{Create: 5001}}
	add := func(address, sql string) {
		id := address + "#1"
		p.Changes = append(p.Changes, plan.Change{Address: address, Action: plan.Create, Nodes: []string{"pg1"}, Impact: plan.Online, Wave: 1, Steps: []string{id}})
		p.Steps = append(p.Steps, plan.Step{ID: id, Address: address, Node: "pg1", Op: plan.SQL{Database: "postgres", SQL: plan.Text{Text: sql}}})
	}
	for i := range 5000 {
		name := fmt.Sprintf("user%04d", i)
		add("cluster.c1.role."+name, fmt.Sprintf("CREATE ROLE %s LOGIN;\nGRANT team%02d TO %s;", name, i%20, name))
	}
	var tables []string
	for i := range 10000 {
		tables = append(tables, fmt.Sprintf("ONLY public.t%05d", i))
	}
	add("publication.shop", "CREATE PUBLICATION shop FOR TABLE "+strings.Join(tables, ", ")+";")
	var text bytes.Buffer
	if err := Plan(&text, Style{Width: 80}, p, PlanOptions{}); err != nil {
		t.Fatal(err)
	}
	if lines := strings.Count(text.String(), "\n"); lines > 400 || text.Len() > 40000 {
		t.Errorf("%d lines, %d bytes", lines, text.Len())
	}
	if all := "user4999"; !strings.Contains(text.String(), all) {
		t.Errorf("the text does not say how far they go, to %s", all)
	}
}
