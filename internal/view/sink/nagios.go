package sink

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/view"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// NagiosState is what a monitoring plugin exits with.
type NagiosState int

// The states, as the guidelines of monitoring plugins number them.
const (
	NagiosOK NagiosState = iota
	NagiosWarning
	NagiosCritical
	NagiosUnknown
)

func (s NagiosState) String() string {
	return [...]string{"OK", "WARNING", "CRITICAL", "UNKNOWN"}[s]
}

// Nagios writes the health of the clusters as one line of a monitoring plugin, with performance
// data, and returns the state to exit with. A health error is critical; else a node that could
// not be read makes it unknown; else a health warning is one.
func Nagios(w io.Writer, r *Run) (NagiosState, error) {
	state := r.nagiosState()
	text := "REPLTOOL " + state.String() + " - " + strings.Join(append(r.troubles(), r.streaming()...), "; ")
	text = strings.ReplaceAll(text, "|", "/") // it begins the performance data
	_, err := io.WriteString(w, strings.TrimSuffix(text+" | "+strings.Join(r.performance(), " "), " | ")+"\n")
	return state, err
}

func (r *Run) nagiosState() NagiosState {
	switch {
	case r.errors() > 0:
		return NagiosCritical
	case len(r.Topology.Clusters) == 0 || r.read() < len(r.Plan.Nodes):
		return NagiosUnknown
	case r.warnings() > 0:
		return NagiosWarning
	}
	return NagiosOK
}

// mostTroubles is how many are named: the line is shown in one row of a table.
const mostTroubles = 3

// troubles are the findings, errors before the others, and the nodes that could not be read; of
// a topology that did not load, why.
func (r *Run) troubles() []string {
	var worst, others []string
	for _, x := range r.Results {
		text := x.Address + ": " + x.Message
		switch {
		case x.Outcome == Unhealthy && x.Severity == plan.Error:
			worst = append(worst, text)
		case x.Outcome == Unhealthy, x.Outcome == NotRead:
			others = append(others, text)
		case x.Outcome == Refused && x.Severity == plan.Error && len(r.Topology.Clusters) == 0:
			worst = append(worst, x.Message)
		}
	}
	all := append(worst, others...)
	if more := len(all) - mostTroubles; more > 0 {
		all = append(all[:mostTroubles], fmt.Sprintf("%d more", more))
	}
	return all
}

// streaming is "shop: 1 of 2 standbys streaming" for each cluster that has any.
func (r *Run) streaming() []string {
	var all []string
	for i, c := range r.Topology.Clusters {
		if n := len(c.Standbys); n > 0 {
			all = append(all, fmt.Sprintf("%s: %d of %s streaming", c.Name, streamingOf(r.Status.Clusters[i].Nodes), words.Counted(n, "standby")))
		} else {
			all = append(all, c.Name+": no standbys")
		}
	}
	return all
}

func streamingOf(nodes []view.Standing) int {
	n := 0
	for _, s := range nodes {
		if s.Lag != nil && s.State == "streaming" {
			n++
		}
	}
	return n
}

// performance is 'label'=value[unit];warning;critical;minimum;maximum. The thresholds of the
// topology are critical: beyond them status reports an error.
func (r *Run) performance() []string {
	var all []string
	for i, c := range r.Topology.Clusters {
		status := r.Status.Clusters[i]
		if n := len(c.Standbys); n > 0 {
			all = append(all, fmt.Sprintf("%s=%d;;;0;%d", label(c.Name, "standbys"), streamingOf(status.Nodes), n))
		}
		for _, n := range status.Nodes {
			if n.Lag == nil {
				continue
			}
			if n.LagBytes != nil {
				all = append(all, fmt.Sprintf("%s=%dB;;%s;0;", label(c.Name, n.Node, "lag"), *n.LagBytes, bytesLimit(c.Thresholds.LagBytes)))
			}
			if n.LagTime != nil {
				all = append(all, fmt.Sprintf("%s=%ss;;%s;0;", label(c.Name, n.Node, "lag_time"), strconv.FormatFloat(*n.LagTime, 'f', -1, 64), timeLimit(c.Thresholds)))
			}
		}
		for _, s := range status.Slots {
			if _, _, copying := pg.CopySlot(s.Name); !copying && !s.Temporary && s.Retained != nil {
				all = append(all, fmt.Sprintf("%s=%dB;;%s;0;", label(c.Name, s.Node, "slot", s.Name, "retained"), *s.Retained, bytesLimit(c.Thresholds.SlotRetained)))
			}
		}
	}
	return all
}

func bytesLimit(limit *int64) string {
	if limit == nil {
		return ""
	}
	return strconv.FormatInt(*limit, 10)
}

func timeLimit(limits topology.Thresholds) string {
	if limits.LagTime == nil {
		return ""
	}
	return strconv.FormatFloat(limits.LagTime.Seconds(), 'f', -1, 64)
}

// label is a quoted label: an equals sign ends one, and a quote is written twice.
func label(parts ...string) string {
	return "'" + strings.NewReplacer("'", "''", "=", "_", "|", "_").Replace(oneLine(strings.Join(parts, "."))) + "'"
}
