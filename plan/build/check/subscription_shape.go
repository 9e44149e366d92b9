package check

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// A table on both sides: the subscriber's must have what is published. What PostgreSQL
// refuses at once is an error; what stops replication only once certain rows come is
// a warning (PostgreSQL docs, 29.2 "Subscription" and 29.1.1 "Replica Identity").

// CheckShape compares the columns of a table: those published must be there.
func CheckShape(v *cluster.Subscription, name topology.TableName, local *facts.Table, out *draft.Findings) {
	here := v.Scope.Cluster.Primary.Name
	if local.Kind != "r" && local.Kind != "p" {
		out.Fail(v.Range, "Not a table", "%s: %s on %s is a %s: only tables can be replicated into.", v.ID, name, here, cluster.RelationKind(local.Kind))
		return
	}
	published := v.PublishedColumns(name, v.Remote.Table(name))
	var lacks, computed, differs []string
	for _, c := range published {
		mine := cluster.Column(local, c.Name)
		switch {
		case mine == nil:
			lacks = append(lacks, c.Name)
		case mine.Generated:
			computed = append(computed, c.Name)
		case mine.Type != c.Type:
			differs = append(differs, c.Name+" is "+c.Type+" there and "+mine.Type+" here")
		}
	}
	if len(lacks) > 0 {
		out.Fail(v.Range, "Table definition mismatch", "%s: table %s on %s lacks %s, which is published. It has %s; the publication has %s.",
			v.ID, name, here, strings.Join(lacks, ", "), cluster.Shape(local.Columns), cluster.Shape(published))
	}
	if len(computed) > 0 {
		out.Fail(v.Range, "Table definition mismatch", "%s: %s of table %s is generated on %s and published: PostgreSQL writes no value into a generated column. "+
			"Exclude it with columns, or make it a regular column there.",
			v.ID, strings.Join(computed, ", "), name, here)
	}
	checkFilled(v, name, local, published, out)
	checkKey(v, name, local, out)
	if len(differs) == 0 {
		return
	}
	if v.Options.Binary != nil && *v.Options.Binary {
		out.Fail(v.Range, "Table definition mismatch", "%s: table %s: column %s; with binary = true, the types must be identical.", v.ID, name, strings.Join(differs, ", "))
	} else {
		out.Warn(v.Range, "Column type mismatch", "%s: table %s: column %s. A value that does not fit stops replication.", v.ID, name, strings.Join(differs, ", "))
	}
}

// checkFilled warns of columns that must have a value and get none, unless a trigger of
// the subscriber's may give it.
func checkFilled(v *cluster.Subscription, name topology.TableName, local *facts.Table, published []facts.Column, out *draft.Findings) {
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
		out.Warn(v.Range, "Column without a value", "%s: %s of table %s on %s is NOT NULL, has no default and is not published: the first replicated row stops "+
			"replication. Add a default.",
			v.ID, strings.Join(empty, ", "), name, v.Scope.Cluster.Primary.Name)
	}
}

// checkKey warns of a table in which the subscriber would not find the row that was
// updated or deleted: it needs a key of columns that the publisher sends of the old row.
// Partitions have keys of their own, and others than these are not looked for where
// the identity is FULL or NOTHING.
func checkKey(v *cluster.Subscription, name topology.TableName, local *facts.Table, out *draft.Findings) {
	remote := v.Remote.Table(name)
	changes := slices.ContainsFunc(v.Publications, func(p *topology.Publication) bool { return cluster.ChangesRows(p) && cluster.Member(p, remote) })
	if !changes || len(remote.IdentityColumns) == 0 || local.Kind == "p" || remote.Identity == "f" || local.Identity != "d" && local.Identity != "i" {
		return
	}
	found := len(local.IdentityColumns) > 0
	for _, c := range local.IdentityColumns {
		found = found && slices.Contains(remote.IdentityColumns, c)
	}
	if !found {
		out.Warn(v.Range, "No usable replica identity on the subscriber",
			"%s: table %s on %s has no primary key or replica identity within the columns by which %s identifies its "+
				"rows (%s): the first UPDATE or DELETE stops replication. Create one there.",
			v.ID, name, v.Scope.Cluster.Primary.Name, v.Source.Cluster.Primary.Name, strings.Join(remote.IdentityColumns, ", "))
	}
}
