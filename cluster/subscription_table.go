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

// WantsEnabled reports whether it is to be enabled, where that is not to be left as it is.
func (v *Subscription) WantsEnabled() bool {
	if v.Is != nil && v.Lifecycle.Ignores("enabled") {
		return v.Is.Options.Enabled
	}
	return v.Options.Enabled
}

// TableChanges returns the tables to add and to remove.
func (v *Subscription) TableChanges() (come, gone []topology.TableName) {
	if v.Source == nil || v.Remote == nil {
		return nil, nil // what is published outside of the topology only the server sees
	}
	wanted, has := v.PublishedTables(), v.Subscribed()
	return list.Without(wanted, has), list.Without(has, wanted)
}

// ComeBack returns the tables that left its publications and that this plan publishes again:
// it is subscribed to them all along, so that nothing copies what was written meanwhile.
func (v *Subscription) ComeBack() []topology.TableName {
	if v.Is == nil || v.Remade() || v.Remote == nil {
		return nil
	}
	now, ok := v.publishedNow()
	if !ok {
		return nil // it stands still
	}
	has := list.SetOf(v.Subscribed())
	return list.Kept(list.Without(v.PublishedTables(), now), func(t topology.TableName) bool { return has[t] })
}

// publishedNow returns what the publications that it lists come to on the publisher; false
// where one of them is not there, and the subscription stands still for that. PostgreSQL 18 only
// warns in its log, and sends the rest.
func (v *Subscription) publishedNow() (now []topology.TableName, ok bool) {
	for _, name := range v.Is.Publications {
		p := v.Remote.Publication(name)
		if p == nil && v.Source.AtLeast(18) {
			continue
		}
		if p == nil {
			return nil, false
		}
		now = append(now, v.Remote.Published(&p.Publication)...)
	}
	return now, true
}

// Standing reports whether it exists, and is published to already what it is to receive:
// what speaks against its tables came about on the servers, not by the topology.
func (v *Subscription) Standing() bool {
	if v.Is == nil || v.Remade() || v.Remote == nil || !list.SameSet(v.Is.Publications, v.Names()) {
		return false
	}
	now, ok := v.publishedNow()
	return ok && len(list.Without(v.PublishedTables(), now)) == 0
}

// CopyOneAgain says how to copy one table again, by who fills it.
func (v *Subscription) CopyOneAgain(name topology.TableName) string {
	rows := "delete the rows that it copied from " + name.String() + " (all, if nothing else writes to it)"
	if filter := v.Remote.RowFilter(v.Subscription, name); filter != "" {
		rows = DeleteSQL(name, filter)
	} else if len(v.Fillers(name)) > 0 {
		rows = "delete the rows of " + v.Source.Leading().Name + " from " + name.String() + ", which other subscriptions fill too, and set copy_data = \"merge\""
	}
	return "To fix: remove it from the publication and apply. On " + v.Scope.Leading().Name + " " + rows + ". Add it again and apply: it is copied again."
}

// Subscribed returns the tables that it has.
func (v *Subscription) Subscribed() []topology.TableName {
	if v.Is == nil {
		return nil
	}
	var all []topology.TableName
	for _, t := range v.Is.Tables {
		all = append(all, t.Table)
	}
	return all
}

func TableDelta(come, gone []topology.TableName) string {
	var parts []string
	for _, part := range []struct {
		sign   string
		tables []topology.TableName
	}{{"+", come}, {"-", gone}} {
		var names []string
		for _, t := range part.tables {
			names = append(names, part.sign+t.String())
		}
		parts = append(parts, words.Few(names))
	}
	return pg.Join(parts...)
}

// PublishedColumns are the columns of a table that some publication sends.
func (v *Subscription) PublishedColumns(name topology.TableName, remote *facts.Table) []facts.Column {
	if remote == nil {
		return nil
	}
	var all []facts.Column
	for _, c := range remote.Columns {
		if v.publishesColumn(name, remote, c) {
			all = append(all, c)
		}
	}
	return all
}

func (v *Subscription) publishesColumn(name topology.TableName, remote *facts.Table, c facts.Column) bool {
	for _, p := range v.Publications {
		if !Member(p, remote) {
			continue
		}
		if t := p.Table(name); t == nil || len(t.Columns) == 0 {
			if !c.Generated || !c.Virtual && v.publishesGenerated(p) {
				return true
			}
		} else if slices.Contains(t.Columns, c.Name) {
			return true
		}
	}
	return false
}

// publishesGenerated reports whether a publication sends stored generated columns that no
// list of columns names.
func (v *Subscription) publishesGenerated(p *topology.Publication) bool {
	wanted := p.GeneratedColumns
	if is := v.Remote.Publication(p.Name); is != nil && (wanted == "" || p.Lifecycle.Ignores("publish_generated_columns")) {
		wanted = is.GeneratedColumns
	}
	return wanted == topology.GeneratedStored
}

func Shape(columns []facts.Column) string {
	var all []string
	for _, c := range columns {
		all = append(all, c.Name+" "+c.Type)
	}
	return "(" + strings.Join(all, ", ") + ")"
}

// Fillers returns the other subscriptions of the database that fill a table.
func (v *Subscription) Fillers(name topology.TableName) []string {
	if v.Local == nil {
		return nil
	}
	var all []string
	for _, is := range v.Local.Subscriptions {
		if is.Name == v.Name || is.Name == v.Renamed {
			continue
		}
		if slices.ContainsFunc(is.Tables, func(t facts.SubscribedTable) bool { return t.Table == name }) {
			all = append(all, "subscription "+pg.Ident(is.Name))
		}
	}
	return all
}

func DeleteSQL(name topology.TableName, filter string) string {
	return "DELETE FROM " + TableIdent(name) + " WHERE " + filter + ";"
}

// CopyAgain says how to copy all tables of a subscription again, without the loss of
// rows that it did not bring.
func (v *Subscription) CopyAgain() string {
	var deletes, shared, whole []string
	for _, name := range v.PublishedTables() {
		switch filter := v.Remote.RowFilter(v.Subscription, name); {
		case filter != "":
			deletes = append(deletes, DeleteSQL(name, filter))
		case len(v.Fillers(name)) > 0:
			shared = append(shared, name.String())
		default:
			whole = append(whole, name.String())
		}
	}
	here := v.Scope.Leading().Name
	text := "To fix: delete the rows that it copied from its tables on " + here + ", then copy them again with -replace=" + v.ID + "."
	if len(whole) > 0 {
		text += "\nTruncate " + words.Few(whole) + " if nothing else writes to them."
	}
	if len(shared) > 0 {
		text += "\nOther subscriptions also write to " + words.Few(shared) + ": do not truncate them; delete only the rows of " + v.Source.Leading().Name + ", and set copy_data = \"merge\"."
	}
	const most = 5
	for i, sql := range deletes {
		if i == most {
			text += fmt.Sprintf("\nand %d more", len(deletes)-most)
			break
		}
		text += "\n  " + sql
	}
	return text
}
