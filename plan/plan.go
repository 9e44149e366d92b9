// Package plan is the plan as a value: changes, their steps, and what was seen besides.
// It encodes to JSON and back without loss, and decides nothing.
package plan

import (
	"time"
)

// FormatVersion is the version of the JSON document.
const FormatVersion = "1.0"

// Plan is what would be done, and what was seen besides.
type Plan struct {
	FormatVersion   string `json:"format_version"`
	RepltoolVersion string `json:"repltool_version"`
	TopologyHash    string `json:"topology_hash"`
	// Fingerprint binds the plan to the facts it was built on; see encode.go.
	Fingerprint string `json:"fingerprint"`
	// Complete is false when some node could not be read: what rests on it was
	// not compared.
	Complete bool `json:"complete"`
	// Targets are the -target addresses; a plan with any is a subset.
	Targets   []string          `json:"targets,omitempty"`
	Replace   []string          `json:"replace,omitempty"`
	Moves     []string          `json:"moves,omitempty"` // clusters that a switchover was asked for
	Variables map[string]string `json:"variables,omitempty"`

	Nodes     []Node   `json:"nodes"`
	Changes   []Change `json:"changes"`
	Steps     []Step   `json:"steps"`
	Drift     []Notice `json:"drift"`
	Unmanaged []Notice `json:"unmanaged"`
	// Adopt are the marks of ownership that are missing, where nothing else is to be done: they
	// are no changes.
	Adopt    []Mark    `json:"adopt"`
	Findings []Finding `json:"findings"`
	Summary  Summary   `json:"summary"`

	Diagnostics []Diagnostic `json:"diagnostics"`
}

// Mark is a mark of ownership: a row of the ledger, or a managed block that changes nothing.
type Mark struct {
	Address string `json:"address"`
	Node    string `json:"node"`
}

// Node is one node as it was found.
type Node struct {
	Name             string `json:"name"`
	Host             string `json:"host"`
	Cluster          string `json:"cluster,omitempty"` // address of its cluster
	Reachable        bool   `json:"reachable"`
	Role             string `json:"role"` // facts.NodeRole
	Upstream         string `json:"upstream,omitempty"`
	Version          string `json:"version"`
	SystemIdentifier string `json:"system_identifier"`
	Timeline         int    `json:"timeline"`
	Error            string `json:"error"`
	Hint             string `json:"hint,omitempty"`
}

// Action is what becomes of an object.
type Action string

// The actions.
const (
	Create  Action = "create"
	Update  Action = "update"
	Delete  Action = "delete"
	Replace Action = "replace"
)

// Symbol is the action's mark in a printed plan.
func (a Action) Symbol() string {
	switch a {
	case Create:
		return "+"
	case Delete:
		return "-"
	case Replace:
		return "-/+"
	default:
		return "~"
	}
}

// Change is what becomes of one object: the unit that a person reviews. Its
// steps run one after another.
type Change struct {
	Address string `json:"address"`
	Action  Action `json:"action"`
	Impact  Impact `json:"impact"`
	Effect  string `json:"effect,omitempty"` // a few words more: "commits wait for 1 standby"
	// Recreates reports whether the object existed before and is gone: what is created has none
	// of the data, or of the position, that it had.
	Recreates bool `json:"recreates,omitempty"`
	// Discards reports whether a member loses data that only it has: what it wrote after the
	// history of the primary had left its timeline.
	Discards bool     `json:"discards,omitempty"`
	Wave     int      `json:"wave"` // from 1; changes of one wave may run side by side
	Nodes    []string `json:"nodes"`
	Reason   string   `json:"reason"` // why, where the attributes do not tell
	// Attributes are what differs, in order; Before and After are the same as
	// objects, for readers of the JSON.
	Attributes []Attribute       `json:"attributes,omitempty"`
	Before     map[string]string `json:"before"`
	After      map[string]string `json:"after"`
	Requires   []string          `json:"requires"` // addresses of changes that come first
	Needs      []string          `json:"needs"`    // those of them that a target brings: without them this change cannot be made
	// Closer is the address of the change that ends what this one begins, such as a relaxed
	// synchronous set; "" for none.
	Closer string   `json:"closer,omitempty"`
	Steps  []string `json:"steps"` // IDs, in order
	// Undo is the way back: what apply runs, in this order, when a step of the change fails or
	// the run is interrupted in the middle of it. Each names the step that it takes back, and
	// is run where that one was begun.
	Undo []Step `json:"undo,omitempty"`
	// NoReturn is the ID of the step after the beginning of which nothing is taken back.
	NoReturn string `json:"no_return,omitempty"`
}

