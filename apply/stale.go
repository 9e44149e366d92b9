package apply

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/plan"
)

// Difference is one thing that is no longer as a saved plan was made for.
type Difference struct {
	Address string // "" for the plan as a whole
	Was, Is string // in words for people
}

func (d Difference) String() string {
	text := fmt.Sprintf("planned: %s; now: %s", d.Was, d.Is)
	if d.Address == "" {
		return text
	}
	return d.Address + ": " + text
}

// Stale compares a saved plan with one made now, from the same topology and
// options. None: the saved plan may run.
func Stale(saved, fresh *plan.Plan) []Difference {
	if saved.Fingerprint == fresh.Fingerprint {
		return nil
	}
	s := &staleness{}
	s.note("the topology", saved.TopologyHash, fresh.TopologyHash, "unchanged", "edited")
	s.nodes(saved.Nodes, fresh.Nodes)
	s.changes(saved, fresh)
	if len(s.found) == 0 {
		s.found = append(s.found, Difference{Was: "fingerprint " + brief(saved.Fingerprint), Is: "fingerprint " + brief(fresh.Fingerprint)})
	}
	return s.found
}

type staleness struct{ found []Difference }

// note adds a difference, told in the words given, if two values differ.
func (s *staleness) note(address, was, is, wasText, isText string) {
	if was != is {
		s.found = append(s.found, Difference{Address: address, Was: wasText, Is: isText})
	}
}

// plain adds a difference of two values that speak for themselves.
func (s *staleness) plain(address, what, was, is string) {
	s.note(address, was, is, what+" "+orNone(was), what+" "+orNone(is))
}

func orNone(text string) string {
	if text == "" {
		return "(none)"
	}
	return text
}

func brief(hash string) string { return hash[:min(len(hash), 12)] }

func (s *staleness) nodes(saved, fresh []plan.Node) {
	pair(saved, fresh, func(n plan.Node) string { return n.Name }, func(was, is *plan.Node) {
		switch {
		case is == nil:
			s.found = append(s.found, Difference{nodeAddress(was), "in the topology", "not in the topology"})
		case was == nil:
			s.found = append(s.found, Difference{nodeAddress(is), "not in the topology", "in the topology"})
		default:
			s.node(was, is)
		}
	})
}

func (s *staleness) node(was, is *plan.Node) {
	a := nodeAddress(was)
	s.note(a, fmt.Sprint(was.Reachable), fmt.Sprint(is.Reachable), reach(was), reach(is))
	if was.Reachable != is.Reachable {
		return // all else follows from it
	}
	s.plain(a, "host", was.Host, is.Host)
	s.plain(a, "role", was.Role, is.Role)
	s.plain(a, "upstream", was.Upstream, is.Upstream)
	s.plain(a, "version", was.Version, is.Version)
	s.plain(a, "system identifier", was.SystemIdentifier, is.SystemIdentifier)
	s.plain(a, "timeline", fmt.Sprint(was.Timeline), fmt.Sprint(is.Timeline))
}

func nodeAddress(n *plan.Node) string {
	if n.Cluster == "" {
		return "node." + n.Name
	}
	return n.Cluster + ".node." + n.Name
}

func reach(n *plan.Node) string {
	if n.Reachable {
		return "reachable"
	}
	return "unreachable"
}

func (s *staleness) changes(saved, fresh *plan.Plan) {
	wasSteps, isSteps := stepsOf(saved), stepsOf(fresh)
	pair(saved.Changes, fresh.Changes, func(c plan.Change) string { return c.Address }, func(was, is *plan.Change) {
		switch {
		case is == nil:
			s.found = append(s.found, Difference{was.Address, string(was.Action), "no change needed"})
		case was == nil:
			s.found = append(s.found, Difference{is.Address, "no change needed", string(is.Action)})
		default:
			s.change(was, is, wasSteps[was.Address], isSteps[is.Address])
		}
	})
}

func stepsOf(p *plan.Plan) map[string][]plan.Step {
	steps := map[string][]plan.Step{}
	for _, s := range p.Steps {
		steps[s.Address] = append(steps[s.Address], s)
	}
	return steps
}

func (s *staleness) change(was, is *plan.Change, wasSteps, isSteps []plan.Step) {
	before := len(s.found)
	a := was.Address
	s.note(a, string(was.Action), string(is.Action), string(was.Action), string(is.Action))
	s.attributes(a, was.Attributes, is.Attributes)
	s.plain(a, "impact", string(was.Impact), string(is.Impact))
	if len(s.found) == before {
		s.steps(a, wasSteps, isSteps)
	}
	if len(s.found) == before {
		s.plain(a, "after", strings.Join(was.Requires, ", "), strings.Join(is.Requires, ", "))
	}
}

func (s *staleness) attributes(address string, saved, fresh []plan.Attribute) {
	pair(saved, fresh, func(a plan.Attribute) string { return a.Name }, func(was, is *plan.Attribute) {
		name := was
		if was == nil {
			name = is
		}
		s.plain(address, name.Name, arrow(was), arrow(is))
	})
}

// arrow prints an attribute's difference.
func arrow(a *plan.Attribute) string {
	if a == nil {
		return "no difference"
	}
	return value(a.Before) + " -> " + value(a.After)
}

func value(v *string) string {
	if v == nil {
		return "(absent)"
	}
	return "'" + *v + "'"
}

// steps reports the first step that differs: the ones after it tend to follow.
func (s *staleness) steps(address string, saved, fresh []plan.Step) {
	for i := range min(len(saved), len(fresh)) {
		was, is := saved[i], fresh[i]
		if was.Node != is.Node {
			s.plain(address, "step on", was.Node, is.Node)
			return
		}
		if wasText, isText := describe(was.Op, is.Op); wasText != isText {
			s.plain(address, kind(was.Op), wasText, isText)
			return
		}
	}
	s.plain(address, "number of steps", fmt.Sprint(len(saved)), fmt.Sprint(len(fresh)))
}

// describe returns two operations in words that differ where they do.
func describe(was, is plan.Op) (string, string) {
	if w, ok := was.(plan.File); ok {
		if i, ok := is.(plan.File); ok && w.Path == i.Path && w.Replaces != i.Replaces {
			return w.Path + found(w.Replaces), i.Path + found(i.Replaces)
		}
	}
	return words(was), words(is)
}

func found(replaces string) string {
	switch replaces {
	case plan.Absent:
		return " absent"
	case "":
		return " created by this plan"
	}
	return " with sha256 " + brief(replaces) + "…"
}

func words(op plan.Op) string {
	switch op := op.(type) {
	case plan.SQL:
		return op.SQL.Text
	case plan.File:
		return fmt.Sprintf("%s mode %o\n%s", op.Path, op.Mode, op.Content.Text)
	case plan.Command:
		return strings.Join(op.Argv, " ")
	case plan.Wait:
		return "wait for " + op.What
	}
	return ""
}

// pair calls f with what stands under the same key in two lists, in the order of
// the first and then of the second; nil is what one of them has not.
func pair[T any](was, is []T, key func(T) string, f func(was, is *T)) {
	for i := range was {
		j := slices.IndexFunc(is, func(other T) bool { return key(other) == key(was[i]) })
		if j < 0 {
			f(&was[i], nil)
		} else {
			f(&was[i], &is[j])
		}
	}
	for i := range is {
		if !slices.ContainsFunc(was, func(other T) bool { return key(other) == key(is[i]) }) {
			f(nil, &is[i])
		}
	}
}
