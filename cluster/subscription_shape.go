package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/topology"
)

// A table on both sides: the subscriber's must have what is published. What PostgreSQL
// refuses at once is an error; what stops replication only once certain rows come is
// a warning (PostgreSQL docs, 29.2 "Subscription" and 29.1.1 "Replica Identity").

// Mismatch is why changes to a published table are not, or may not be, applied on the
// subscriber.
type Mismatch struct {
	Summary, Detail string
	Kind            MismatchKind
	Certain         bool // else it stops replication only once certain rows come
}

// MismatchKind is what does not match; Summary has it in words, which may change.
type MismatchKind int

// Kinds of mismatches.
const (
	MismatchedRelation MismatchKind = iota // what the subscriber has is no table
	MismatchedColumn                       // a column is missing, or takes no value
	MismatchedType
	MismatchedValue // a column gets no value and must have one
	MismatchedKey   // rows cannot be found
	MismatchedRule  // the subscriber refuses what the publisher accepts
)

type mismatches []Mismatch

func (m *mismatches) problem(kind MismatchKind, summary, format string, args ...any) {
	*m = append(*m, Mismatch{summary, fmt.Sprintf(format, args...), kind, true})
}

func (m *mismatches) caution(kind MismatchKind, summary, format string, args ...any) {
	*m = append(*m, Mismatch{summary, fmt.Sprintf(format, args...), kind, false})
}

// TableMismatches compares the columns of a table on both sides: those published must be there.
func (v *Subscription) TableMismatches(name topology.TableName, local *facts.Table) []Mismatch {
	var out mismatches
	here := v.Scope.Leading().Name
	if local.Kind != "r" && local.Kind != "p" {
		out.problem(MismatchedRelation, "Not a table", "%s: %s on %s is a %s: only tables can be replicated into.", v.ID, name, here, RelationKind(local.Kind))
		return out
	}
	published := v.PublishedColumns(name, v.Remote.Table(name))
	var lacks, computed, differs, made []string
	for _, c := range published {
		mine := Column(local, c.Name)
		switch {
		case mine == nil:
			lacks = append(lacks, c.Name)
		case mine.Generated:
			computed = append(computed, c.Name)
		case mine.Type != c.Type:
			differs = append(differs, c.Name+" is "+c.Type+" there and "+mine.Type+" here")
		default:
			if what := differentlyMade(c, *mine); what != "" {
				made = append(made, what)
			}
		}
	}
	if len(lacks) > 0 {
		out.problem(MismatchedColumn, "Table definition mismatch", "%s: table %s on %s lacks %s, which is published. It has %s; the publication has %s.",
			v.ID, name, here, strings.Join(lacks, ", "), Shape(local.Columns), Shape(published))
	}
	if len(computed) > 0 {
		out.problem(MismatchedColumn, "Table definition mismatch", "%s: %s of table %s is generated on %s and published: PostgreSQL writes no value into a generated column. "+
			"Exclude it with columns, or make it a regular column there.",
			v.ID, strings.Join(computed, ", "), name, here)
	}
	if len(made) > 0 {
		out.caution(MismatchedType, "Column type mismatch", "%s: table %s: %s. A value that does not fit stops replication. Alter the type on %s.", v.ID, name, strings.Join(made, "; "), here)
	}
	v.checkFilled(name, local, published, &out)
	v.checkKey(name, local, &out)
	v.checkRules(name, local, published, &out)
	v.checkTruncate(name, local, &out)
	if len(differs) == 0 {
		return out
	}
	if v.Options.Binary != nil && *v.Options.Binary {
		out.problem(MismatchedType, "Table definition mismatch", "%s: table %s: column %s; with binary = true, the types must be identical.", v.ID, name, strings.Join(differs, ", "))
	} else {
		out.caution(MismatchedType, "Column type mismatch", "%s: table %s: column %s. A value that does not fit stops replication.", v.ID, name, strings.Join(differs, ", "))
	}
	return out
}

// differentlyMade says in what two types of one name differ, or "": labels that an enum type
// lacks here, and constraints of a domain or columns of a composite type that are others.
func differentlyMade(there, here facts.Column) string {
	switch lacks := list.Without(there.Enum, here.Enum); {
	case len(lacks) > 0:
		return "enum type " + there.Type + " of column " + there.Name + " lacks " + words.Few(quoted(lacks)) + " here"
	case there.Made != here.Made:
		return "type " + there.Type + " of column " + there.Name + " is (" + there.Made + ") there and (" + here.Made + ") here"
	}
	return ""
}

func quoted(labels []string) []string {
	var all []string
	for _, label := range labels {
		all = append(all, pg.Literal(label))
	}
	return all
}

