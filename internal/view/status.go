package view

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// Standing is one node's place in replication, as found. Nil is what PostgreSQL
// says NULL for, or what could not be asked.
type Standing struct {
	Node     string   `json:"node"`
	Role     string   `json:"role"`
	State    string   `json:"state,omitempty"` // of the process that serves it
	Sync     string   `json:"sync,omitempty"`
	Timeline int      `json:"timeline,omitempty"`
	Upstream string   `json:"upstream,omitempty"`
	Slot     string   `json:"slot,omitempty"`
	LSN      string   `json:"lsn,omitempty"`
	LagBytes *int64   `json:"lag_bytes"`
	LagTime  *float64 `json:"lag_seconds"`
	Lag      *Lag     `json:"lag,omitempty"` // of a standby, in parts
	Error    string   `json:"error,omitempty"`
	Hint     string   `json:"hint,omitempty"`
}

// ClusterStatus is one cluster.
type ClusterStatus struct {
	Address string       `json:"address"`
	Nodes   []Standing   `json:"nodes"`
	Slots   []SlotStatus `json:"slots"`

	Subscriptions []SubscriptionStatus `json:"subscriptions"`

	standbys int // that the topology has, be they up or not
}

// SlotStatus is one replication slot.
type SlotStatus struct {
	Node     string `json:"node"`
	Name     string `json:"name"`
	Type     string `json:"type"`
	Active   bool   `json:"active"`
	Status   string `json:"wal_status,omitempty"`
	Retained *int64 `json:"retained_bytes"`
	Safe     *int64 `json:"safe_wal_size"` // what may still be written until it can be lost

	Temporary bool `json:"temporary,omitempty"`
}

// Status is the state of all clusters.
type Status struct {
	FormatVersion string          `json:"format_version"`
	Complete      bool            `json:"complete"`
	Clusters      []ClusterStatus `json:"clusters"`
	Findings      []plan.Finding  `json:"findings"`
	Health        []plan.Finding  `json:"health"` // the same, under its earlier name
}

// NewStatus gathers the state from the facts, and from the plan what it says of
// health and upstreams.
func NewStatus(t *topology.Topology, f facts.Facts, p *plan.Plan) Status {
	s := Status{FormatVersion: plan.FormatVersion, Complete: p.Complete, Clusters: []ClusterStatus{}, Findings: p.Findings, Health: p.Findings}
	for _, c := range t.Clusters {
		one := ClusterStatus{Address: c.ID, Nodes: []Standing{}, Slots: []SlotStatus{}, standbys: len(c.Standbys)}
		for _, n := range p.Nodes {
			if n.Cluster == c.ID {
				one.Nodes = append(one.Nodes, standing(n, c, f))
				one.Slots = append(one.Slots, slotsOf(n.Name, f.Nodes[n.Name])...)
			}
		}
		one.Subscriptions = subscriptionsOf(t, c, f)
		s.Clusters = append(s.Clusters, one)
	}
	return s
}

func standing(n plan.Node, c *topology.Cluster, f facts.Facts) Standing {
	s := Standing{Node: n.Name, Role: n.Role, Timeline: n.Timeline, Upstream: n.Upstream, Error: n.Error, Hint: n.Hint}
	found := f.Nodes[n.Name]
	if found != nil && found.Server != nil {
		s.LSN = found.Server.LSN
	}
	lagOf(&s, c, f)
	return s
}

func slotsOf(name string, n *facts.Node) []SlotStatus {
	var all []SlotStatus
	if n == nil || n.Server == nil {
		return nil
	}
	for _, s := range n.Server.Slots {
		all = append(all, SlotStatus{Node: name, Name: s.Name, Type: string(s.Type), Active: s.Active, Status: s.WALStatus, Retained: s.RetainedBytes, Safe: s.SafeWALSize, Temporary: s.Temporary})
	}
	return all
}

// JSON writes the state as one document.
func (s Status) JSON(w io.Writer) error { return document(w, s) }

