package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/hashicorp/hcl/v2"
)

// A primary that restarts with more of a hot-standby parameter writes that into WAL, and a
// standby with less stops when it replays it: it pauses its replay, or shuts down
// (PostgreSQL docs, 27.4.3 "Administrator's Overview"). So the standbys are raised first,
// those that are down in their files. One that could not be read may have less: the change
// is refused, with a target too. One that the topology does not define is reported.

// raisePast completes the restart of a primary that raises.
func (c *paramChange) raisePast(d *draft) {
	s := c.scope
	if c.node != s.cluster.Primary || len(c.raises) == 0 {
		return
	}
	for _, sb := range s.cluster.Standbys {
		switch n := sb.Node; {
		case s.isDown(n):
			d.after = append(d.after, s.parametersAddress(n))
		case !s.found(n).Complete():
			d.told = append(d.told, c.raiseDiagnostic(hcl.DiagError, "Raised past a standby that could not be read",
				fmt.Sprintf("%s could not be read and may have less. A standby with less stops its replay, or shuts down, when it replays this change. "+
					"Make %s readable, then plan again. If it does not come back, take it out of standbys of %s and clone it again later.", n.Name, n.Name, s.cluster.ID)))
		}
	}
	if names := s.foreignStandbys(); len(names) > 0 {
		d.told = append(d.told, c.raiseDiagnostic(hcl.DiagWarning, "Raised past a standby outside the topology",
			fmt.Sprintf("%s not in the topology. A standby with less stops its replay, or shuts down, when it replays this change. "+
				"Before you apply, set no less there, and restart it.", few(names)+plural(len(names), " streams and is", " stream and are"))))
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
	at := c.scope.rangeOfParameter(c.node, c.raises[0])
	return &hcl.Diagnostic{Severity: severity, Summary: summary, Subject: &at, Detail: fmt.Sprintf("%s raises %s, and %s", c.node.Name, strings.Join(raised, ", "), why)}
}

// foreignStandbys names the standbys that stream from a member of the cluster and that the
// topology does not define. What only receives WAL, such as pg_receivewal, replays nothing.
func (s *scope) foreignStandbys() []string {
	var names []string
	for _, n := range s.cluster.Members() {
		server := s.found(n).Server
		if server == nil || s.recloned(n) {
			continue
		}
		for _, w := range server.Senders {
			if w.ReplayLSN != "" && !w.Copies() && !decodes(server, w) && s.foreignSender(n, w) {
				names = append(names, fmt.Sprintf("%s (%s, from %s)", w.ApplicationName, w.ClientAddr, n.Name))
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// hotStandbyNeed is the most of a hot-standby parameter that the primary has or will have;
// "" where nothing tells.
func (s *scope) hotStandbyNeed(name string) string {
	n := s.cluster.Primary
	if s.live() == nil {
		return s.replayed(n, name)
	}
	now, then := s.live().InForce(name), s.onPrimary(name)
	if limitOf(then) > limitOf(now) {
		return then
	}
	return now
}
