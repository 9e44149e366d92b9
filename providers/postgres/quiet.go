package postgres

import (
	"context"
	"strings"
)

// A statement that holds a secret is kept out of what the server writes down and shows: the
// log (log_statement, durations, the statement of an error), pg_stat_activity, and the
// statistics and audit logs of extensions. The server looks at these settings when a string
// arrives, so they are set by one before it, and reset after it: what repltool does
// otherwise stays in the log. What the role may not set, or the server does not have, is
// left as it is.

// quietSettings are those settings, by name and value.
func quietSettings() []string {
	return []string{
		"log_statement=none", "log_min_duration_statement=-1", "log_min_duration_sample=-1", "log_transaction_sample_rate=0",
		"log_min_error_statement=panic", "track_activities=off",
		"debug_print_parse=off", "debug_print_rewritten=off", "debug_print_plan=off",
		"pg_stat_statements.track=none", "pgaudit.log=none", "auto_explain.log_min_duration=-1",
	}
}

// quietly is a statement that does something for each of those settings that are there: s
// is its name and value.
func quietly(do string) string {
	return "DO $$DECLARE s text[]; BEGIN\n" +
		"  FOR s IN SELECT string_to_array(x, '=') FROM unnest('{" + strings.Join(quietSettings(), ",") + "}'::text[]) x LOOP\n" +
		"    CONTINUE WHEN current_setting(s[1], true) IS NULL;\n" +
		"    BEGIN " + do + "; EXCEPTION WHEN insufficient_privilege THEN NULL; END;\n" +
		"  END LOOP;\nEND$$"
}

// ExecSecret is Exec for statements that hold secrets.
func (d *DB) ExecSecret(ctx context.Context, sql string) error {
	if err := d.Exec(ctx, quietly("PERFORM set_config(s[1], s[2], false)")); err != nil {
		return err
	}
	err := d.Exec(ctx, sql)
	if d.Usable() && d.Exec(ctx, quietly("EXECUTE 'RESET ' || s[1]")) != nil {
		_ = d.Close() // it would log nothing of what comes next
	}
	return err
}
