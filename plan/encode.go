package plan

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Encode writes the plan as the JSON document that `plan -json` prints and that
// a plan file holds. health is the list of findings under its earlier name, for programs
// that read that one.
func (p *Plan) Encode(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	document := struct {
		*Plan
		Health []Finding `json:"health"`
	}{p, p.Findings}
	if err := enc.Encode(document); err != nil {
		return fmt.Errorf("encode plan: %w", err)
	}
	return nil
}

// Decode reads what Encode wrote. A document of another major format version,
// or one whose fingerprint does not fit its steps, is refused.
func Decode(r io.Reader) (*Plan, error) {
	data, err := io.ReadAll(r)
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	p := &Plan{}
	if err := json.Unmarshal(data, p); err != nil {
		return nil, fmt.Errorf("not a plan file: %w", err)
	}
	if p.FormatVersion != FormatVersion {
		return nil, fmt.Errorf("plan file has format version %q; this repltool reads %q", p.FormatVersion, FormatVersion)
	}
	if p.Fingerprint != p.Bind() {
		return nil, fmt.Errorf("the plan file was modified: its fingerprint does not match its steps; create a new plan")
	}
	return p, nil
}

// Bind digests what the plan rests on and what it does. Facts that no
// change depends on are in it only as far as they decide that there is none:
// a plan made again on the same world has the same fingerprint. Sizes and lags
// are not in it: they move all the time.
func (p *Plan) Bind() string {
	nodes := append([]Node(nil), p.Nodes...)
	for i := range nodes {
		nodes[i].Error, nodes[i].Hint = "", ""
	}
	changes := append([]Change(nil), p.Changes...)
	for i := range changes {
		changes[i].Effect, changes[i].Reason = "", ""
	}
	steps := append([]Step(nil), p.Steps...)
	for i, s := range steps {
		if c, ok := s.Op.(Command); ok {
			c.Bytes = 0
			steps[i].Op = c
		}
	}
	var buf bytes.Buffer
	for _, part := range []any{p.TopologyHash, NotNil(p.Targets), NotNil(append(p.Replace[:len(p.Replace):len(p.Replace)], p.Moves...)), NotNil(nodes), NotNil(changes), NotNil(steps)} {
		data, err := json.Marshal(part)
		if err != nil { // every type here encodes
			panic(err)
		}
		buf.Write(data)
		buf.WriteByte('\n')
	}
	sum := sha256.Sum256(buf.Bytes())
	return hex.EncodeToString(sum[:])
}

// stepJSON is a Step with its Op spread out, with the field names of the JSON format.
type stepJSON struct {
	ID       string      `json:"id"`
	Kind     string      `json:"kind"`
	Address  string      `json:"address"`
	Node     string      `json:"node"`
	Why      string      `json:"why,omitempty"`
	Database string      `json:"database,omitempty"`
	SQL      string      `json:"sql,omitempty"`
	Argv     []string    `json:"argv,omitempty"`
	Root     bool        `json:"root,omitempty"`
	Job      string      `json:"job,omitempty"`
	Bytes    int64       `json:"bytes,omitempty"`
	Remedy   string      `json:"remedy,omitempty"`
	Starts   bool        `json:"starts,omitempty"`
	Prints   string      `json:"prints,omitempty"`
	Path     string      `json:"path,omitempty"`
	Block    *Block      `json:"block,omitempty"`
	Content  string      `json:"content,omitempty"`
	Mode     uint32      `json:"mode,omitempty"`
	Replaces string      `json:"replaces,omitempty"`
	Diff     string      `json:"diff,omitempty"`
	Check    string      `json:"check,omitempty"`
	Wait     string      `json:"wait,omitempty"`
	Query    string      `json:"query,omitempty"`
	Else     string      `json:"else,omitempty"`
	Gate     bool        `json:"gate,omitempty"`
	Timeout  string      `json:"timeout,omitempty"`
	Progress *Progress   `json:"progress,omitempty"`
	Secrets  []SecretUse `json:"secrets,omitempty"`
	Requires []string    `json:"requires"`
	Undoes   string      `json:"undoes,omitempty"`
}

// MarshalJSON spreads the Op out.
func (s Step) MarshalJSON() ([]byte, error) {
	j := stepJSON{ID: s.ID, Kind: s.Op.kind(), Address: s.Address, Node: s.Node, Why: s.Why, Requires: s.Requires, Undoes: s.Undoes}
	if j.Requires == nil {
		j.Requires = []string{}
	}
	switch op := s.Op.(type) {
	case SQL:
		j.Database, j.SQL, j.Secrets = op.Database, op.SQL.Text, op.SQL.Secrets
	case File:
		j.Path, j.Block, j.Content, j.Secrets = op.Path, op.Block, op.Content.Text, op.Content.Secrets
		j.Mode, j.Replaces, j.Diff, j.Check, j.Database = op.Mode, op.Replaces, op.Diff, op.Check, op.Database
	case Command:
		j.Argv, j.Root, j.Job, j.Bytes, j.Timeout, j.Remedy = op.Argv, op.Root, op.Job, op.Bytes, duration(op.Timeout), op.Remedy
		j.Starts, j.Prints = op.Starts, op.Prints
	case Wait:
		j.Database, j.Query, j.Wait, j.Else, j.Gate, j.Timeout = op.Database, op.Query, op.What, op.Else, op.Gate, duration(op.Timeout)
		j.Progress = op.Progress
	}
	return marshal(j)
}

// marshal is json.Marshal without escaping <, > and &, which SQL and diffs are full of.
func marshal(v any) ([]byte, error) {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(buf.Bytes(), "\n"), nil
}

// UnmarshalJSON gathers the Op again.
func (s *Step) UnmarshalJSON(data []byte) error {
	var j stepJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return err
	}
	timeout, err := parseDuration(j.Timeout)
	if err != nil {
		return fmt.Errorf("step %s: timeout: %w", j.ID, err)
	}
	*s = Step{ID: j.ID, Address: j.Address, Node: j.Node, Why: j.Why, Requires: j.Requires, Undoes: j.Undoes}
	switch j.Kind {
	case "sql":
		s.Op = SQL{Database: j.Database, SQL: Text{j.SQL, j.Secrets}}
	case "file":
		s.Op = File{
			Path: j.Path, Block: j.Block, Content: Text{j.Content, j.Secrets}, Mode: j.Mode,
			Replaces: j.Replaces, Diff: j.Diff, Check: j.Check, Database: j.Database,
		}
	case "command":
		s.Op = Command{Argv: j.Argv, Root: j.Root, Job: j.Job, Bytes: j.Bytes, Timeout: timeout, Remedy: j.Remedy, Starts: j.Starts, Prints: j.Prints}
	case "wait":
		s.Op = Wait{Database: j.Database, Query: j.Query, What: j.Wait, Else: j.Else, Gate: j.Gate, Timeout: timeout, Progress: j.Progress}
	default:
		return fmt.Errorf("step %s: unknown kind %q", j.ID, j.Kind)
	}
	return nil
}

func duration(d time.Duration) string {
	if d == 0 {
		return ""
	}
	return d.String()
}

func parseDuration(s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	return time.ParseDuration(s)
}
