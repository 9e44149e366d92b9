package view

import (
	"io"
	"strconv"
	"time"
)

// Applied is one apply, as the ledger of a cluster has it.
type Applied struct {
	Cluster string `json:"cluster"` // address
	ID      int64  `json:"id"`
	Who     string `json:"who"`           // user@machine
	Run     string `json:"run,omitempty"` // the CI run, and its commit
	Started string `json:"started"`       // in UTC
	// Seconds is how long it took; nil where the ledger does not tell.
	Seconds *float64 `json:"seconds"`
	Plan    string   `json:"plan"` // fingerprint
	Result  string   `json:"result"`
}

// History is the applies of clusters, the latest first.
type History struct {
	FormatVersion string    `json:"format_version"`
	Complete      bool      `json:"complete"`
	Applies       []Applied `json:"applies"`
}

// JSON writes the history as one document.
func (h History) JSON(w io.Writer) error { return document(w, h) }

// Write writes the history as a table, and below it the CI runs.
func (h History) Write(w io.Writer, s Style) error {
	p := &printer{Style: s, w: w}
	if len(h.Applies) == 0 {
		p.line("No applies are recorded.")
		return p.err
	}
	rows := [][]string{{"CLUSTER", "ID", "STARTED", "TOOK", "WHO", "RESULT"}}
	for _, a := range h.Applies {
		took := ""
		if a.Seconds != nil {
			took = Duration(time.Duration(*a.Seconds * float64(time.Second)))
		}
		rows = append(rows, []string{a.Cluster, strconv.FormatInt(a.ID, 10), a.Started, took, a.Who, a.inRow()})
	}
	p.table(rows)
	for _, a := range h.Applies {
		for _, text := range []string{a.below(), a.Run} {
			if text != "" {
				p.flow("  ", Clean(a.Cluster)+" "+strconv.FormatInt(a.ID, 10)+": "+oneLine(text))
			}
		}
	}
	return p.err
}

// longestResult is what a row of the table has room for, in characters.
const longestResult = 60

// inRow is the result, or its beginning.
func (a Applied) inRow() string {
	if text := []rune(a.Result); len(text) > longestResult {
		return string(text[:longestResult-1]) + "…"
	}
	return a.Result
}

// below is the result if the row has only its beginning, such as the evidence of a failover.
func (a Applied) below() string {
	if a.inRow() == a.Result {
		return ""
	}
	return a.Result
}
