package objects

import (
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Parameters of a role or a database (ALTER ROLE, ALTER DATABASE … SET). Each that
// repltool sets has a row of its own in the ledger: one that leaves the topology is
// reset then, and one that somebody else set is left alone.

func roleParameters(r *topology.Role) cluster.OwnParameters {
	return cluster.OwnParameters{Kind: "role", Name: r.Name, Wanted: r.Parameters}
}

func databaseParameters(db *topology.Database) cluster.OwnParameters {
	return cluster.OwnParameters{Kind: "database", Name: db.Name, Wanted: db.Parameters}
}

// alter begins the statement that changes the object.
func alter(o cluster.OwnParameters) string {
	return "ALTER " + strings.ToUpper(o.Kind) + " " + pg.Ident(o.Name)
}

func parameterRow(s *cluster.Cluster, o cluster.OwnParameters, parameter string) cluster.Row {
	kind := o.Kind + "_parameter"
	return cluster.Row{Address: s.Address(kind, parameter+" "+o.Name), Object: cluster.Object{Kind: kind, Name: parameter, In: o.Name}}
}

// rowsOf are the ledger's rows of a new object, first, and of its parameters.
func rowsOf(s *cluster.Cluster, address topology.Address, o cluster.OwnParameters) []cluster.Row {
	rows := []cluster.Row{{Address: address, Object: cluster.Object{Kind: o.Kind, Name: o.Name}}}
	for _, name := range o.Wanted.Names() {
		rows = append(rows, parameterRow(s, o, name))
	}
	return rows
}

// setParameters adds the parameters of an object that is new; its rows are written.
func setParameters(s *cluster.Cluster, d *draft.Draft, b *plan.TextBuilder, o cluster.OwnParameters) {
	for _, name := range o.Wanted.Names() {
		setParameter(d, b, o, name, nil)
	}
}

// alterParameters adds what sets and resets the parameters of an object as found.
func alterParameters(s *cluster.Cluster, d *draft.Draft, b *plan.TextBuilder, o cluster.OwnParameters, found topology.Parameters) {
	var ours []cluster.Row
	var set []string
	for _, name := range o.Wanted.Names() {
		if current, is := found[name]; !is || !s.SameParameter(name, current.Value, o.Wanted[name]) {
			ours, set = append(ours, parameterRow(s, o, name)), append(set, name)
		}
	}
	if ours != nil {
		b.Statement(cluster.Record(ours...))
	}
	for _, name := range set {
		var before *string
		if current, is := found[name]; is {
			before = &current.Value
		}
		setParameter(d, b, o, name, before)
	}
	resetParameters(s, d, b, o, found)
}

// resetParameters takes back what repltool set and the topology no longer has.
func resetParameters(s *cluster.Cluster, d *draft.Draft, b *plan.TextBuilder, o cluster.OwnParameters, found topology.Parameters) {
	var gone []topology.Address
	for _, m := range s.Managed(o.Kind + "_parameter") {
		if _, wanted := o.Wanted[m.Name]; wanted || m.In != o.Name {
			continue
		}
		gone = append(gone, m.Address)
		if current, set := found[m.Name]; set {
			d.Differ("parameters."+m.Name, &current.Value, nil, "not in the topology any more")
			b.Statement(alter(o), " RESET ", pg.ParameterName(m.Name), ";")
		}
	}
	if gone != nil {
		b.Statement(cluster.Forget(gone...))
	}
}

// leftParameters takes back parameters of objects that left the topology and stay,
// since they were there before repltool.
func leftParameters(s *cluster.Cluster, kind string, out *draft.Findings) {
	done := map[string]bool{}
	for _, m := range s.Managed(kind + "_parameter") {
		name := m.In
		if done[name] || wants(s, kind, name) || s.IsOurs(cluster.Object{Kind: kind, Name: name}) {
			continue
		}
		done[name] = true
		d := draft.NewDraft(plan.Update, s.Address(kind, name), s.Goal.Primary)
		d.Needs = []topology.Address{s.LedgerAddress()}
		d.Reason = "not in the topology any more; it existed before repltool, which resets what it set"
		if parametersFound(s, kind, name) == nil {
			d.Reason = "it no longer exists; only its row in the ledger is left"
		}
		var b plan.TextBuilder
		resetParameters(s, d, &b, cluster.OwnParameters{Kind: kind, Name: name}, parametersFound(s, kind, name))
		d.Alter(s.Goal.Primary, b.Done())
		out.Put(d)
	}
}

func wants(s *cluster.Cluster, kind, name string) bool {
	if kind == "role" {
		return s.Cluster.Role(name) != nil
	}
	return s.Cluster.Database(name) != nil
}

func parametersFound(s *cluster.Cluster, kind, name string) topology.Parameters {
	if r := s.Live().Role(name); kind == "role" && r != nil {
		return r.Parameters
	}
	if db := s.Live().Database(name); kind == "database" && db != nil {
		return db.Parameters
	}
	return nil
}

// setParameter adds one ALTER … SET.
func setParameter(d *draft.Draft, b *plan.TextBuilder, o cluster.OwnParameters, name string, before *string) {
	p := o.Wanted[name]
	after := p.Value
	if p.Secret.IsSet() {
		after = topology.Redacted
		if before != nil {
			before = plan.Ptr(topology.Redacted)
		}
	}
	d.Differ("parameters."+name, before, &after, "")
	b.Statement(alter(o), " SET ", pg.ParameterName(name), " = ")
	if p.Secret.IsSet() {
		b.Secret(p.Secret, plan.FormLiteral)
	} else {
		b.Write(setValue(name, p.Value))
	}
	b.Write(";")
}

// setValue writes the value of ALTER … SET. Of a parameter that is a list of
// names, each is a literal of its own: one literal would be one name.
func setValue(name, value string) string {
	if !pg.IsNameList(name) {
		return pg.Literal(value)
	}
	return pg.Literals(pg.SplitNames(name, value))
}