// Attribute is one difference. Nil means absent.
type Attribute struct {
	Name   string  `json:"name"`
	Before *string `json:"before"`
	After  *string `json:"after"`
	Note   string  `json:"note,omitempty"` // "needs a restart"
}

// Notice is something seen that no change deals with.
type Notice struct {
	Address string `json:"address"`
	Code    string `json:"code"` // one of Codes
	// Kind is of what is usually many, so that people are shown a count; else "".
	Kind   string `json:"kind,omitempty"`
	Node   string `json:"node"`
	Detail string `json:"detail"`
}

// Severity of findings and diagnostics.
type Severity string

// The severities.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is a state of the live clusters that needs attention.
type Finding struct {
	Address  string   `json:"address"`
	Node     string   `json:"node"` // where it was found; "" for a whole cluster
	Code     string   `json:"code"` // one of Codes
	Severity Severity `json:"severity"`
	Message  string   `json:"message"`
	Evidence string   `json:"evidence,omitempty"` // what was read to know it
	Hint     string   `json:"hint"`
}

// Summary counts.
type Summary struct {
	Create    int      `json:"create"`
	Update    int      `json:"update"`
	Delete    int      `json:"delete"`
	Replace   int      `json:"replace"`
	Unchanged int      `json:"unchanged"`
	Restarts  []string `json:"restarts"` // nodes
	Copies    []Copy   `json:"copies"`
}

// Copy is one clone. Bytes is what is read from the source, 0 when unknown.
type Copy struct {
	Node  string `json:"node"`
	Bytes int64  `json:"bytes"`
}

// Diagnostic is one error or warning, in the shape of `terraform validate -json`.
type Diagnostic struct {
	Severity Severity `json:"severity"`
	Code     string   `json:"code"` // one of Codes, or OtherCode
	Summary  string   `json:"summary"`
	Detail   string   `json:"detail,omitempty"`
	Address  string   `json:"address,omitempty"`
	Range    *Range   `json:"range,omitempty"`
	Snippet  *Snippet `json:"snippet,omitempty"`
	// Finding reports whether Findings has it too: it is a state of the live clusters.
	Finding bool `json:"finding,omitempty"`
}

// LiveState marks, as Extra of an hcl.Diagnostic, a state of the live clusters.
type LiveState struct{}

// Range is a part of a file.
type Range struct {
	Filename string `json:"filename"`
	Start    Pos    `json:"start"`
	End      Pos    `json:"end"`
}

// Pos is a position; Line and Column count from 1, Byte from 0.
type Pos struct {
	Line   int `json:"line"`
	Column int `json:"column"`
	Byte   int `json:"byte"`
}

// Snippet is the text around a diagnostic.
type Snippet struct {
	Context              *string `json:"context"` // the block's header
	Code                 string  `json:"code"`
	StartLine            int     `json:"start_line"`
	HighlightStartOffset int     `json:"highlight_start_offset"`
	HighlightEndOffset   int     `json:"highlight_end_offset"`

	Values [0]struct{} `json:"values"` // of the variables in it: never shown
}

// Step is one thing done on one node. Applying it needs nothing that is not
// written in it. Steps stand in an order that satisfies Requires.
type Step struct {
	ID       string   // the change's address, "#", a number
	Address  string   // of its change
	Node     string   // where
	Why      string   // one line for people; never needed to run it
	Requires []string // IDs of steps that must have succeeded
	Undoes   string   // of a step of the way back: the ID of the one that it takes back
	Op       Op
}

// Op is a sealed sum: SQL, File, Command, Wait.
type Op interface{ kind() string }

// Text is a text with secrets in it. What is written is Redacted at each place,
// and apply puts in the secret itself at the last moment.
type Text struct {
	Text    string
	Secrets []SecretUse
}

