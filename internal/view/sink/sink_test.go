package sink_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/plan"
)

var update = flag.Bool("update", false, "write the golden files again")

// writers are all the sinks.
func writers() map[string]func(io.Writer, *sink.Run) error {
	return map[string]func(io.Writer, *sink.Run) error{
		"prom": func(w io.Writer, r *sink.Run) error { return sink.Prometheus(w, r, ended().Add(-time.Hour)) },
		"xml":  sink.JUnit,
		"md":   func(w io.Writer, r *sink.Run) error { return sink.Markdown(w, r, sink.MarkdownLimit) },
		"txt": func(w io.Writer, r *sink.Run) error {
			return errors.Join(sink.Annotations(w, r), sink.Outputs(w, r))
		},
		"json": sink.GitLab,
		"sarif": func(w io.Writer, r *sink.Run) error {
			return sink.SARIF(w, "1.2.3", sink.Sources{Dir: r.Base, Base: r.Base}, r.Plan.Diagnostics)
		},
		"codeclimate": func(w io.Writer, r *sink.Run) error {
			return sink.CodeClimate(w, sink.Sources{Dir: r.Base, Base: r.Base}, r.Plan.Diagnostics)
		},
		"plan.xml": func(w io.Writer, r *sink.Run) error {
			p := *r.Plan
			p.Diagnostics = nil // their files are named as they were when the plan was made
			return sink.PlanJUnit(w, &p, r.Redact)
		},
		"nagios": func(w io.Writer, r *sink.Run) error {
			state, err := sink.Nagios(w, r)
			fmt.Fprintf(w, "exit %d\n", state)
			return err
		},
	}
}

