package endpoint

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/view"
)

// text writes a table for people: what each member is fit for, and why not.
func (e *Endpoints) text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s as of %s\n", e.Cluster.ID, e.asOf())
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	rows := [][]string{{"NODE", "ADDRESS", "ROLE", "TLI", "REPLAYED", "BEHIND", "LAG", "WRITE", "READ", "WHY"}}
	for _, m := range e.Members {
		rows = append(rows, e.row(m))
	}
	for _, row := range rows {
		for i, cell := range row {
			if row[i] = strings.Join(strings.Fields(view.Clean(cell)), " "); row[i] == "" && i < len(row)-1 {
				row[i] = "-"
			}
		}
		fmt.Fprintln(t, strings.TrimRight("  "+strings.Join(row, "\t"), "\t"))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "write: %s\nread:  %s\n", list(names(e.writers())), list(names(e.readers())))
	if token := e.Token(); token != "" {
		fmt.Fprintf(&b, "token: %s\n", token)
	}
	if m := e.Moving; m != nil {
		fmt.Fprintf(&b, "moving: the primary from %s to %s\n", m.From.Name, m.To.Name)
	}
	_, err := io.WriteString(w, trimLines(b.String()))
	return err
}

func trimLines(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func (e *Endpoints) row(m cluster.Fitness) []string {
	yes := func(is bool) string {
		if is {
			return "yes"
		}
		return "no"
	}
	timeline, behind, lag := "", "", ""
	if m.Timeline > 0 {
		timeline = strconv.Itoa(m.Timeline)
	}
	if m.LagBytes != nil {
		behind = view.Bytes(*m.LagBytes)
	}
	if m.Lag != nil {
		lag = view.Duration(*m.Lag)
	}
	reads := yes(m.Reads)
	if m.Writes && len(e.standbys()) > 0 {
		reads = "last" // only where no standby is fit
	}
	if m.Writes && e.StandbysOnly {
		reads = "no"
	}
	return []string{m.Node.Name, address(m), string(m.Role), timeline, m.Replayed, behind, lag, yes(m.Writes), reads, m.Why}
}

// address is where clients connect.
func address(m cluster.Fitness) string {
	host := m.Node.Address
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(m.Port)
}

func list(names []string) string {
	if len(names) == 0 {
		return "none"
	}
	return strings.Join(names, ", ")
}

func (e *Endpoints) asOf() string { return e.At.UTC().Format(time.RFC3339) }
