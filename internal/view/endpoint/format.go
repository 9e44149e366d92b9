package endpoint

import (
	"fmt"
	"io"
)

// Formats are the names of the formats.
func Formats() []string { return []string{"text", "json", "dsn", "env", "haproxy", "pgbouncer"} }

// Write writes the endpoints in a format.
func (e *Endpoints) Write(w io.Writer, format string) error {
	write := map[string]func(io.Writer) error{"text": e.text, "json": e.JSON, "dsn": e.dsn, "env": e.env, "haproxy": e.haproxy, "pgbouncer": e.pgbouncer}[format]
	if write == nil {
		return fmt.Errorf("there is no format %q", format)
	}
	return write(w)
}
