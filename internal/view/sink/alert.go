package sink

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
)

// Alerts is what is known to be wrong from run to run, by key.
type Alerts map[string]Alert

// Alert is one thing that is wrong: an address and a code. A figure is not part of what it is,
// so that a lag of 40 MB and one of 50 MB are the same alert.
type Alert struct {
	Since    time.Time     `json:"since"`
	Cluster  string        `json:"cluster"`
	Address  string        `json:"address"`
	Node     string        `json:"node"`
	Code     string        `json:"code"`
	Severity plan.Severity `json:"severity"`
	Message  string        `json:"message"`
	Hint     string        `json:"hint,omitempty"`
	// Absent is in how many runs in a row it was not found.
	Absent int `json:"absent,omitempty"`
}

// resolvedAfter is in how many runs in a row an alert is not found before it is resolved.
const resolvedAfter = 2

// AlertState is what became of an alert in a run.
type AlertState string

// The states of an alert.
const (
	Firing   AlertState = "firing"
	Began    AlertState = "new"
	Resolved AlertState = "resolved"
)

// Alarm is the alerts of a run beside those of the run before.
type Alarm struct {
	run    *Run
	Open   Alerts                // with which the next run is compared
	all    Alerts                // those, and what was resolved
	states map[string]AlertState // of all
}

// NewAlarm compares a run with the alerts of the one before. Nothing is resolved because it
// was not looked at: what lies in a cluster that was not compared stays as it was.
func NewAlarm(r *Run, before Alerts) *Alarm {
	a := &Alarm{run: r, Open: Alerts{}, all: Alerts{}, states: map[string]AlertState{}}
	for _, x := range r.Results {
		if x.Severity != "" {
			a.fire(x, before)
		}
	}
	for key, was := range before {
		if _, fires := a.Open[key]; fires {
			continue
		}
		a.all[key], a.states[key] = was, Firing
		if r.looked(was) {
			was.Absent++
		}
		if was.Absent >= resolvedAfter {
			a.states[key] = Resolved
			continue
		}
		a.Open[key] = was
	}
	return a
}

func (a *Alarm) fire(x Result, before Alerts) {
	sum := sha256.Sum256([]byte(x.Address + "\x00" + x.Code))
	key := hex.EncodeToString(sum[:8])
	if other, is := a.Open[key]; is && (other.Severity == plan.Error || x.Severity == plan.Warning) {
		return // the same on another node, or another difference of the object
	}
	now := Alert{Since: a.run.Ended.UTC(), Cluster: x.Cluster, Address: x.Address, Node: x.Node, Code: x.Code, Severity: x.Severity, Message: x.Message, Hint: x.Detail}
	state := Began
	if was, is := before[key]; is {
		now.Since, state = was.Since, Firing
	}
	a.Open[key], a.all[key], a.states[key] = now, now, state
}

// looked reports whether a run would have found an alert again.
func (r *Run) looked(x Alert) bool {
	if x.Node != "" && x.Code == notReadCode {
		return slices.ContainsFunc(r.Plan.Nodes, func(n plan.Node) bool { return n.Name == x.Node && wasRead(n) })
	}
	for _, c := range r.Topology.Clusters {
		if c.Name == x.Cluster {
			return r.compared(c)
		}
	}
	return r.Whole()
}

// Changed reports whether an alert is new or resolved.
func (a *Alarm) Changed() bool {
	return a.count(Began)+a.count(Resolved) > 0
}

func (a *Alarm) count(state AlertState) int {
	n := 0
	for _, s := range a.states {
		if s == state {
			n++
		}
	}
	return n
}

// keys are those of all alerts: new, resolved, firing, and each by address and code.
func (a *Alarm) keys() []string {
	rank := []AlertState{Began, Resolved, Firing}
	keys := slices.Collect(maps.Keys(a.all))
	slices.SortFunc(keys, func(x, y string) int {
		order := func(k string) string {
			return fmt.Sprintf("%d %s %s", slices.Index(rank, a.states[k]), a.all[k].Address, a.all[k].Code)
		}
		return strings.Compare(order(x), order(y))
	})
	return keys
}