// SecretUse is a place in a Text where a secret stands.
type SecretUse struct {
	Offset int        `json:"offset"` // in bytes, of topology.Redacted in the text
	Ref    string     `json:"ref"`    // key of topology.Secrets
	Form   SecretForm `json:"form"`
}

// SecretForm is how a secret is written into a text.
type SecretForm string

// The forms of a secret.
const (
	// FormSCRAM is a SCRAM-SHA-256 verifier as an SQL string literal.
	FormSCRAM SecretForm = "scram_literal"
	// FormPassfile is the password as a field of a password file, with : and \ escaped.
	FormPassfile SecretForm = "passfile"
	// FormConfig is the text as a quoted value of postgresql.conf.
	FormConfig SecretForm = "config"
	// FormConnInfo is the text as a value of a connection string within an SQL string literal.
	FormConnInfo SecretForm = "conninfo_literal"
	// FormLiteral is the text as an SQL string literal.
	FormLiteral SecretForm = "literal"
)

// SQL runs statements in one session, as one string: several statements are one
// transaction, as the server treats them.
type SQL struct {
	Database string
	SQL      Text
}

// File writes a whole file (Block nil) or one marked block of it.
type File struct {
	Path    string
	Block   *Block
	Content Text // of the file, or of the block without its markers
	Mode    uint32
	// Replaces is the sha256 of what was there when the plan was made: of the
	// file, or of the file without the block. "" is not checked: the file is
	// made earlier in this plan. "absent": there must be none.
	Replaces string
	Diff     string // unified, without header
	// Check is a query that must answer no row once the file is written, else the
	// old bytes come back and its rows are the error; "" for none.
	Check    string
	Database string // of Check
}

// Block is a marked block of a file.
type Block struct {
	Name  string `json:"name"`  // in the markers: the cluster's name; in a password file the data directory
	First bool   `json:"first"` // its place: first line of the file, else last
	// Earlier are names that the cluster had: blocks under those go in the same edit.
	Earlier []string `json:"earlier,omitempty"`
	// Drop are beginnings of lines outside any block that go in the same edit: those of a
	// password file that an earlier version of repltool wrote.
	Drop []string `json:"drop,omitempty"`
	// Keep are beginnings of lines of the block as found that stay, after the content.
	Keep []string `json:"keep,omitempty"`
}

// Command runs a program as the node's OS user.
type Command struct {
	Argv []string
	Root bool // systemd's units only
	// Job names a detached command: it survives a lost connection, and an apply
	// that finds it takes it up again. The job's directory stays, as the marker
	// of a half-made data directory, until a step removes it.
	Job     string
	Bytes   int64         // estimate of what it copies, for progress
	Timeout time.Duration // 0: none
	Remedy  string        // what to do when it fails, for people
	// Starts reports whether the program starts the node's server and may wait for longer than
	// until that answers, as pg_ctlcluster does: the step is done once a server answers
	// that was started since, and the program is left to end by itself.
	Starts bool
	// Prints names the one word that the program prints, such as a WAL position: waits of the
	// same change have it as :'NAME' in their queries, as psql writes a variable; "" for none.
	Prints string
}

// Wait asks Query until its one row is true. A query that returns "failed" in place
// of f says that it cannot become true any more; one that returns "failing" for a quarter
// of a minute is taken at that word.
type Wait struct {
	Database string
	Query    string // :'NAME' stands for what a command of the change has printed, as a literal
	What     string // a clause, "pg2 is streaming"; of a gate a state, "pg2 streaming, lag < 16MB"
	Else     string // of a gate: "wave 5 would block commits"
	Gate     bool   // shown between waves where its change begins with it
	Timeout  time.Duration
	// Progress, where there is one, puts the limit off: it counts from when that
	// last moved.
	Progress *Progress
}

// Progress is a query that returns a number which grows while what is waited for
// comes nearer, and in further columns words for people.
type Progress struct {
	Node  string `json:"node"` // where it is asked, in the wait's database
	Query string `json:"query"`
}

func (SQL) kind() string { return "sql" }

func (File) kind() string { return "file" }

func (Command) kind() string { return "command" }

func (Wait) kind() string { return "wait" }

func NotNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func Ptr(s string) *string { return &s }
