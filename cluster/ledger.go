package cluster

import (
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// The ledger is written down in the cluster itself: schema repltool in the
// maintenance database of the primary. An object's row is written in the transaction
// that creates the object; where PostgreSQL does not allow that, an intent is written
// first and confirmed afterwards (intent.go). What was there before is adopted and gets
// no row: only what repltool made is repltool's to remove.

// Row is one of the ledger: its key, and what it stands for.
type Row struct {
	Address topology.Address
	Object
}

// Object is written into the ledger as its text: "slot pg2 on pg1".
type Object struct {
	Kind, Name string
	In         string // of a slot its node, of a publication its database, of a parameter whose it is; of a primary who led before
}

func (o Object) String() string {
	name := o.Name
	switch {
	case o.In == "":
	case o.Kind == "slot":
		name += " on " + o.In
	case o.Kind == "publication", o.Kind == "subscription":
		name = topology.TableName{Schema: o.In, Name: o.Name}.String()
	default: // a parameter's name has no blank
		name += " " + o.In
	}
	return o.Kind + " " + name
}

// ParseRow reads a row of the ledger.
func ParseRow(m facts.Managed) Row {
	return Row{topology.ParseAddress(m.Address), parseObject(m.Object)}
}

// parseObject is the way back.
func parseObject(text string) Object {
	kind, name, _ := strings.Cut(text, " ")
	o := Object{Kind: kind, Name: name}
	switch kind {
	case "slot":
		if i := strings.LastIndex(name, " on "); i >= 0 {
			o.Name, o.In = name[:i], name[i+len(" on "):]
		}
	case "publication", "subscription":
		if t, err := topology.ParseTableName(name); err == nil {
			o.Name, o.In = t.Name, t.Schema
		}
	case "role_parameter", "database_parameter", "primary":
		o.Name, o.In, _ = strings.Cut(name, " ")
	}
	return o
}

// Record is the statement that writes the rows of what repltool created, which exists by
// then: with its OID, since a name alone does not tell it from one created by hand later; a
// slot with the position of WAL, since one that is past it was used (absence.go).
func Record(rows ...Row) string {
	values := make([]string, len(rows))
	for i, r := range rows {
		text := pg.Literal(r.Object.String())
		if oid := oidSQL(r.Object); oid != "" {
			text = "concat(" + text + ", ' oid ' || (" + oid + "))"
		}
		if r.Kind == "slot" {
			text = "concat(" + text + ", ' at ', pg_current_wal_insert_lsn())"
		}
		values[i] = "(" + pg.Literal(r.Address.String()) + ", " + text + ")"
	}
	return upsert(values)
}

// oidSQL is the query for the OID of an object that every database knows of; "" for others.
func oidSQL(o Object) string {
	switch o.Kind {
	case "database":
		return "SELECT oid FROM pg_database WHERE datname = " + pg.Literal(o.Name)
	case "role":
		return "SELECT oid FROM pg_roles WHERE rolname = " + pg.Literal(o.Name)
	case "subscription":
		return "SELECT s.oid FROM pg_subscription s JOIN pg_database d ON d.oid = subdbid WHERE subname = " + pg.Literal(o.Name) + " AND datname = " + pg.Literal(o.In)
	}
	return ""
}

func upsert(values []string) string {
	return "INSERT INTO repltool.managed (address, object) VALUES " + strings.Join(values, ",\n    ") + "\n" +
		"  ON CONFLICT (address) DO UPDATE SET object = excluded.object, since = excluded.since;"
}

// Forget is the statement that strikes them out.
func Forget(addresses ...topology.Address) string {
	if len(addresses) == 1 {
		return "DELETE FROM repltool.managed WHERE address = " + pg.Literal(addresses[0].String()) + ";"
	}
	return "DELETE FROM repltool.managed WHERE address IN (" + pg.Literals(Texts(addresses)) + ");"
}

// ForgetObject removes a row, unless it is for another object by now.
func ForgetObject(r Row) string {
	object := "object = " + pg.Literal(r.Object.String())
	if oidSQL(r.Object) != "" {
		object = "(" + object + " OR starts_with(object, " + pg.Literal(r.Object.String()+" oid ") + "))"
	}
	return "DELETE FROM repltool.managed WHERE address = " + pg.Literal(r.Address.String()) + " AND " + object + ";"
}

// SlotRow is a slot in the ledger. Its key names the node: while a standby moves,
// slots of one name stand on two.
func (s *Cluster) SlotRow(n *topology.Node, name string) Row {
	return Row{s.NodeAddress(n).With(topology.PartSlot).With(name), Object{"slot", name, n.Name}}
}
