package endpoint

import (
	"strings"

	"github.com/repltool/repltool/plan"
)

// Problems are why nobody is given, or why what is given may not be all.
func (e *Endpoints) Problems() []plan.Diagnostic {
	var all []plan.Diagnostic
	add := func(severity plan.Severity, summary, detail string) {
		all = append(all, plan.Diagnostic{Severity: severity, Code: plan.CodeOf(summary), Summary: summary, Detail: detail, Address: e.Cluster.ID})
	}
	switch {
	case e.Refused != "":
		add(plan.Error, refusedSummary, e.Refused)
	case e.Void != "":
		add(plan.Error, voidSummary, e.Void+".")
	case e.None() && e.Stale != "":
		add(plan.Error, noneSummary, e.Stale+"."+e.reasons())
	case e.None():
		add(plan.Error, noneSummary, "No standby is fit for reads."+e.reasons())
	case e.Stale != "":
		add(plan.Warning, staleSummary, e.Stale+".")
	}
	for _, m := range e.Members {
		for _, name := range e.Unread {
			if name == m.Node.Name && m.Why != "" {
				add(plan.Warning, unreadSummary, m.Node.Name+" "+m.Why)
			}
		}
	}
	return all
}

const (
	refusedSummary = "Endpoints refused"
	noneSummary    = "No endpoint"
	staleSummary   = "Reads may be stale"
	voidSummary    = "Token is void"
	unreadSummary  = "Node not read"
)

// reasons are why each member is not given.
func (e *Endpoints) reasons() string {
	var b strings.Builder
	for _, m := range e.Members {
		if m.Why != "" {
			b.WriteString("\n  " + m.Node.Name + " " + m.Why)
		}
	}
	return b.String()
}