// text is the alarm in one line.
func (a *Alarm) text() string {
	return fmt.Sprintf("%s: %d new, %d resolved, %d firing", a.run.Name, a.count(Began), a.count(Resolved), a.count(Began)+a.count(Firing))
}

// ID names the alarm, for receivers that drop what they have already: the same one sent again
// has the same name.
func (a *Alarm) ID(sequence int64) string {
	var b strings.Builder
	for _, key := range a.keys() {
		b.WriteString(key + string(a.states[key]) + "\n")
	}
	sum := sha256.Sum256([]byte(b.String()))
	return fmt.Sprintf("%s-%d-%s", a.run.Name, sequence, hex.EncodeToString(sum[:4]))
}

// AlarmJSON is the document that a webhook is sent.
func (a *Alarm) AlarmJSON(w io.Writer, id string) error {
	type finding struct {
		Key   string     `json:"key"`
		State AlertState `json:"state"`
		Alert
	}
	findings := []finding{}
	for _, key := range a.keys() {
		one := a.all[key]
		one.Absent = 0
		findings = append(findings, finding{key, a.states[key], one})
	}
	status := Firing
	if len(a.Open) == 0 {
		status = Resolved
	}
	r := a.run
	return encode(w, map[string]any{
		"version": "1", "event": "changed", "id": id, "sent_at": r.Ended.UTC().Format(time.RFC3339), "topology": r.Name, "status": status, "text": a.text(),
		"exit_code": r.ExitCode, "complete": r.Whole(), "findings": findings,
		"summary": map[string]int{"differences": r.differences(), "unmanaged": len(r.Plan.Unmanaged), "errors": r.errors(), "warnings": r.warnings()},
	})
}

// mostLines is how many alerts a message to people names.
const mostLines = 20

// AlarmSlack is a message of an incoming webhook of Slack, and of what reads the same.
func (a *Alarm) AlarmSlack(w io.Writer, _ string) error {
	lines := []string{"*" + slackText(a.text()) + "*"}
	for i, key := range a.keys() {
		if i == mostLines {
			lines = append(lines, "… "+words.Counted(len(a.all)-mostLines, "more"))
			break
		}
		x := a.all[key]
		address := ""
		if x.Address != "" {
			address = "`" + slackText(x.Address) + "` "
		}
		lines = append(lines, fmt.Sprintf("• %s: %s %s%s", a.states[key], x.Severity, address, slackText(x.Message)))
	}
	return json.NewEncoder(w).Encode(map[string]string{"text": strings.Join(lines, "\n")})
}

func slackText(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "`", "'", "*", "∗").Replace(text)
}

// alertmanagerFor is how long Alertmanager keeps an alert that no later run repeats.
const alertmanagerFor = 25 * time.Hour

// AlarmAlertmanager is for POST /api/v2/alerts of Alertmanager.
func (a *Alarm) AlarmAlertmanager(w io.Writer, _ string) error {
	alerts := []map[string]any{}
	for _, key := range a.keys() {
		x := a.all[key]
		ends := a.run.Ended.Add(alertmanagerFor)
		if a.states[key] == Resolved {
			ends = a.run.Ended
		}
		alerts = append(alerts, map[string]any{
			"labels": map[string]string{
				"alertname": x.Code, "severity": string(x.Severity), "topology": a.run.Name, "cluster": x.Cluster, "node": x.Node, "address": x.Address,
			},
			"annotations": map[string]string{"summary": x.Message, "description": x.Hint},
			"startsAt":    x.Since.UTC().Format(time.RFC3339), "endsAt": ends.UTC().Format(time.RFC3339),
		})
	}
	return encode(w, alerts)
}
