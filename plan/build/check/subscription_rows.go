package check

import (
	"fmt"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// The rows that a table has before it is copied. They may be the publisher's own, other
// publishers' or the subscriber's: a table that several fill is never to be emptied, and
// a row filter tells whose they are. COPY stops at the first key that exists, and is
// tried again forever (PostgreSQL docs, 29.2.1 "Initial Data Synchronization").

// checkRows refuses a copy into a table that has rows, unless the row filter shows that
// none of them is the publisher's, or the user has said that they stay.
func checkRows(v *cluster.Subscription, name topology.TableName, local *facts.Table, out *draft.Findings) {
	if !v.CopyData || !local.Rows {
		return
	}
	filter, found := v.Remote.RowFilter(v.Subscription, name), v.Local.Overlap(v.ID, name)
	apart := filter != "" && found != nil && found.Error == "" && !found.Rows
	if apart || v.CopyMerge {
		checkMerge(v, name, local, filter, out)
		return
	}
	out.Fail(v.Range, "Table with existing rows", "%s would copy into %s on %s, which contains rows%s: a key that already exists stops the copy. %s",
		v.ID, name, v.Scope.Leading().Name, whoseRows(v, name, filter, found), wayForRows(v, name, filter))
}

// whoseRows says what is known of the rows of a table.
func whoseRows(v *cluster.Subscription, name topology.TableName, filter string, found *facts.Overlap) string {
	text := ""
	switch {
	case filter == "" || found == nil:
	case found.Error != "":
		text = " (whether any of them match its row filter is unknown: " + found.Error + ")"
	case found.Rows:
		text = " that match its row filter"
	}
	if others := v.Fillers(name); len(others) > 0 {
		text += ", also of " + words.Few(others)
	}
	return text
}

// wayForRows says what can be done about the rows of a table, by who fills it.
func wayForRows(v *cluster.Subscription, name topology.TableName, filter string) string {
	first := ""
	if v.Remade() && v.Is.Options.Enabled { // what it still receives would be there before the copy
		first = "First run ALTER SUBSCRIPTION " + pg.Ident(v.Is.Name) + " DISABLE in database " + pg.Ident(v.Database) + ". "
	}
	const merge = "if no key exists on both sides, set copy_data = \"merge\""
	switch {
	case filter != "":
		return first + "If they came from " + v.Source.Leading().Name + " and may be copied again, delete them:\n  " + cluster.DeleteSQL(name, filter) + "\nIf they are the publisher's and complete, set copy_data = false; " + merge + "."
	case len(v.Fillers(name)) > 0:
		return first + "Do not truncate it: give the table a row filter (where) in " + v.Publications[0].ID + ", so that repltool can distinguish its rows from others; or, " + merge + "."
	}
	return first + "If nothing else writes to it and its rows may be copied again, truncate it (TRUNCATE " + cluster.TableIdent(name) + "); if they are the publisher's and complete, set copy_data = false; " + merge + "."
}

// checkMerge warns where a copy into a table with rows may meet a key that exists.
func checkMerge(v *cluster.Subscription, name topology.TableName, local *facts.Table, filter string, out *draft.Findings) {
	columns := cluster.ColumnsIn(filter, local)
	if len(columns) > 0 && len(list.Without(columns, local.IdentityColumns)) == 0 {
		return // rows that the filter tells apart have different keys
	}
	why := "no row filter distinguishes its rows from others by their key"
	if filter != "" {
		why = fmt.Sprintf("its key (%s) does not contain all columns of the row filter (%s)", strings.Join(local.IdentityColumns, ", "), filter)
	}
	out.Warn(v.Range, "Initial table copy into a table with rows",
		"%s copies into %s on %s, in addition to the rows that are there, and %s: a key that already exists stops "+
			"the copy. Compare the keys before you apply.",
		v.ID, name, v.Scope.Leading().Name, why)
}
