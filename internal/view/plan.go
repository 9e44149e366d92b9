package view

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/repltool/repltool/plan"
)

// Detail is how much of a plan is shown.
type Detail int

// The details of a plan.
const (
	Normal  Detail = iota
	Brief          // changes without steps
	Verbose        // steps with their checks and queries
)

// PlanOptions are what the text of a plan has besides the plan.
type PlanOptions struct {
	// Took is how long reading the nodes took; 0: the plan was saved, and
	// nothing was read.
	Took   time.Duration
	Next   string // the last line: "Apply it: repltool apply orders.plan"
	Detail Detail

	noLegend bool // its symbols would look like changes
}

// Plan writes a plan for people.
func Plan(w io.Writer, s Style, p *plan.Plan, o PlanOptions) error {
	v := newPlanView(w, s, p, o)
	v.head()
	v.notices()
	v.waves()
	v.health()
	v.tail()
	return v.err
}

// Head writes what was read and what could not be: all that is said of a plan
// that has errors.
func Head(w io.Writer, s Style, p *plan.Plan, o PlanOptions) error {
	v := newPlanView(w, s, p, o)
	v.head()
	return v.err
}

type planView struct {
	printer
	plan  *plan.Plan
	opts  PlanOptions
	steps map[string]plan.Step
}

func newPlanView(w io.Writer, s Style, p *plan.Plan, o PlanOptions) *planView {
	v := &planView{printer: printer{Style: s, w: w}, plan: p, opts: o, steps: map[string]plan.Step{}}
	for _, step := range p.Steps {
		v.steps[step.ID] = step
	}
	return v
}

func (v *planView) waves() {
	if len(v.plan.Changes) == 0 {
		return
	}
	if !v.opts.noLegend {
		v.legend()
	}
	for _, wave := range v.byWave() {
		v.gates(wave)
		v.rule(wave)
		groups := v.alikes(wave)
		for _, c := range wave {
			if !v.folded(c, groups) {
				v.change(c, wave)
			}
		}
	}
}

func (v *planView) legend() {
	left := "  + create   ~ update   - delete   -/+ replace"
	right := "impact: online · reload · RESTART · COPY · DROP"
	if slices.ContainsFunc(v.plan.Changes, func(c plan.Change) bool { return c.Impact == plan.Switchover }) {
		right += " · SWITCHOVER"
	}
	painted := "  " + v.green("+") + " create   " + v.yellow("~") + " update   " + v.red("-") + " delete   " + v.red("-") + "/" + v.green("+") + " replace"
	if v.Width > 0 && len([]rune(left+right)) >= v.Width {
		v.line(painted)
		v.line("  ", v.dim(right))
		return
	}
	v.right(painted, left, v.dim(right), right)
}

// byWave groups the changes by wave, in order.
func (v *planView) byWave() [][]plan.Change {
	sorted := slices.Clone(v.plan.Changes)
	slices.SortStableFunc(sorted, func(a, b plan.Change) int { return a.Wave - b.Wave })
	var waves [][]plan.Change
	for i, c := range sorted {
		if i == 0 || c.Wave != sorted[i-1].Wave {
			waves = append(waves, nil)
		}
		waves[len(waves)-1] = append(waves[len(waves)-1], c)
	}
	return waves
}

// rule is the line above a wave: its number, its nodes, and what is grave.
func (v *planView) rule(wave []plan.Change) {
	title := fmt.Sprintf("Wave %d · %s ", wave[0].Wave, Clean(someNames(homes(wave))))
	grave := waveEffect(wave)
	const least = 3 // of the rule, where nothing else fits
	if v.Width > 0 && lipgloss.Width(title+" "+grave)+least > v.Width {
		v.line(v.bold(title), v.dim(strings.Repeat("─", max(v.width()-lipgloss.Width(title), least))))
		v.flow("  ", v.bold(v.red(grave)))
		return
	}
	width := v.width() - lipgloss.Width(title+grave)
	if grave != "" {
		width--
	}
	line := strings.Repeat("─", max(width, least))
	if grave != "" {
		grave = " " + v.bold(v.red(grave))
	}
	v.line(v.bold(title), v.dim(line), grave)
}

// homes returns the nodes that a wave is about: where its changes begin.
func homes(wave []plan.Change) []string {
	var names []string
	for _, c := range wave {
		name := home(c)
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// home is the node that a change is about.
func home(c plan.Change) string {
	if len(c.Nodes) == 0 {
		return ""
	}
	return c.Nodes[0]
}

// someNames lists names, of many only the first.
func someNames(names []string) string {
	const most = 6
	if len(names) > most {
		return strings.Join(names[:most-1], ", ") + fmt.Sprintf(" and %d more", len(names)-most+1)
	}
	return strings.Join(names, ", ")
}

// waveEffect is what the rule says at the right: "1 restart, writes stop".
func waveEffect(wave []plan.Change) string {
	restarts := 0
	var effects []string
	for _, c := range wave {
		if c.Impact != plan.Restart {
			continue
		}
		restarts++
		if c.Effect != "" && !slices.Contains(effects, c.Effect) {
			effects = append(effects, c.Effect)
		}
	}
	if restarts == 0 {
		return ""
	}
	return Clean(strings.Join(append([]string{count(restarts, "restart")}, effects...), ", "))
}

// gates are the waits that the changes of a wave begin with; they stand above its rule. One
// further down in a change stands at its place.
func (v *planView) gates(wave []plan.Change) {
	for _, c := range wave {
		for _, id := range v.leadingGates(c) {
			w := v.steps[id].Op.(plan.Wait)
			v.flow("", v.cyan(Clean("Gate · "+w.What+atMost(w)+elseStop(w))))
		}
	}
}

// leadingGates are the gates before every other step of a change.
func (v *planView) leadingGates(c plan.Change) []string {
	i := slices.IndexFunc(c.Steps, func(id string) bool {
		w, ok := v.steps[id].Op.(plan.Wait)
		return !ok || !w.Gate
	})
	if i < 0 {
		return c.Steps
	}
	return c.Steps[:i]
}

// elseStop says what happens when a gate stays shut, and why.
func elseStop(w plan.Wait) string {
	if w.Else == "" {
		return ": otherwise the apply stops"
	}
	return ": otherwise the apply stops, because " + w.Else
}

// atMost is a wait's limit.
func atMost(w plan.Wait) string {
	switch {
	case w.Timeout <= 0:
		return ""
	case w.Progress != nil:
		return " (" + Duration(w.Timeout) + " at most without progress)"
	default:
		return " (" + Duration(w.Timeout) + " at most)"
	}
}

func (v *planView) tail() {
	title, rest, more := strings.Cut(Summary(v.plan), " · ")
	if more {
		v.list(title+" · ", strings.Split(rest, " · "))
	} else {
		v.flow("", v.bold(title))
	}
	if v.opts.Next != "" {
		v.line(v.opts.Next)
	}
}
