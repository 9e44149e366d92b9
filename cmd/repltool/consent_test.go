package main

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/repltool/repltool/plan"
)

// TestConsent: what -auto-approve and -allow cover, by impact.
func TestConsent(t *testing.T) {
	p := &plan.Plan{Changes: []plan.Change{
		{Address: "cluster.a.role.r", Impact: plan.Online},
		{Address: "cluster.a.node.n.hba", Impact: plan.Reload},
		{Address: "cluster.a.standby.n", Action: plan.Create, Impact: plan.CopyData},
		{Address: "cluster.a.node.n.parameters", Impact: plan.Restart},
		{Address: "cluster.a.slot.s", Action: plan.Delete, Impact: plan.Drop},
		{Address: "cluster.a.standby.m", Action: plan.Replace, Impact: plan.CopyData},
		{Address: "cluster.a.database.d", Action: plan.Create, Impact: plan.Online, Recreates: true},
	}}
	for _, c := range []struct{ allow, missing string }{
		{"", "restart drop reclone recreate"},
		{"restart", "drop reclone recreate"},
		{"switchover", "restart drop reclone recreate"},
		{"restart,drop,reclone", "recreate"},
		{"restart,drop,reclone,recreate", ""},
	} {
		x, out := quietApplication()
		x.o.autoApprove = true
		x.o.allow = strings.FieldsFunc(c.allow, func(r rune) bool { return r == ',' })
		err := x.consent(t.Context(), p)
		_ = x.err.Flush() // into a buffer
		_, missing := x.grave(p)
		if got := strings.Join(missing, " "); got != c.missing || (err == nil) != (c.missing == "") {
			t.Errorf("-allow=%s: missing %q, want %q; %v", c.allow, got, c.missing, err)
		}
		if c.missing != "" && !strings.Contains(out.String(), "recreate") {
			t.Errorf("-allow=%s: what to add is not said:\n%s", c.allow, out)
		}
	}
}

// TestOnlyYesIsAYes asks as a terminal would.
func TestOnlyYesIsAYes(t *testing.T) {
	p := &plan.Plan{Changes: []plan.Change{{Address: "cluster.a.node.n.parameters", Impact: plan.Restart}}}
	for answer, want := range map[string]bool{"yes\n": true, " yes \n": true, "y\n": false, "YES\n": false, "\n": false, "": false, "yes please\n": false} {
		x, out := quietApplication()
		x.in = strings.NewReader(answer)
		grave, _ := x.grave(p)
		if err := x.ask(t.Context(), p, grave); (err == nil) != want {
			t.Errorf("%q: %v", answer, err)
		}
		if !strings.Contains(out.String(), "cluster.a.node.n.parameters  RESTART") {
			t.Errorf("the prompt does not list what is grave:\n%s", out)
		}
	}
}

// TestSwitchoverAsks: the verb's own approval is -auto-approve, and its prompt says that writes stop.
func TestSwitchoverAsks(t *testing.T) {
	p := &plan.Plan{Changes: []plan.Change{{Address: "cluster.a.primary", Impact: plan.Switchover, Effect: "writes stop"}}}
	x, out := quietApplication()
	x.verb, x.in = plan.AllowSwitchover, strings.NewReader("yes\n")
	grave, missing := x.grave(p)
	if err := x.ask(t.Context(), p, grave); err != nil || len(missing) > 0 || !strings.Contains(out.String(), "cluster.a.primary  SWITCHOVER, writes stop") {
		t.Errorf("missing %q, %v\n%s", missing, err, out)
	}
	x.o.autoApprove = true
	if err := x.consent(t.Context(), p); err != nil {
		t.Error(err)
	}
	x.verb = ""
	if err := x.consent(t.Context(), p); err == nil {
		t.Error("apply -auto-approve moves a primary")
	}
}

// TestUnreadRefusesItsCluster: only -target lets changes run beside a node of the
// same cluster that could not be read.
func TestUnreadRefusesItsCluster(t *testing.T) {
	p := &plan.Plan{
		Nodes: []plan.Node{
			{Name: "a1", Cluster: "cluster.a"}, {Name: "a2", Cluster: "cluster.a", Error: "gone"}, {Name: "b1", Cluster: "cluster.b"},
		},
		Changes: []plan.Change{{Address: "cluster.b.role.r", Nodes: []string{"b1"}}},
	}
	x, _ := quietApplication()
	if err := x.refuseUnread(p); err != nil {
		t.Errorf("another cluster's node stops it: %v", err)
	}
	p.Changes[0].Nodes = []string{"a1"}
	if err := x.refuseUnread(p); !errors.Is(err, exitError) {
		t.Errorf("an unread node does not stop it: %v", err)
	}
	p.Targets = []string{"cluster.a.node.a1"}
	if err := x.refuseUnread(p); err != nil {
		t.Errorf("-target does not help: %v", err)
	}
}

func quietApplication() (*application, *bytes.Buffer) {
	out := &bytes.Buffer{}
	a := newApp(streams{in: strings.NewReader(""), out: out, err: out})
	return &application{app: a, o: &applyFlags{}}, out
}

// TestEditedTopology: a saved plan does not run on another topology, and runs again
// once the edit is taken back.
func TestEditedTopology(t *testing.T) {
	t.Chdir(t.TempDir())
	write := func(text string) {
		if err := os.WriteFile("main.hcl", []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(oneServer)
	if code, out, err := command(t, &stand{found: fresh()}, "plan", "-out=a.plan"); code != 0 {
		t.Fatal(code, out, err)
	}
	write(strings.Replace(oneServer, `"app" {`, `"app2" {`, 1))
	edited := &stand{found: fresh()}
	code, _, err := command(t, edited, "apply", "-auto-approve", "a.plan")
	if code != int(exitStale) || !strings.Contains(err, "the topology: planned: unchanged; now: edited") || len(edited.ran) > 0 {
		t.Errorf("exit code %d, ran %q\n%s", code, edited.ran, err)
	}
	write(oneServer)
	code, out, err := command(t, &stand{found: fresh()}, "apply", "-auto-approve", "a.plan")
	if code != 0 || !strings.Contains(out, "+ cluster.main.role.app") || strings.Contains(out, "CREATE ROLE") {
		t.Errorf("exit code %d; of a saved plan only its changes are shown again\n%s%s", code, out, err)
	}
}

// TestBadFlagsHideValues: what was meant for -var may be a secret.
func TestBadFlagsHideValues(t *testing.T) {
	for args, want := range map[string]string{
		"plan -var=canary-word":      "-var: must be NAME=VALUE",
		"plan -parallelism=many":     "-parallelism=many: must be a number",
		"plan -timeout=4":            "-timeout=4: must be a duration",
		"plan -input=perhaps":        "-input=perhaps: must be true or false",
		"plan -var x=1 -target -odd": "topology",
	} {
		t.Chdir(t.TempDir())
		code, out, err := command(t, &stand{}, strings.Fields(args)...)
		if code != int(exitError) || !strings.Contains(err, want) {
			t.Errorf("repltool %s: exit code %d\n%s%s", args, code, out, err)
		}
	}
}
