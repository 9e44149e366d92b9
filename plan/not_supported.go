package plan

import (
	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/topology"
)

// notSupported refuses what the language has and no plan makes yet.
func notSupported(t *topology.Topology) hcl.Diagnostics {
	var diags hcl.Diagnostics
	add := func(at hcl.Range, what string) {
		diags = append(diags, &hcl.Diagnostic{
			Severity: hcl.DiagError, Summary: "Not supported yet", Subject: &at,
			Detail: what + " are planned. Physical replication (cluster, standbys, physical slots, roles, databases) works.",
		})
	}
	for _, c := range t.Clusters {
		for _, s := range c.PermanentSlots {
			if s.Type == topology.SlotLogical {
				add(s.Range, "Logical slots")
			}
		}
	}
	for _, p := range t.Publications {
		add(p.Range, "Publications")
	}
	for _, s := range t.Subscriptions {
		add(s.Range, "Subscriptions")
	}
	return diags
}
