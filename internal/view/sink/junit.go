package sink

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// The elements of JUnit's report that Jenkins and GitLab read.
type (
	junitReport struct {
		XMLName xml.Name     `xml:"testsuites"`
		Name    string       `xml:"name,attr"`
		Tests   int          `xml:"tests,attr"`
		Failed  int          `xml:"failures,attr"`
		Errors  int          `xml:"errors,attr"`
		Time    string       `xml:"time,attr"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failed     int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr,omitempty"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Time    string        `xml:"time,attr"`
		Skipped *junitSkipped `xml:"skipped"`
		Error   *junitProblem `xml:"error"`
		Failure *junitProblem `xml:"failure"`
		Out     *junitText    `xml:"system-out"`
	}
	junitSkipped struct {
		Message string `xml:"message,attr"`
	}
	junitProblem struct {
		Type    string `xml:"type,attr"`
		Message string `xml:"message,attr"`
		Text    string `xml:",cdata"`
	}
	junitText struct {
		Text string `xml:",cdata"`
	}
)

// mostCases is how many test cases a report has in which objects in sync are listed; a larger
// one only counts them.
const mostCases = 5000

// JUnit writes the run as a test report. A suite is a cluster. Each node that was to be read is
// a case, and so is each object of the topology: passed in sync, failed where it differs,
// skipped where it was not compared. A finding is a case of its own, which fails if it is an
// error. A node that could not be read, or an error of the run, is an error.
func JUnit(w io.Writer, r *Run) error { return r.tests("repltool drift").write(w) }

// PlanJUnit writes a saved plan as a test report: the objects that it changes fail. Those in
// sync are not in a plan.
func PlanJUnit(w io.Writer, p *plan.Plan, redact func(string) string) error {
	t := &topology.Topology{}
	for _, n := range p.Nodes {
		if !slices.ContainsFunc(t.Clusters, func(c *topology.Cluster) bool { return c.ID == n.Cluster }) {
			t.Clusters = append(t.Clusters, &topology.Cluster{ID: n.Cluster, Name: strings.TrimPrefix(n.Cluster, "cluster.")})
		}
	}
	r := Run{Version: p.RepltoolVersion, Topology: t, Plan: p, Redact: redact}
	return New(r).tests("repltool plan").write(w)
}

func (r *Run) tests(name string) *junitReport {
	report := &junitReport{Name: name, Time: fmt.Sprintf("%.3f", r.Took.Seconds())}
	for _, c := range r.Topology.Clusters {
		report.Suites = append(report.Suites, r.suite(c.Address().String(), c.Name))
	}
	if beside := r.suite("topology", ""); len(beside.Cases) > 0 {
		report.Suites = append(report.Suites, beside)
	}
	return report
}

func (r *Run) suite(name, cluster string) junitSuite {
	s := junitSuite{
		Name: name, Time: fmt.Sprintf("%.3f", r.Took.Seconds()),
		Properties: []junitProperty{
			{"repltool_version", r.Version}, {"topology_hash", r.Plan.TopologyHash}, {"complete", fmt.Sprint(r.Whole())},
		},
	}
	if !r.Ended.IsZero() { // a saved plan has no time
		s.Timestamp = r.Ended.UTC().Format("2006-01-02T15:04:05")
		s.Properties = append(s.Properties, junitProperty{"exit_code", fmt.Sprint(r.ExitCode)})
	}
	for _, n := range r.Plan.Nodes {
		if n.Cluster == name && wasRead(n) {
			s.Cases = append(s.Cases, junitCase{Class: n.Cluster + ".node." + n.Name, Name: "read", Time: "0"})
		}
	}
	unchanged := 0
	for _, x := range r.Results {
		switch {
		case x.Cluster != cluster:
		case x.Outcome == InSync && len(r.Results) > mostCases:
			unchanged++
		default:
			s.Cases = append(s.Cases, testCase(x))
		}
	}
	if unchanged > 0 {
		s.Cases = append(s.Cases, junitCase{Class: name, Name: "unchanged", Time: "0", Out: &junitText{fmt.Sprintf("%d objects are in sync.", unchanged)}})
	}
	return s
}

// testCase is the case of a result. The name of an object that differs is that which it has in
// sync, so that one run can be compared with the next.
func testCase(x Result) junitCase {
	c := junitCase{Class: x.Address, Name: x.Code, File: x.Range.Filename, Line: x.Range.Start.Line, Time: "0"}
	problem := &junitProblem{Type: x.Code, Message: validXML(x.Message), Text: validXML(strings.TrimSpace(x.Message + "\n" + x.Detail))}
	switch x.Outcome {
	case InSync, NotCompared, Differs:
		if i := strings.LastIndex(x.Address, "."); i > 0 {
			c.Class, c.Name = x.Address[:i], x.Address[i+1:]
		}
	case NotRead:
		c.Name = "read"
	case Refused:
		if x.Address == "" {
			c.Class = "topology"
		}
	}
	switch {
	case x.Outcome == InSync:
	case x.Outcome == NotCompared:
		c.Skipped = &junitSkipped{x.Message}
	case x.Severity == plan.Warning:
		c.Out = &junitText{problem.Text}
	case x.Outcome == NotRead || x.Outcome == Refused:
		c.Error = problem
	default:
		c.Failure = problem
	}
	return c
}

// write counts and writes.
func (r *junitReport) write(w io.Writer) error {
	for i := range r.Suites {
		s := &r.Suites[i]
		unique(s.Cases)
		for _, c := range s.Cases {
			s.Tests++
			switch {
			case c.Failure != nil:
				s.Failed++
			case c.Error != nil:
				s.Errors++
			case c.Skipped != nil:
				s.Skipped++
			}
		}
		r.Tests, r.Failed, r.Errors = r.Tests+s.Tests, r.Failed+s.Failed, r.Errors+s.Errors
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(r); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

// unique numbers cases of one name: the same finding on two nodes, two changes of one object.
func unique(cases []junitCase) {
	seen := map[[2]string]int{}
	for i, c := range cases {
		key := [2]string{c.Class, c.Name}
		if seen[key]++; seen[key] > 1 {
			cases[i].Name = fmt.Sprintf("%s (%d)", c.Name, seen[key])
		}
	}
}

// validXML replaces what XML 1.0 has no way to write, also in a CDATA section.
func validXML(text string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r == '\r' || r >= 0x20 && r <= 0xD7FF || r >= 0xE000 && r <= 0xFFFD || r >= 0x10000 {
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(text, "\uFFFD"))
}