// Write writes the state as tables; "-" stands for NULL and for what does not
// apply.
func (s Status) Write(w io.Writer, style Style) error {
	p := &printer{Style: style, w: w}
	for i, c := range s.Clusters {
		if i > 0 {
			p.line("")
		}
		p.line(p.bold(Clean(c.Address)))
		p.nodes(c.Nodes)
		p.lags(c.Nodes)
		if len(c.Slots) > 0 {
			p.line("")
			p.slots(c.Slots)
		}
		if len(c.Subscriptions) > 0 {
			p.line("")
			p.subscriptions(c.Subscriptions)
		}
	}
	if len(s.Findings) > 0 {
		p.line("")
	}
	for _, h := range s.Findings {
		healthLine(p, h)
	}
	p.line("")
	p.line(p.bold(s.summary()))
	return p.err
}

func (p *printer) nodes(nodes []Standing) {
	rows := [][]string{{"NODE", "ROLE", "STATE", "SYNC", "TLI", "UPSTREAM", "SLOT", "LSN", "LAG", "TIME"}}
	for _, n := range nodes {
		timeline := ""
		if n.Timeline > 0 {
			timeline = strconv.Itoa(n.Timeline)
		}
		rows = append(rows, []string{n.Node, n.Role, n.State, n.Sync, timeline, n.Upstream, n.Slot, n.LSN, lagBytes(n.LagBytes), lagTime(n.LagTime)})
	}
	p.table(rows)
	for _, n := range nodes {
		if n.Error != "" {
			p.flow("  ", p.red(Clean(n.Node)+": ")+Clean(n.Error))
			if n.Hint != "" {
				p.flow("    ", Clean(n.Hint))
			}
		}
	}
}

func (p *printer) slots(slots []SlotStatus) {
	rows := [][]string{{"SLOT", "ON", "TYPE", "ACTIVE", "WAL", "RETAINED", "SAFE"}}
	for _, s := range slots {
		active := "no"
		if s.Active {
			active = "yes"
		}
		rows = append(rows, []string{s.Name, s.Node, s.Type, active, s.Status, lagBytes(s.Retained), lagBytes(s.Safe)})
	}
	p.table(rows)
}

// table writes rows in columns; the first row is the head.
func (p *printer) table(rows [][]string) {
	var widths []int
	for r, row := range rows {
		for i, cell := range row {
			if cell == "" {
				cell = "-"
			}
			rows[r][i] = oneLine(cell)
			if i >= len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], lipgloss.Width(rows[r][i]))
		}
	}
	for r, row := range rows {
		var cells []string
		for i, cell := range row {
			cells = append(cells, p.cell(pad(cell, widths[i]), cell, r == 0))
		}
		p.line("  ", strings.TrimRight(strings.Join(cells, "  "), " "))
	}
}

func (p *printer) cell(padded, cell string, head bool) string {
	switch {
	case head:
		return p.dim(padded)
	case cell == "primary":
		return p.bold(padded)
	case cell == "streaming":
		return p.green(padded)
	case cell == "down", cell == "unknown", cell == "not connected", cell == "restarting", cell == "lost", cell == "disabled":
		return p.red(padded)
	}
	return padded
}

func lagBytes(n *int64) string {
	if n == nil {
		return ""
	}
	return Bytes(*n)
}

func lagTime(seconds *float64) string {
	if seconds == nil {
		return ""
	}
	return Duration(time.Duration(*seconds * float64(time.Second)))
}

// summary counts what is well: a standby that is down counts as one that does not
// stream, one that cannot be read as its upstream sees it.
func (s Status) summary() string {
	nodes, standbys, streaming := 0, 0, 0
	for _, c := range s.Clusters {
		standbys += c.standbys
		for _, n := range c.Nodes {
			nodes++
			if n.State == "streaming" && slices.Contains([]string{string(facts.RoleStandby), string(facts.RoleUnknown)}, n.Role) {
				streaming++
			}
		}
	}
	text := fmt.Sprintf("%s, %s: %d of %s streaming", count(len(s.Clusters), "cluster"), count(nodes, "node"), streaming, count(standbys, "standby"))
	if n := len(s.Findings); n > 0 {
		text += " · " + count(n, "health problem")
	}
	if !s.Complete {
		text += " · incomplete"
	}
	return text
}