// checkFilled warns of columns that must have a value and get none, unless a trigger of
// the subscriber's may give it.
func (v *Subscription) checkFilled(name topology.TableName, local *facts.Table, published []facts.Column, out *mismatches) {
	if local.Fills {
		return
	}
	var empty []string
	for _, c := range local.Columns {
		sent := slices.ContainsFunc(published, func(p facts.Column) bool { return p.Name == c.Name })
		if c.NotNull && !c.Default && !c.Generated && !sent {
			empty = append(empty, c.Name)
		}
	}
	if len(empty) > 0 {
		out.caution(MismatchedValue, "Column without a value", "%s: %s of table %s on %s is NOT NULL, has no default and is not published: the first replicated row stops "+
			"replication. Add a default.",
			v.ID, strings.Join(empty, ", "), name, v.Scope.Leading().Name)
	}
}

// checkKey warns of a table in which the subscriber would not find the row that was
// updated or deleted: it needs a key of columns that the publisher sends of the old row.
// Of a partitioned table the keys of its partitions are looked at, which hold the rows. Others
// than these are not looked for where the identity is FULL or NOTHING.
func (v *Subscription) checkKey(name topology.TableName, local *facts.Table, out *mismatches) {
	remote := v.Remote.Table(name)
	changes := slices.ContainsFunc(v.Publications, func(p *topology.Publication) bool { return ChangesRows(p) && Member(p, remote) })
	if !changes || len(remote.IdentityColumns) == 0 || remote.Identity == "f" {
		return
	}
	for _, carrier := range v.Local.Carriers(local) {
		if carrier.Kind != "r" || carrier.Identity != "d" && carrier.Identity != "i" || identifies(carrier, remote) {
			continue
		}
		out.caution(MismatchedKey, "No usable replica identity on the subscriber",
			"%s: table %s on %s has no primary key or replica identity within the columns by which %s identifies its "+
				"rows (%s): the first UPDATE or DELETE stops replication. Create one there.",
			v.ID, carrier.Table, v.Scope.Leading().Name, v.Source.Leading().Name, strings.Join(remote.IdentityColumns, ", "))
	}
}

// checkRules warns of what the subscriber refuses and the publisher accepts: constraints and
// unique indexes that only the subscriber has. Those that are about columns that are not
// published are the subscriber's own.
func (v *Subscription) checkRules(name topology.TableName, local *facts.Table, published []facts.Column, out *mismatches) {
	remote := v.Remote.Table(name)
	if remote == nil {
		return
	}
	var more []string
	for _, c := range published {
		if mine := Column(local, c.Name); mine != nil && mine.NotNull && !c.NotNull {
			more = append(more, c.Name+" NOT NULL")
		}
	}
	for _, rule := range list.Without(local.Rules, remote.Rules) {
		own := func(column string) bool {
			return !slices.ContainsFunc(published, func(c facts.Column) bool { return c.Name == column })
		}
		if !implied(rule, remote.Rules) && !slices.ContainsFunc(ColumnsIn(rule, local), own) {
			more = append(more, rule)
		}
	}
	if len(more) > 0 {
		here := v.Scope.Leading().Name
		out.caution(MismatchedRule, "Constraint only on the subscriber", "%s: table %s on %s has %s, but not on %s: a row that violates it stops replication. Drop it on %s, or add it on %s.",
			v.ID, name, here, words.Few(more), v.Source.Leading().Name, here, v.Source.Leading().Name)
	}
}

// implied reports whether a unique index holds wherever some of others does: those of fewer
// columns are stricter, and a condition only makes one weaker.
func implied(rule string, others []string) bool {
	columns, is := uniqueColumns(rule)
	return is && slices.ContainsFunc(others, func(other string) bool {
		fewer, is := uniqueColumns(other)
		return is && !strings.Contains(other, ") WHERE ") && len(list.Without(fewer, columns)) == 0
	})
}

// uniqueColumns returns the columns of a rule that is a unique index.
func uniqueColumns(rule string) (columns []string, is bool) {
	inner, is := strings.CutPrefix(rule, "UNIQUE (")
	inner, _, _ = strings.Cut(inner, ") WHERE ")
	return strings.Split(strings.TrimSuffix(inner, ")"), ", "), is
}

// checkTruncate warns of foreign keys of the subscriber's alone: the publisher truncates a table
// without the one that references it, and PostgreSQL refuses that here.
func (v *Subscription) checkTruncate(name topology.TableName, local *facts.Table, out *mismatches) {
	remote := v.Remote.Table(name)
	truncates := slices.ContainsFunc(v.Publications, func(p *topology.Publication) bool {
		return p.Publishes("truncate") && remote != nil && Member(p, remote)
	})
	if !truncates {
		return
	}
	if only := list.Without(local.Referenced, remote.Referenced); len(only) > 0 {
		here := v.Scope.Leading().Name
		out.caution(MismatchedRule, "Foreign key only on the subscriber", "%s: on %s, %s references %s, and on %s it does not: a TRUNCATE of %s there stops replication. Drop the foreign key, or do not publish truncate.",
			v.ID, here, words.FewTables(only), name, v.Source.Leading().Name, name)
	}
}

// identifies reports whether the key of a subscriber's table is within the columns that are
// sent of the old row.
func identifies(local, remote *facts.Table) bool {
	return len(local.IdentityColumns) > 0 && len(list.Without(local.IdentityColumns, remote.IdentityColumns)) == 0
}
