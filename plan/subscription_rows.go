package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// The rows that a table has before it is copied. They may be the publisher's own, other
// publishers' or the subscriber's: a table that several fill is never to be emptied, and
// a row filter tells whose they are. COPY stops at the first key that exists, and is
// tried again for ever (PostgreSQL docs, 29.2.1 "Initial Data Synchronization").

// checkRows refuses a copy into a table that has rows, unless the row filter shows that
// none of them is the publisher's, or the user has said that they stay.
func (v *subscription) checkRows(name topology.TableName, local *facts.Table, out *findings) {
	if !v.CopyData || !local.Rows {
		return
	}
	filter, found := v.remote.RowFilter(v.Subscription, name), v.local.Overlap(v.ID, name)
	apart := filter != "" && found != nil && found.Error == "" && !found.Rows
	if apart || v.CopyMerge {
		v.checkMerge(name, local, filter, out)
		return
	}
	out.fail(v.Range, "Table has rows already", "%s would copy into %s on %s, which has rows%s: a key that exists stops the copy. %s",
		v.ID, name, v.scope.cluster.Primary.Name, v.whoseRows(name, filter, found), v.wayForRows(name, filter))
}

// whoseRows says what is known of the rows of a table.
func (v *subscription) whoseRows(name topology.TableName, filter string, found *facts.Overlap) string {
	text := ""
	switch {
	case filter == "" || found == nil:
	case found.Error != "":
		text = " (whether any of them match its row filter is unknown: " + found.Error + ")"
	case found.Rows:
		text = " that match its row filter"
	}
	if others := v.fillers(name); len(others) > 0 {
		text += ", also of " + few(others)
	}
	return text
}

// wayForRows says what can be done about the rows of a table, by who fills it.
func (v *subscription) wayForRows(name topology.TableName, filter string) string {
	first := ""
	if v.remade() && v.is.Options.Enabled { // what it still receives would be there before the copy
		first = "First run ALTER SUBSCRIPTION " + ident(v.is.Name) + " DISABLE in database " + ident(v.Database) + ". "
	}
	const merge = "if no key exists on both sides, write copy_data = \"merge\""
	switch {
	case filter != "":
		return first + "If they came from " + v.publisher.cluster.Primary.Name + " and may be copied again, delete them:\n  " + deleteSQL(name, filter) + "\nIf they are the publisher's and complete, write copy_data = false; " + merge + "."
	case len(v.fillers(name)) > 0:
		return first + "Do not empty it: give the table a row filter (where) in " + v.Publications[0].ID + ", by which repltool tells its rows from others; or, " + merge + "."
	}
	return first + "If nothing else writes to it and its rows may be copied again, empty it (TRUNCATE " + tableIdent(name) + "); if they are the publisher's and complete, write copy_data = false; " + merge + "."
}

// checkMerge warns where a copy into a table with rows may meet a key that exists.
func (v *subscription) checkMerge(name topology.TableName, local *facts.Table, filter string, out *findings) {
	columns := columnsIn(filter, local)
	if len(columns) > 0 && len(without(columns, local.IdentityColumns)) == 0 {
		return // rows that the filter tells apart have different keys
	}
	why := "no row filter tells its rows from those of others by their key"
	if filter != "" {
		why = fmt.Sprintf("its key (%s) does not have all columns of the row filter (%s)", strings.Join(local.IdentityColumns, ", "), filter)
	}
	out.warn(v.Range, "Initial table copy into a table with rows",
		"%s copies into %s on %s beside the rows that are there, and %s: a key that exists stops the copy. Compare the keys before you apply.",
		v.ID, name, v.scope.cluster.Primary.Name, why)
}

// fillers answers the other subscriptions of the database that fill a table.
func (v *subscription) fillers(name topology.TableName) []string {
	if v.local == nil {
		return nil
	}
	var all []string
	for _, is := range v.local.Subscriptions {
		if is.Name == v.Name || is.Name == v.renamed {
			continue
		}
		if slices.ContainsFunc(is.Tables, func(t facts.SubscribedTable) bool { return t.Table == name }) {
			all = append(all, "subscription "+ident(is.Name))
		}
	}
	return all
}

func deleteSQL(name topology.TableName, filter string) string {
	return "DELETE FROM " + tableIdent(name) + " WHERE " + filter + ";"
}

// copyAgain says how to copy all tables of a subscription again, without the loss of
// rows that it did not bring.
func (v *subscription) copyAgain() string {
	var deletes, shared, whole []string
	for _, name := range v.publishedTables() {
		switch filter := v.remote.RowFilter(v.Subscription, name); {
		case filter != "":
			deletes = append(deletes, deleteSQL(name, filter))
		case len(v.fillers(name)) > 0:
			shared = append(shared, name.String())
		default:
			whole = append(whole, name.String())
		}
	}
	here := v.scope.cluster.Primary.Name
	text := "To fix: delete the rows that came by it from its tables on " + here + ", then copy them again with -replace=" + v.ID + "."
	if len(whole) > 0 {
		text += "\nEmpty " + few(whole) + " if nothing else writes to them."
	}
	if len(shared) > 0 {
		text += "\nOther subscriptions fill " + few(shared) + ": do not empty them; delete only the rows of " + v.publisher.cluster.Primary.Name + ", and write copy_data = \"merge\"."
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
