package plan

import (
	"strings"

	"github.com/repltool/repltool/providers/facts"
)

// The ledger is written down in the cluster itself: schema repltool in the
// maintenance database of the primary. An object's row is written before the
// object is made, in the same transaction where PostgreSQL allows it, so that a
// crash leaks nothing. What was there before is adopted and gets no row: only
// what repltool made is repltool's to remove.

const ledgerDDL = `CREATE SCHEMA repltool;
CREATE TABLE repltool.managed (
  address text PRIMARY KEY,
  object  text NOT NULL,
  since   timestamptz NOT NULL DEFAULT now()
);
CREATE TABLE repltool.applies (
  id      bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  who     text NOT NULL,
  started timestamptz NOT NULL,
  ended   timestamptz,
  plan    text NOT NULL,
  result  text NOT NULL
);`

func ledger(s *scope, out *findings) {
	d := newDraft(Create, s.ledgerAddress(), s.cluster.Primary)
	d.after = []string{s.nodeAddress(s.cluster.Primary)}
	if s.live() == nil || s.live().Ledger == nil {
		d.sql(s.cluster.Primary, "write down what repltool makes", ledgerDDL)
	}
	out.put(d)
}

// object names what a ledger row stands for: "slot pg2 on pg1".
func object(kind, name, on string) string {
	if on == "" {
		return kind + " " + name
	}
	return kind + " " + name + " on " + on
}

// parseObject is the way back.
func parseObject(text string) (kind, name, on string) {
	kind, name, _ = strings.Cut(text, " ")
	if i := strings.LastIndex(name, " on "); i >= 0 && kind == "slot" {
		name, on = name[:i], name[i+len(" on "):]
	}
	return kind, name, on
}

// managedNamed answers the rows of one object.
func (s *scope) managedNamed(kind, name string) []facts.Managed {
	var rows []facts.Managed
	for _, m := range s.managed(kind) {
		if _, n, _ := parseObject(m.Object); n == name {
			rows = append(rows, m)
		}
	}
	return rows
}

// row is one of the ledger: an address and what it stands for.
type row struct{ address, object string }

// intend is the statement that writes an object's row before the object is made.
func intend(address, object string) string { return intendAll(row{address, object}) }

// intendAll does so for several.
func intendAll(rows ...row) string {
	values := make([]string, len(rows))
	for i, r := range rows {
		values[i] = "(" + literal(r.address) + ", " + literal(r.object) + ")"
	}
	return "INSERT INTO repltool.managed (address, object) VALUES " + strings.Join(values, ",\n    ") + "\n" +
		"  ON CONFLICT (address) DO UPDATE SET object = excluded.object;"
}

// forget is the statement that strikes them out.
func forget(addresses ...string) string {
	if len(addresses) == 1 {
		return "DELETE FROM repltool.managed WHERE address = " + literal(addresses[0]) + ";"
	}
	return "DELETE FROM repltool.managed WHERE address IN (" + literals(addresses) + ");"
}

// managed answers the ledger's rows of one kind in this cluster.
func (s *scope) managed(kind string) []facts.Managed {
	if s.live() == nil || s.live().Ledger == nil {
		return nil
	}
	var rows []facts.Managed
	for _, m := range s.live().Ledger.Managed {
		if k, _, _ := parseObject(m.Object); k == kind && under(m.Address, s.cluster.ID) {
			rows = append(rows, m)
		}
	}
	return rows
}