func TestGolden(t *testing.T) {
	for name, of := range map[string]func(sink.Run) sink.Run{"in-sync": func(r sink.Run) sink.Run { return r }, "drifted": drifted, "broken": broken} {
		for form, write := range writers() {
			t.Run(name+"."+form, func(t *testing.T) {
				path, got := filepath.Join("testdata", name+"."+form), written(t, write, sink.New(of(run(t))))
				if *update {
					if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				if d := cmp.Diff(string(want), got); d != "" {
					t.Errorf("%s (-want +got):\n%s", path, d)
				}
			})
		}
	}
}

func written(t *testing.T, write func(io.Writer, *sink.Run) error, r *sink.Run) string {
	t.Helper()
	var out bytes.Buffer
	if err := write(&out, r); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestNoSecret: a secret in any text of a run is in no sink, whatever that escapes.
func TestNoSecret(t *testing.T) {
	const secret = "canary<&>\"'|_*%:,\\`]]>\n[canary"
	redactor := view.NewRedactor()
	redactor.Add(secret)
	r := drifted(run(t))
	r.Redact = redactor.String
	r.Plan.Nodes[2].Error += secret
	r.Plan.Nodes[2].Hint += secret
	r.Plan.Changes[0].Reason += secret
	text := "was " + secret
	r.Plan.Changes[0].Attributes[0].Before = &text
	r.Plan.Drift[0].Detail += secret
	r.Plan.Unmanaged[0].Detail += secret
	r.Plan.Findings[0].Message += secret
	r.Plan.Findings[0].Hint += secret
	r.Plan.Diagnostics[0].Summary += secret
	r.Plan.Diagnostics[0].Detail += secret
	for form, write := range writers() {
		var out bytes.Buffer
		redacting := redactor.Writer(&out) // as around every writer of the program
		if err := errors.Join(write(redacting, sink.New(r)), redacting.Flush()); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(out.String(), "canary") {
			t.Errorf("%s shows the secret:\n%s", form, &out)
		}
	}
}

// TestMetrics reads the metrics by the grammar of the text format: a HELP and a TYPE line before
// the samples of a name, no name in two places, no two samples with the same labels.
func TestMetrics(t *testing.T) {
	sample := regexp.MustCompile(`^([a-z_]+)(\{[a-z_]+="(?:[^"\\\n]|\\[\\"n])*"(?:,[a-z_]+="(?:[^"\\\n]|\\[\\"n])*")*\})? (-?[0-9.]+)$`)
	for _, r := range []sink.Run{run(t), drifted(run(t)), broken(run(t))} {
		text := written(t, writers()["prom"], sink.New(r))
		lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
		current, names, samples := "", map[string]bool{}, map[string]bool{}
		for i, line := range lines {
			if help, is := strings.CutPrefix(line, "# HELP "); is {
				current, _, _ = strings.Cut(help, " ")
				if names[current] || !strings.HasPrefix(lines[i+1], "# TYPE "+current+" ") {
					t.Errorf("%s comes twice, or has no type", current)
				}
				names[current] = true
				continue
			}
			if strings.HasPrefix(line, "# TYPE ") {
				continue
			}
			m := sample.FindStringSubmatch(line)
			if m == nil || m[1] != current || samples[m[1]+m[2]] {
				t.Errorf("not a sample of %s, or twice: %s", current, line)
				continue
			}
			samples[m[1]+m[2]] = true
		}
	}
}

// TestLastComplete: the time of the last complete run goes from file to file until there is
// another one.
func TestLastComplete(t *testing.T) {
	r := drifted(run(t))
	before := ended().Add(-26 * time.Hour)
	file := written(t, func(w io.Writer, r *sink.Run) error { return sink.Prometheus(w, r, before) }, sink.New(r))
	if got := sink.LastComplete([]byte(file), "shop"); !got.Equal(before) {
		t.Errorf("got %v, want %v", got, before)
	}
	if got := sink.LastComplete([]byte(file), "other"); !got.IsZero() {
		t.Errorf("another topology's: %v", got)
	}
	file = written(t, func(w io.Writer, r *sink.Run) error { return sink.Prometheus(w, r, before) }, sink.New(run(t)))
	if got := sink.LastComplete([]byte(file), "shop"); !got.Equal(ended()) {
		t.Errorf("got %v, want %v", got, ended())
	}
}

// TestNothingLooksGreenThatWasNotRead: of a cluster that was not read in full no sink says that
// it is in sync.
func TestNothingLooksGreenThatWasNotRead(t *testing.T) {
	r := run(t)
	r.ExitCode, r.Plan.Complete = 3, false
	r.Plan.Nodes[1].Error = "timeout"
	r.Facts.Nodes["pg2"].Server = nil
	x := sink.New(r)
	metrics := written(t, writers()["prom"], x)
	for _, no := range []string{`repltool_drift{cluster="shop"}`, `repltool_health{cluster="shop"`, `repltool_standby_streaming{cluster="shop",node="pg2",upstream="pg1"} 0`} {
		if strings.Contains(metrics, no) {
			t.Errorf("the metrics have %s:\n%s", no, metrics)
		}
	}
	for _, yes := range []string{`repltool_drift{cluster="warehouse"} 0`, `repltool_run_complete{topology="shop"} 0`, `repltool_node_up{cluster="shop",node="pg2"} 0`, `repltool_run_exit_code{topology="shop"} 3`} {
		if !strings.Contains(metrics, yes) {
			t.Errorf("the metrics lack %s:\n%s", yes, metrics)
		}
	}
	for _, c := range read(t, written(t, sink.JUnit, x)) {
		passed := c.Failure == nil && c.Error == nil && c.Skipped == nil
		rests := strings.Contains(c.Class+c.Name, "pg2") || c.Class == "cluster.shop"
		if passed == rests {
			t.Errorf("%s %s: passed %v", c.Class, c.Name, passed)
		}
	}
	if got := written(t, sink.GitLab, x); strings.Contains(got, "create") {
		t.Errorf("GitLab's counts: %s", got)
	}
	if got := written(t, writers()["md"], x); !strings.Contains(got, "1 of 3 nodes not read") {
		t.Errorf("the report:\n%s", got)
	}
	if got := written(t, sink.Outputs, x); !strings.Contains(got, "drift=unknown\n") {
		t.Errorf("the outputs:\n%s", got)
	}
}

// TestStandbyThatIsDown: its upstream knows that nothing streams to it.
func TestStandbyThatIsDown(t *testing.T) {
	r := run(t)
	r.Plan.Nodes[1].Role, r.Plan.Nodes[1].Upstream = "down", ""
	r.Facts.Nodes["pg2"].Server = nil
	r.Facts.Nodes["pg1"].Server.Senders = nil
	got := written(t, writers()["prom"], sink.New(r))
	if !strings.Contains(got, `repltool_standby_streaming{cluster="shop",node="pg2",upstream="pg1"} 0`) {
		t.Errorf("the metrics:\n%s", got)
	}
	r.Facts.Nodes["pg1"].Server = nil
	if got := written(t, writers()["prom"], sink.New(r)); strings.Contains(got, "repltool_standby_streaming") {
		t.Errorf("of an upstream that was not read:\n%s", got)
	}
}

// TestTargets: what is not a target was not compared.
func TestTargets(t *testing.T) {
	r := run(t)
	r.Plan.Targets = []string{"cluster.shop.role.replicator"}
	x := sink.New(r)
	if got := written(t, writers()["prom"], x); strings.Contains(got, "repltool_drift{") || !strings.Contains(got, `repltool_run_complete{topology="shop"} 0`) {
		t.Errorf("the metrics:\n%s", got)
	}
	if cases := read(t, written(t, sink.JUnit, x)); len(cases) != 4 { // three nodes that were read, and the role
		t.Errorf("%d cases: %v", len(cases), cases)
	}
	if got := written(t, sink.GitLab, x); strings.Contains(got, "create") {
		t.Errorf("GitLab's counts: %s", got)
	}
}

// junit is a case as another program reads it.
type junit struct {
	Class   string    `xml:"classname,attr"`
	Name    string    `xml:"name,attr"`
	Failure *struct{} `xml:"failure"`
	Error   *struct{} `xml:"error"`
	Skipped *struct{} `xml:"skipped"`
}

// read reads a report, and compares its counts with its cases.
func read(t *testing.T, text string) []junit {
	t.Helper()
	var report struct {
		Tests, Failures, Errors int `xml:",attr"`
		Suites                  []struct {
			Tests    int     `xml:"tests,attr"`
			Failures int     `xml:"failures,attr"`
			Errors   int     `xml:"errors,attr"`
			Skipped  int     `xml:"skipped,attr"`
			Cases    []junit `xml:"testcase"`
		} `xml:"testsuite"`
	}
	if err := xml.Unmarshal([]byte(text), &report); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var all []junit
	names := map[string]bool{}
	for _, s := range report.Suites {
		failures, errors, skipped := 0, 0, 0
		for _, c := range s.Cases {
			if names[c.Class+" "+c.Name] {
				t.Errorf("two cases %s %s", c.Class, c.Name)
			}
			names[c.Class+" "+c.Name] = true
			for n, is := range map[*int]bool{&failures: c.Failure != nil, &errors: c.Error != nil, &skipped: c.Skipped != nil} {
				if is {
					*n++
				}
			}
		}
		if s.Tests != len(s.Cases) || s.Failures != failures || s.Errors != errors || s.Skipped != skipped {
			t.Errorf("the counts of a suite are wrong: %+v", s)
		}
		all = append(all, s.Cases...)
	}
	return all
}

// TestJUnitIsWellFormed: whatever is in a text, and also of two findings of one code.
func TestJUnitIsWellFormed(t *testing.T) {
	r := drifted(run(t))
	r.Plan.Findings = append(r.Plan.Findings, r.Plan.Findings[0])
	r.Plan.Findings[0].Message = "\x00\x1b[31m \xff ]]> <a b='\"'> \u2028 \U0001F40B"
	if cases := read(t, written(t, sink.JUnit, sink.New(r))); len(cases) < 15 {
		t.Errorf("%d cases", len(cases))
	}
}

// TestManyAnnotations: GitHub drops what is beyond its limit, so that the last says how many.
func TestManyAnnotations(t *testing.T) {
	r := run(t)
	for i := range 30 {
		r.Plan.Findings = append(r.Plan.Findings, plan.Finding{Address: fmt.Sprintf("cluster.shop.slot.s%02d", i), Code: "slot_lost", Severity: plan.Error, Message: "lost"})
	}
	lines := strings.Split(strings.TrimSpace(written(t, sink.Annotations, sink.New(r))), "\n")
	if len(lines) != 10 || !strings.Contains(lines[9], "::21 more are in the summary") {
		t.Errorf("%d annotations, the last: %s", len(lines), lines[len(lines)-1])
	}
	if slices.ContainsFunc(lines, func(l string) bool { return !strings.HasPrefix(l, "::error ") }) {
		t.Errorf("a line is no annotation:\n%s", strings.Join(lines, "\n"))
	}
}

// TestMarkdownHasALimit: what has no room is counted.
func TestMarkdownHasALimit(t *testing.T) {
	r := run(t)
	for i := range 3000 {
		r.Plan.Findings = append(r.Plan.Findings, plan.Finding{Address: fmt.Sprintf("cluster.shop.slot.s%d", i), Code: "slot_lost", Severity: plan.Error, Message: "lost", Hint: strings.Repeat("long ", 100)})
	}
	const limit = 16 << 10
	got := written(t, func(w io.Writer, r *sink.Run) error { return sink.Markdown(w, r, limit) }, sink.New(r))
	if len(got) > limit || !strings.Contains(got, "more are not shown here") {
		t.Errorf("%d bytes:\n%s", len(got), got[len(got)-300:])
	}
}

// TestGitLabReadsNumbers: GitLab wants exactly these keys.
func TestGitLabReadsNumbers(t *testing.T) {
	r := drifted(run(t))
	r.Plan.Summary.Replace = 2
	var got map[string]int
	if err := json.Unmarshal([]byte(written(t, sink.GitLab, sink.New(r))), &got); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int{"create": 3, "update": 1, "delete": 3}, got); d != "" {
		t.Error(d)
	}
}

// TestNagiosStates: an error is critical, then unknown, then a warning.
func TestNagiosStates(t *testing.T) {
	finding := func(s plan.Severity) []plan.Finding {
		return []plan.Finding{{Address: "cluster.shop", Code: "x", Severity: s, Message: "a | b\nc"}}
	}
	for _, c := range []struct {
		findings []plan.Finding
		unread   bool
		want     sink.NagiosState
	}{
		{nil, false, sink.NagiosOK},
		{finding(plan.Warning), false, sink.NagiosWarning},
		{finding(plan.Warning), true, sink.NagiosUnknown},
		{nil, true, sink.NagiosUnknown},
		{finding(plan.Error), true, sink.NagiosCritical},
	} {
		r := run(t)
		r.Plan.Findings = c.findings
		if c.unread {
			r.Plan.Nodes[1].Error = "timeout"
		}
		var out bytes.Buffer
		got, err := sink.Nagios(&out, sink.New(r))
		if err != nil || got != c.want || strings.Count(out.String(), "\n") != 1 || strings.Count(out.String(), "|") != 1 {
			t.Errorf("%v, want %v: %v\n%s", got, c.want, err, &out)
		}
	}
}

// TestFingerprints: a diagnostic is the same one when lines are added above it, and the same said
// twice of a file is two.
func TestFingerprints(t *testing.T) {
	at := func(line int) plan.Diagnostic {
		return plan.Diagnostic{Severity: plan.Error, Code: "missing_argument", Summary: "Missing required argument", Detail: "host", Range: &plan.Range{Filename: "main.hcl", Start: plan.Pos{Line: line}}}
	}
	prints := func(all ...plan.Diagnostic) []string {
		var out bytes.Buffer
		if err := sink.CodeClimate(&out, sink.Sources{}, all); err != nil {
			t.Fatal(err)
		}
		var issues []struct{ Fingerprint string }
		if err := json.Unmarshal(out.Bytes(), &issues); err != nil {
			t.Fatal(err)
		}
		var texts []string
		for _, i := range issues {
			texts = append(texts, i.Fingerprint)
		}
		return texts
	}
	before, after := prints(at(3), at(7)), prints(at(4), at(8))
	if !slices.Equal(before, after) || before[0] == before[1] {
		t.Errorf("before %v, after %v", before, after)
	}
}
