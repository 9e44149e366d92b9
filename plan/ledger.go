package plan

import (
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// The ledger is written down in the cluster itself: schema repltool in the
// maintenance database of the primary. An object's row is written in the transaction
// that creates the object; where PostgreSQL does not allow that, an intent is written
// first and confirmed afterwards (intent.go). What was there before is adopted and gets
// no row: only what repltool made is repltool's to remove.

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
	d.after = []topology.Address{s.nodeAddress(s.cluster.Primary)}
	if s.live() == nil || s.live().Ledger == nil {
		d.sql(s.cluster.Primary, "write down what repltool makes", ledgerDDL)
	} else {
		s.settleIntents(d)
		s.renameRows(d)
	}
	out.put(d)
}

// row is one of the ledger: its key, and what it stands for.
type row struct {
	address topology.Address
	object
}

// object is written into the ledger as its text: "slot pg2 on pg1".
type object struct {
	kind, name string
	in         string // of a slot its node, of a publication its database, of a parameter whose it is
}

func (o object) String() string {
	name := o.name
	switch {
	case o.in == "":
	case o.kind == "slot":
		name += " on " + o.in
	case o.kind == "publication", o.kind == "subscription":
		name = topology.TableName{Schema: o.in, Name: o.name}.String()
	default: // a parameter's name has no blank
		name += " " + o.in
	}
	return o.kind + " " + name
}

// parseRow reads a row of the ledger.
func parseRow(m facts.Managed) row {
	return row{topology.ParseAddress(m.Address), parseObject(m.Object)}
}

// parseObject is the way back.
func parseObject(text string) object {
	kind, name, _ := strings.Cut(text, " ")
	o := object{kind: kind, name: name}
	switch kind {
	case "slot":
		if i := strings.LastIndex(name, " on "); i >= 0 {
			o.name, o.in = name[:i], name[i+len(" on "):]
		}
	case "publication", "subscription":
		if t, err := topology.ParseTableName(name); err == nil {
			o.name, o.in = t.Name, t.Schema
		}
	case "role_parameter", "database_parameter":
		o.name, o.in, _ = strings.Cut(name, " ")
	}
	return o
}

// managed answers the ledger's rows of one kind in this cluster, without intents.
func (s *scope) managed(kind string) []row {
	return s.ledger().managed[kind]
}

// isOurs tells that the ledger has the object.
func (s *scope) isOurs(o object) bool {
	return s.ledger().ours[o]
}

// gone begins the removal of an object that repltool made and nobody wants any more;
// there tells whether it still is.
func (s *scope) gone(address topology.Address, on *topology.Node, there bool) *draft {
	d := newDraft(Delete, address, on)
	d.after = []topology.Address{s.ledgerAddress()}
	d.Reason = "it is gone already; the ledger still has it"
	if there {
		d.Reason = "no longer in the topology, and repltool made it"
		d.worsen(Drop)
	}
	return d
}

// record is the statement that writes the rows of what repltool created.
func record(rows ...row) string {
	values := make([]string, len(rows))
	for i, r := range rows {
		values[i] = "(" + literal(r.address.String()) + ", " + literal(r.object.String()) + ")"
	}
	return upsert(values)
}

func upsert(values []string) string {
	return "INSERT INTO repltool.managed (address, object) VALUES " + strings.Join(values, ",\n    ") + "\n" +
		"  ON CONFLICT (address) DO UPDATE SET object = excluded.object;"
}

// forget is the statement that strikes them out.
func forget(addresses ...topology.Address) string {
	if len(addresses) == 1 {
		return "DELETE FROM repltool.managed WHERE address = " + literal(addresses[0].String()) + ";"
	}
	return "DELETE FROM repltool.managed WHERE address IN (" + literals(texts(addresses)) + ");"
}

// forgetObject strikes a row out, unless it stands for another object by now.
func forgetObject(r row) string {
	return "DELETE FROM repltool.managed WHERE address = " + literal(r.address.String()) + " AND object = " + literal(r.object.String()) + ";"
}
