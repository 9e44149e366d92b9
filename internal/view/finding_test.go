package view

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/repltool/repltool/plan"
)

// TestFindings: a finding is shown with its fix; with -verbose also with its code and what
// was read; in JSON with all of it, under the name that programs knew before too.
func TestFindings(t *testing.T) {
	p := EmptyPlan("test")
	p.Findings = []plan.Finding{{
		Address: "cluster.main.standby.pg2", Node: "pg2", Code: "standby_not_connected", Severity: plan.Error,
		Message: "pg2 is not connected to its upstream pg1", Evidence: "pg_stat_replication on pg1", Hint: "Check the log of pg2.",
	}}
	for detail, want := range map[Detail]bool{Normal: false, Verbose: true} {
		var out bytes.Buffer
		if err := Plan(&out, Style{}, p, PlanOptions{Detail: detail}); err != nil {
			t.Fatal(err)
		}
		text := out.String()
		if !strings.Contains(text, "Health error: cluster.main.standby.pg2: pg2 is not connected to its upstream pg1\n    Check the log of pg2.\n") {
			t.Errorf("the finding is not shown:\n%s", text)
		}
		if strings.Contains(text, "    standby_not_connected, read from pg_stat_replication on pg1\n") != want {
			t.Errorf("detail %v:\n%s", detail, text)
		}
	}
	for name, encode := range map[string]func(*bytes.Buffer) error{
		"plan":   func(b *bytes.Buffer) error { return p.Encode(b) },
		"status": func(b *bytes.Buffer) error { return Status{Findings: p.Findings, Health: p.Findings}.JSON(b) },
	} {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		var document map[string]json.RawMessage
		if err := json.Unmarshal(b.Bytes(), &document); err != nil {
			t.Fatal(err)
		}
		if string(document["findings"]) != string(document["health"]) {
			t.Errorf("%s: health differs from findings:\n%s", name, &b)
		}
		for _, field := range []string{"address", "node", "code", "severity", "message", "evidence", "hint"} {
			if !strings.Contains(string(document["findings"]), `"`+field+`": "`) {
				t.Errorf("%s: no %s in %s", name, field, document["findings"])
			}
		}
	}
}
