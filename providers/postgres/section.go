package postgres

import (
	"encoding/json"

	"github.com/repltool/repltool/facts"
)

// section is one kind: what the query asks about it, as one JSON value, and what
// makes facts of the answer.
type section struct {
	name   string
	sql    string
	decode func(answer json.RawMessage, s *facts.Server) error
}
