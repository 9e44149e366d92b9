package view

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
)

// Summary is a plan in one line.
func Summary(p *plan.Plan) string {
	if len(p.Changes) > 0 {
		return planned(p)
	}
	return unchanged(p)
}

// planned is "Plan: 6 to create, 4 to update, 0 to delete · 1 restart (pg1) · …".
func planned(p *plan.Plan) string {
	s := p.Summary
	text := fmt.Sprintf("Plan: %d to create, %d to update, %d to delete", s.Create, s.Update, s.Delete)
	if s.Replace > 0 {
		text += fmt.Sprintf(", %d to replace", s.Replace)
	}
	parts := []string{text}
	if n := len(list.Kept(p.Changes, func(c plan.Change) bool { return c.Impact == plan.Switchover })); n > 0 {
		parts = append(parts, count(n, "switchover"))
	}
	if n := len(s.Restarts); n > 0 {
		parts = append(parts, count(n, "restart")+" ("+Clean(someNames(s.Restarts))+")")
	}
	if len(s.Copies) > 0 {
		parts = append(parts, copies(s.Copies))
	}
	parts = append(parts, fmt.Sprintf("%d unchanged", s.Unchanged))
	if !p.Complete {
		parts = append(parts, "incomplete")
	}
	return strings.Join(parts, " · ")
}

func copies(all []plan.Copy) string {
	var sum int64
	known := true
	for _, c := range all {
		sum += c.Bytes
		known = known && c.Bytes > 0
	}
	text := fmt.Sprintf("%d copies", len(all))
	if len(all) == 1 {
		text = "1 copy"
	}
	switch {
	case sum == 0:
		return text + ", size unknown"
	case !known:
		return text + ", more than " + Bytes(sum)
	}
	return text + ", " + Bytes(sum)
}

// marksOf tells of the marks of ownership that are missing, where that is all that there is.
func marksOf(p *plan.Plan) string {
	if len(p.Adopt) == 0 || !p.Complete || len(p.Drift) > 0 {
		return ""
	}
	n := len(p.Adopt)
	return fmt.Sprintf("No changes. %d %s will be written with the next apply.", n, words.Plural(n, "mark of ownership", "marks of ownership"))
}

// unchanged is "No changes. 2 clusters, 4 nodes, 31 objects match the topology."
func unchanged(p *plan.Plan) string {
	var clusters []string
	read := 0
	for _, n := range p.Nodes {
		if !slices.Contains(clusters, n.Cluster) {
			clusters = append(clusters, n.Cluster)
		}
		if n.Error == "" {
			read++
		}
	}
	objects := count(p.Summary.Unchanged, "object")
	if marks := marksOf(p); marks != "" {
		return marks
	}
	switch {
	case len(p.Targets) > 0:
		return "No changes at or under the targets."
	case !p.Complete:
		return fmt.Sprintf("No changes in what could be read: %d of %s, %s. The rest was not compared.",
			read, count(len(p.Nodes), "node"), objects)
	}
	if n := len(p.Drift); n > 0 {
		return fmt.Sprintf("No changes, but repltool cannot fix the %s listed above.", count(n, "difference"))
	}
	match := "match"
	if p.Summary.Unchanged == 1 {
		match = "matches"
	}
	return fmt.Sprintf("No changes. %s, %s, %s %s the topology.", count(len(clusters), "cluster"), count(len(p.Nodes), "node"), objects, match)
}
