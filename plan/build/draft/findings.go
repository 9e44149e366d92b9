package draft

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"

	"github.com/repltool/repltool/doctor"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Findings is what the kinds found, in the order they ran.
type Findings struct {
	Refused   map[topology.Address]bool // publications and subscriptions with an error: they are not planned
	Drafts    []*Draft
	Unchanged int
	Drift     []plan.Notice
	Unmanaged []plan.Notice
	Health    []plan.Finding
	kept      []keptObject // reported by ReportKept
	Diags     hcl.Diagnostics
}

func (f *Findings) Add(g *Findings) {
	f.Drafts = append(f.Drafts, g.Drafts...)
	f.Unchanged += g.Unchanged
	f.Drift = append(f.Drift, g.Drift...)
	f.Unmanaged = append(f.Unmanaged, g.Unmanaged...)
	f.Health = append(f.Health, g.Health...)
	f.Diags = append(f.Diags, g.Diags...)
}

// Refuse keeps an object from being planned; why is a diagnostic.
func (f *Findings) Refuse(address topology.Address) {
	if f.Refused == nil {
		f.Refused = map[topology.Address]bool{}
	}
	f.Refused[address] = true
}

// Put adds a draft, or counts its object as unchanged if it has no steps.
func (f *Findings) Put(d *Draft) {
	if len(d.Steps) == 0 {
		f.Unchanged++
		return
	}
	f.Drafts = append(f.Drafts, d)
}

// ReportDrift notes a difference that no change of this plan fixes.
func (f *Findings) ReportDrift(code string, address topology.Address, node, format string, args ...any) {
	f.Drift = append(f.Drift, plan.Notice{Code: code, Address: address.String(), Node: node, Detail: fmt.Sprintf(format, args...)})
}

// ReportUnmanaged notes an object that is neither in the topology nor repltool's.
func (f *Findings) ReportUnmanaged(code string, address topology.Address, node, format string, args ...any) {
	f.Unmanaged = append(f.Unmanaged, plan.Notice{Code: code, Address: address.String(), Node: node, Detail: fmt.Sprintf(format, args...)})
}

// ReportUnmanagedKind is ReportUnmanaged for objects of which there are usually many: they are
// counted by kind.
func (f *Findings) ReportUnmanagedKind(code, kind string, address topology.Address, node, detail string) {
	f.Unmanaged = append(f.Unmanaged, plan.Notice{Code: code, Address: address.String(), Node: node, Kind: kind, Detail: detail})
}

// Report notes a finding of the doctor's kind: a state of the live clusters.
func (f *Findings) Report(found doctor.Finding, format string, args ...any) {
	f.Found(found.Saying(format, args...))
}

// Found notes findings as the plan has them.
func (f *Findings) Found(all ...doctor.Finding) {
	for _, d := range all {
		f.Health = append(f.Health, plan.Finding{
			Code: d.Code, Severity: plan.Severity(d.Severity), Address: d.Address.String(), Node: d.Node,
			Message: d.Message, Evidence: d.Evidence, Hint: d.Fix,
		})
	}
}

func (f *Findings) Fail(r hcl.Range, summary, format string, args ...any) {
	f.diagnose(hcl.DiagError, r, summary, fmt.Sprintf(format, args...))
}

// Finding is Fail for a state of the live clusters that nobody may change over: an error
// of plan and apply, and a finding of drift and status, which have done their work when
// they report it.
func (f *Findings) Finding(address topology.Address, r hcl.Range, summary, format string, args ...any) {
	detail := fmt.Sprintf(format, args...)
	f.Found(doctor.Finding{Code: plan.CodeOf(summary), Severity: doctor.Error, Address: address, Node: nodeOf(address), Message: summary, Fix: detail})
	f.diagnose(hcl.DiagError, r, summary, detail).Extra = plan.LiveState{}
}

// LiveState runs a check whose errors are findings as well, as those of Finding, where what
// it speaks against is so on the live clusters already: the topology asks for nothing new.
func (f *Findings) LiveState(is bool, address topology.Address, check func()) {
	before := len(f.Diags)
	check()
	for _, d := range f.Diags[before:] {
		if is && d.Severity == hcl.DiagError && d.Extra == nil {
			f.Found(doctor.Finding{Code: plan.CodeOf(d.Summary), Severity: doctor.Error, Address: address, Message: d.Summary, Fix: d.Detail})
			d.Extra = plan.LiveState{}
		}
	}
}

// nodeOf is the node that an address names.
func nodeOf(a topology.Address) string {
	if a.Kind == "node" || a.Kind == "standby" {
		return a.Name
	}
	return ""
}

func (f *Findings) Warn(r hcl.Range, summary, format string, args ...any) {
	f.diagnose(hcl.DiagWarning, r, summary, fmt.Sprintf(format, args...))
}

func (f *Findings) diagnose(severity hcl.DiagnosticSeverity, r hcl.Range, summary, detail string) *hcl.Diagnostic {
	d := &hcl.Diagnostic{Severity: severity, Summary: summary, Detail: detail}
	if r.Filename != "" {
		d.Subject = &r
	}
	f.Diags = append(f.Diags, d)
	return d
}
