package sink_test

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/view/sink"
	"github.com/repltool/repltool/plan"
)

// lagging is a run in which pg2 lags by that much.
func lagging(t *testing.T, lag string) sink.Run {
	r := run(t)
	r.Plan.Findings = []plan.Finding{{Address: "cluster.shop.standby.pg2", Node: "pg2", Code: "standby_lagging", Severity: plan.Error, Message: "pg2 lags by " + lag}}
	return r
}

// unread is a run in which pg2 could not be read, and nothing else is known to be wrong.
func unread(t *testing.T) sink.Run {
	r := run(t)
	r.Plan.Complete = false
	r.Plan.Nodes[1].Error = "timeout"
	return r
}

// TestAlarms: an alert is new once whatever its figures, and resolved once, after two runs that
// looked and did not find it.
func TestAlarms(t *testing.T) {
	open := sink.Alerts{}
	var since time.Time
	for i, c := range []struct {
		name    string
		run     sink.Run
		changed bool
		open    int
	}{
		{"all is well", run(t), false, 0},
		{"it lags", lagging(t, "40 MB"), true, 1},
		{"it lags more", lagging(t, "50 MB"), false, 1},
		{"the node is not read, which is new", unread(t), true, 2},
		{"it is not read again", unread(t), false, 2},
		{"the topology is broken, which is new", broken(run(t)), true, 3},
		{"all is well for the first time", run(t), false, 3},
		{"it lags again, which is not new", lagging(t, "1 GB"), true, 1}, // the others are resolved
		{"all is well", run(t), false, 1},
		{"all is well again", run(t), true, 0},
		{"all is well still", run(t), false, 0},
	} {
		c.run.Ended = ended().Add(time.Duration(i) * time.Hour)
		a := sink.NewAlarm(sink.New(c.run), open)
		if a.Changed() != c.changed || len(a.Open) != c.open {
			t.Errorf("%d, %s: changed %v, %d open: %v", i, c.name, a.Changed(), len(a.Open), a.Open)
		}
		open = a.Open
		for _, x := range open {
			if x.Code == "standby_lagging" && since.IsZero() {
				since = x.Since
			} else if x.Code == "standby_lagging" && !x.Since.Equal(since) {
				t.Errorf("%s: since %v, not %v", c.name, x.Since, since)
			}
		}
	}
}

// TestAlarmID: the same alarm has the same name when it is sent again an hour later; another one
// has not.
func TestAlarmID(t *testing.T) {
	id := func(r sink.Run) string { return sink.NewAlarm(sink.New(r), nil).ID(7) }
	later := lagging(t, "50 MB")
	later.Ended = later.Ended.Add(time.Hour)
	if a, b, c := id(lagging(t, "40 MB")), id(later), id(unread(t)); a != b || a == c || !strings.HasPrefix(a, "shop-7-") {
		t.Errorf("%s, %s, %s", a, b, c)
	}
}

// alarm is one with all states: of drifted, after a run in which dw was read and something else
// was wrong twice.
func alarm(t *testing.T, redact func(string) string, secret string) *sink.Alarm {
	r := drifted(run(t))
	r.Redact = redact
	r.Plan.Findings[0].Message += secret
	r.Plan.Findings[0].Hint += secret
	before := sink.Alerts{
		"0123456789abcdef": {Since: ended().Add(-time.Hour), Cluster: "shop", Address: "cluster.shop.role.app", Node: "pg1", Code: "password_expired", Severity: plan.Error, Message: "it <expired>", Absent: 1},
	}
	r.Plan.Complete, r.Plan.Nodes[2].Error, r.Plan.Nodes[2].Reachable = true, "", true
	return sink.NewAlarm(sink.New(r), before)
}

func forms(a *sink.Alarm) map[string]func(io.Writer, string) error {
	return map[string]func(io.Writer, string) error{"alarm": a.AlarmJSON, "slack": a.AlarmSlack, "alertmanager": a.AlarmAlertmanager}
}

func TestAlarmForms(t *testing.T) {
	for form, write := range forms(alarm(t, strings.Clone, "")) {
		var out bytes.Buffer
		if err := write(&out, "shop-8"); err != nil {
			t.Fatal(err)
		}
		if !json.Valid(out.Bytes()) {
			t.Errorf("%s is no JSON", form)
		}
		path := filepath.Join("testdata", "drifted."+form)
		if *update {
			if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(string(want), out.String()); d != "" {
			t.Errorf("%s (-want +got):\n%s", path, d)
		}
	}
}

// TestAlarmsHaveNoSecret: nor has what is kept for the next run.
func TestAlarmsHaveNoSecret(t *testing.T) {
	const secret = "canary<&>\"'*`\n[canary"
	redactor := view.NewRedactor()
	redactor.Add(secret)
	a := alarm(t, redactor.String, secret)
	kept, err := json.Marshal(a.Open)
	if err != nil || bytes.Contains(kept, []byte("canary")) {
		t.Errorf("%v: %s", err, kept)
	}
	for form, write := range forms(a) {
		var out bytes.Buffer
		if err := write(&out, "x"); err != nil || strings.Contains(out.String(), "canary") {
			t.Errorf("%s: %v\n%s", form, err, &out)
		}
	}
}
