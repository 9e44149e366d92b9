package cluster

import (
	"slices"
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
	In         string // of a slot its node, of a publication its database, of a parameter whose it is
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
	case "role_parameter", "database_parameter":
		o.Name, o.In, _ = strings.Cut(name, " ")
	}
	return o
}

// Managed answers the ledger's rows of one kind in this cluster, without intents and
// without those of objects that somebody has created again by hand.
func (s *Cluster) Managed(kind string) []Row {
	return s.Ledger().managed[kind]
}

// IsOurs tells that the ledger has the object.
func (s *Cluster) IsOurs(o Object) bool {
	return s.Ledger().ours[o]
}

// HasRow tells that the ledger has a row at that address, whatever it stands for.
func (s *Cluster) HasRow(address topology.Address) bool {
	return slices.ContainsFunc(s.Ledger().Rows, func(r LedgerRow) bool { return r.Address == address })
}

// Record is the statement that writes the rows of what repltool created, which exists by
// then: with its OID, since a name alone does not tell it from one created by hand later.
func Record(rows ...Row) string {
	values := make([]string, len(rows))
	for i, r := range rows {
		text := pg.Literal(r.Object.String())
		if oid := oidSQL(r.Object); oid != "" {
			text = "concat(" + text + ", ' oid ' || (" + oid + "))"
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

// ForgetObject strikes a row out, unless it stands for another object by now.
func ForgetObject(r Row) string {
	object := "object = " + pg.Literal(r.Object.String())
	if oidSQL(r.Object) != "" {
		object = "(" + object + " OR starts_with(object, " + pg.Literal(r.Object.String()+" oid ") + "))"
	}
	return "DELETE FROM repltool.managed WHERE address = " + pg.Literal(r.Address.String()) + " AND " + object + ";"
}

// WithParameters answers the keys of the ledger's rows of an object and its parameters.
func (s *Cluster) WithParameters(of Row) []topology.Address {
	addresses := []topology.Address{of.Address}
	for _, m := range s.Managed(of.Kind + "_parameter") {
		if m.In == of.Name {
			addresses = append(addresses, m.Address)
		}
	}
	return addresses
}

// ledgerIndex is the ledger by what is asked of it.
type ledgerIndex struct {
	Rows    []LedgerRow
	managed map[string][]Row // by kind; of this cluster, confirmed, and not recreated by hand
	ours    map[Object]bool  // those of managed
	intents []LedgerRow
}

// Ledger answers what was read of the ledger.
func (s *Cluster) Ledger() *ledgerIndex {
	return compute(s, "ledger", s.Cluster, s.indexLedger)
}

func (s *Cluster) indexLedger() *ledgerIndex {
	l := &ledgerIndex{Rows: s.ledgerRows(), managed: map[string][]Row{}, ours: map[Object]bool{}}
	for _, r := range l.Rows {
		switch {
		case !s.ClusterAddress.Contains(r.Address):
		case r.Intent != "":
			l.intents = append(l.intents, r)
		case !s.Recreated(r):
			l.managed[r.Kind] = append(l.managed[r.Kind], r.Row)
			l.ours[r.Object] = true
		}
	}
	return l
}
