package view

import (
	"fmt"
	"slices"
	"strings"

	"charm.land/lipgloss/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
)

// head tells what was read.
func (v *planView) head() {
	var read []plan.Node
	for _, n := range v.plan.Nodes {
		if n.Error == "" {
			read = append(read, n)
		}
	}
	title := "Read " + count(len(read), "node")
	if v.opts.Took > 0 {
		title += fmt.Sprintf(" in %.1fs", v.opts.Took.Seconds())
	}
	if len(read) > 0 {
		title += ": "
	}
	v.list(title, nodeTexts(read))
	for _, n := range v.plan.Nodes {
		if n.Error != "" {
			v.unread(n)
		}
	}
	if len(v.plan.Targets) > 0 {
		v.flow("", v.yellow("Limited by -target to "+Clean(strings.Join(v.plan.Targets, ", "))+". Nothing else is planned."))
	}
}

// mostNodes is how many nodes are named; of more, the roles are counted.
const mostNodes = 8

func nodeTexts(nodes []plan.Node) []string {
	var texts, roles []string
	counts := map[string]int{}
	for _, n := range nodes {
		texts = append(texts, nodeText(n))
		if counts[n.Role] == 0 {
			roles = append(roles, n.Role)
		}
		counts[n.Role]++
	}
	if len(nodes) <= mostNodes {
		return texts
	}
	texts = nil
	for _, role := range roles {
		texts = append(texts, fmt.Sprintf("%d %s", counts[role], role))
	}
	return texts
}

// list writes parts in one line or, on a terminal, in as many as it takes.
func (v *planView) list(title string, parts []string) {
	line, used := v.bold(title), lipgloss.Width(title)
	for i, part := range parts {
		part = Clean(part)
		if i > 0 {
			part = " · " + part
		}
		if v.Width > 0 && i > 0 && used+lipgloss.Width(part) > v.Width {
			v.line(line)
			line, used = "   ", 3
		}
		line += part
		used += lipgloss.Width(part)
	}
	v.line(line)
}

func nodeText(n plan.Node) string {
	switch facts.NodeRole(n.Role) {
	case facts.RolePrimary:
		return fmt.Sprintf("%s primary (PostgreSQL %s, timeline %d)", n.Name, n.Version, n.Timeline)
	case facts.RoleStandby:
		if n.Upstream == "" {
			return n.Name + " standby of a server outside the topology"
		}
		return n.Name + " standby of " + n.Upstream
	default:
		return n.Name + " " + n.Role
	}
}

// unread tells of a node that could not be read, or not in full.
func (v *planView) unread(n plan.Node) {
	v.flow("", v.red("Not read: "+Clean(n.Name))+Clean(" ("+n.Host+"): "+n.Error))
	if n.Hint != "" {
		v.flow("    ", Clean(n.Hint))
	}
}

// notices tell what was seen that no change deals with.
func (v *planView) notices() {
	v.seen("Drift", v.plan.Drift)
	v.seen("Unmanaged", v.single())
	v.counted()
}

// single are the unmanaged objects that are shown one by one: all with -verbose.
func (v *planView) single() []plan.Notice {
	if v.opts.Detail == Verbose {
		return v.plan.Unmanaged
	}
	return slices.DeleteFunc(slices.Clone(v.plan.Unmanaged), func(n plan.Notice) bool { return n.Kind != "" })
}

// counted shows how many there are of the other kinds.
func (v *planView) counted() {
	if v.opts.Detail == Verbose {
		return
	}
	var kinds []string
	counts, nodes := map[string]int{}, map[string][]string{}
	for _, n := range v.plan.Unmanaged {
		if n.Kind == "" {
			continue
		}
		if counts[n.Kind] == 0 {
			kinds = append(kinds, n.Kind)
		}
		counts[n.Kind]++
		if !slices.Contains(nodes[n.Kind], n.Node) {
			nodes[n.Kind] = append(nodes[n.Kind], n.Node)
		}
	}
	var parts []string
	for _, kind := range kinds {
		parts = append(parts, count(counts[kind], kind)+" on "+someNames(nodes[kind]))
	}
	if len(parts) > 0 {
		v.list("Unmanaged (list with -verbose): ", parts)
	}
}

func (v *planView) seen(title string, notices []plan.Notice) {
	for _, n := range notices {
		on := ""
		if n.Node != "" {
			on = " on " + n.Node
		}
		v.flow("", v.yellow(title+": ")+Clean(n.Address+on)+v.dim(Clean(": "+n.Detail)))
	}
}

// health shows the findings.
func (v *planView) health() {
	for _, h := range v.plan.Findings {
		healthLine(&v.printer, h)
		if v.opts.Detail == Verbose {
			v.flow("    ", v.dim(Clean(knownBy(h))))
		}
	}
}

// knownBy is the code of a finding, and what was read to know it.
func knownBy(f plan.Finding) string {
	if f.Evidence == "" {
		return f.Code
	}
	return f.Code + ", read from " + f.Evidence
}

func healthLine(p *printer, h plan.Finding) {
	title := p.yellow("Health warning: ")
	if h.Severity == plan.Error {
		title = p.red("Health error: ")
	}
	p.flow("", title+Clean(h.Address+": "+h.Message))
	if h.Hint != "" {
		p.flow("    ", Clean(h.Hint))
	}
}
