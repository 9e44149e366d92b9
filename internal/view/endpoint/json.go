package endpoint

import (
	"encoding/json"
	"io"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/plan"
)

// document is what programs read: a contract.
type document struct {
	FormatVersion   string            `json:"format_version"`
	RepltoolVersion string            `json:"repltool_version"`
	Complete        bool              `json:"complete"`
	Cluster         string            `json:"cluster"` // address
	AsOf            string            `json:"as_of"`
	MaxLag          float64           `json:"max_lag_seconds"`
	Write           []string          `json:"write"` // nodes: one, or none
	Read            []string          `json:"read"`
	Refused         string            `json:"refused,omitempty"` // why none may be written to, though some accept writes
	Stale           string            `json:"stale,omitempty"`   // why it is not known how old what the nodes show is
	Timeline        int               `json:"timeline,omitempty"`
	Token           string            `json:"token,omitempty"`
	Intent          *intent           `json:"intent"` // a move of the primary that has begun
	Nodes           []node            `json:"nodes"`
	Diagnostics     []plan.Diagnostic `json:"diagnostics"`
}

type intent struct {
	From string `json:"from"`
	To   string `json:"to"`
}

type node struct {
	Node       string   `json:"node"`
	Host       string   `json:"host"`
	Port       int      `json:"port"`
	Role       string   `json:"role"`
	Timeline   int      `json:"timeline,omitempty"`
	ReplayLSN  string   `json:"replay_lsn,omitempty"` // of the primary: what it has written
	LagBytes   *int64   `json:"lag_bytes"`
	LagSeconds *float64 `json:"lag_seconds"` // at most; null is not known
	Fit        bool     `json:"fit"`         // for what -for says; without it, for reads
	Writable   bool     `json:"writable"`
	Why        string   `json:"why,omitempty"`
}

// JSON writes the endpoints as one document.
func (e *Endpoints) JSON(w io.Writer) error {
	d := document{
		FormatVersion: plan.FormatVersion, RepltoolVersion: e.Version, Complete: e.Complete(), Cluster: e.Cluster.ID, AsOf: e.asOf(), MaxLag: e.MaxLag.Seconds(),
		Write: names(e.writers()), Read: names(e.readers()), Refused: e.Refused, Stale: e.Stale, Timeline: e.Has.Timeline, Token: e.Token(),
		Nodes: []node{}, Diagnostics: plan.NotNil(e.Diagnostics),
	}
	if m := e.Moving; m != nil {
		d.Intent = &intent{m.From.Name, m.To.Name}
	}
	for _, m := range e.Members {
		d.Nodes = append(d.Nodes, e.node(m))
	}
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	return encoder.Encode(d)
}

func (e *Endpoints) node(m cluster.Fitness) node {
	n := node{
		Node: m.Node.Name, Host: m.Node.Address, Port: m.Port, Role: string(m.Role), Timeline: m.Timeline, ReplayLSN: m.Replayed,
		LagBytes: m.LagBytes, Fit: m.Reads, Writable: m.Writes, Why: m.Why,
	}
	if e.For == Write {
		n.Fit = m.Writes
		if n.Why == "" && !m.Writes {
			n.Why = "is a standby"
		}
	}
	if m.Lag != nil {
		seconds := m.Lag.Seconds()
		n.LagSeconds = &seconds
	}
	return n
}
