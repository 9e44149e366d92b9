package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/plan/build/draft"
)

// A primary that restarts with more of a hot-standby parameter writes that into WAL, and a
// standby with less stops when it replays it: it pauses its replay, or shuts down
// (PostgreSQL docs, 27.4.3 "Administrator's Overview"). So the standbys are raised first,
// those that are down in their files. One that could not be read may have less: the change
// is refused, with a target too. One that the topology does not define is reported.

// raisePast completes the restart of a primary that raises.
func (c *paramChange) raisePast(d *draft.Draft) {
	s := c.scope
	if c.node != s.Goal.Primary || len(c.raises) == 0 {
		return
	}
	for _, sb := range s.Cluster.Standbys {
		switch n := sb.Node; {
		case s.IsDown(n):
			d.Needs = append(d.Needs, s.ParametersAddress(n))
		case !s.Found(n).Complete():
			d.Diags = append(d.Diags, c.raiseDiagnostic(hcl.DiagError, "Parameter raised past an unreadable standby",
				fmt.Sprintf("%s could not be read and may have a lower value. A standby with a lower value stops its replay, or shuts "+
					"down, when it replays this change. Make %s readable, then plan again. If it does not come back, remove it "+
					"from standbys of %s and clone it again later.", n.Name, n.Name, s.Cluster.ID)))
		}
	}
	if why := raisedPastUndefined(s); why != "" {
		d.Diags = append(d.Diags, c.raiseDiagnostic(hcl.DiagWarning, raisedPast, why))
	}
}

// raiseDiagnostic says which parameters a primary raises, and why that matters.
func (c *paramChange) raiseDiagnostic(severity hcl.DiagnosticSeverity, summary, why string) *hcl.Diagnostic {
	var raised []string
	for _, a := range c.diffs {
		if slices.Contains(c.raises, a.Name) {
			raised = append(raised, fmt.Sprintf("%s from %s to %s", a.Name, *a.Before, *a.After))
		}
	}
	at := c.scope.RangeOfParameter(c.node, c.raises[0])
	return &hcl.Diagnostic{Severity: severity, Summary: summary, Subject: &at, Detail: fmt.Sprintf("%s raises %s, and %s", c.node.Name, strings.Join(raised, ", "), why)}
}
