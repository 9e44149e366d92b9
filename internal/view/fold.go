package view

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// What is alike is shown a few times and then counted: changes that are the same but for
// the name of their object, differences that are the same but for their own name, and the
// rest of a statement that is very long. -verbose shows all of it, and the JSON has it.
// A change that restarts, copies or drops always has its line; only its steps are folded.

const (
	mostAlike  = 10 // as many are shown in full
	firstAlike = 3  // so many are, where there are more
	// Statements of so many lines, and lines of so many bytes, are shown in full; of longer
	// ones the beginning is.
	mostStatement, firstStatement = 60, 20
	mostLine, firstLine           = 2000, 400
)

// alike are changes of one wave that are the same but for a name.
type alike struct {
	all   int
	shown int
	last  string // address
}

// alikes groups the changes of a wave, by what they have in common.
func (v *planView) alikes(wave []plan.Change) map[string]*alike {
	if v.opts.Detail == Verbose || len(wave) <= mostAlike {
		return nil
	}
	groups := map[string]*alike{}
	for _, c := range wave {
		key := v.likeness(c)
		if groups[key] == nil {
			groups[key] = &alike{}
		}
		groups[key].all++
		groups[key].last = c.Address
	}
	return groups
}

// likeness is all that is shown of a change, without the name of its object.
func (v *planView) likeness(c plan.Change) string {
	var b strings.Builder
	fmt.Fprintln(&b, c.Address, c.Action, c.Impact, c.Effect, c.Reason, c.Nodes)
	for _, a := range c.Attributes {
		fmt.Fprintln(&b, a.Name, values(a), a.Note)
	}
	for _, id := range c.Steps {
		step := v.steps[id]
		fmt.Fprintf(&b, "%s %+v\n", step.Node, withoutSecrets(step.Op))
	}
	name := topology.ParseAddress(c.Address).Name
	if name == "" {
		return b.String()
	}
	return strings.ReplaceAll(b.String(), name, "\x00")
}

// withoutSecrets is an operation without the names of its secrets, which are not shown.
func withoutSecrets(op plan.Op) plan.Op {
	switch op := op.(type) {
	case plan.SQL:
		op.SQL.Secrets = nil
		return op
	case plan.File:
		op.Content.Secrets = nil
		return op
	}
	return op
}

// folded reports whether a change is one of many that are alike, and not of the first; it
// writes what stands in its place.
func (v *planView) folded(c plan.Change, groups map[string]*alike) bool {
	group := groups[v.likenessIn(c, groups)]
	if group == nil || group.all <= mostAlike {
		return false
	}
	if group.shown++; group.shown <= firstAlike {
		return false
	}
	switch {
	case c.Impact == plan.Restart || c.Impact == plan.CopyData || c.Impact == plan.Drop:
		v.entry(c)
	case group.shown == firstAlike+1:
		v.more("  ", group.all-firstAlike, c.Address, group.last)
	}
	return true
}

func (v *planView) likenessIn(c plan.Change, groups map[string]*alike) string {
	if groups == nil {
		return ""
	}
	return v.likeness(c)
}

// more is the line in place of what is alike.
func (v *planView) more(indent string, n int, first, last string) {
	v.flow(indent, v.dim(Clean(fmt.Sprintf("… and %d more like it: %s to %s (shown with -verbose)", n, first, last))))
}

// alikeAttributes returns how many of the differences, from the first on, are alike.
func (v *planView) alikeAttributes(attributes []plan.Attribute) int {
	if v.opts.Detail == Verbose {
		return 1
	}
	kind := func(a plan.Attribute) string {
		kind, _, _ := strings.Cut(a.Name, ".")
		return kind + "\x00" + values(a) + "\x00" + a.Note
	}
	n := 1
	for n < len(attributes) && kind(attributes[n]) == kind(attributes[0]) {
		n++
	}
	return n
}

// shorten returns the beginning of a long statement, and how much more of it there is.
func (v *planView) shorten(lines []string) (shown []string, rest string) {
	if v.opts.Detail == Verbose {
		return lines, ""
	}
	if n := len(lines); n > mostStatement {
		lines, rest = lines[:firstStatement], fmt.Sprintf("… (%d more lines, shown with -verbose)", n-firstStatement)
	}
	shown = make([]string, len(lines))
	for i, line := range lines {
		shown[i] = line
		if len(line) > mostLine {
			cut := strings.ToValidUTF8(line[:firstLine], "")
			if comma := strings.LastIndex(cut, ", "); comma > 0 {
				cut = cut[:comma+1]
			}
			shown[i] = fmt.Sprintf("%s … (%s more, shown with -verbose)", cut, Bytes(int64(len(line)-len(cut))))
		}
	}
	return shown, rest
}
