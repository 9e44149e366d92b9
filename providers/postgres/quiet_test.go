package postgres_test

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/pgtest"
)

// A server that logs everything keeps no statement with a secret, also of one that fails
// and of a role that may not switch logging off as a whole; the next statement is logged.
func TestExecSecret(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{Conf: []string{
		"logging_collector = on", "log_directory = 'log'", "log_filename = 'all.log'", "log_min_messages = debug1",
		"log_statement = all", "log_min_duration_statement = 0", "log_duration = on", "debug_print_parse = on", "debug_pretty_print = off",
	}})
	db := open(t, s, target(s))
	secret := "canary-of-quiet"
	if err := db.ExecSecret(t.Context(), "CREATE ROLE app; ALTER ROLE app SET app.token = '"+secret+"'"); err != nil {
		t.Fatal(err)
	}
	shown := s.Query(t, "SELECT string_agg(query, ' ') FROM pg_stat_activity WHERE application_name = 'repltool'")[0][0]
	if strings.Contains(shown, secret) {
		t.Errorf("pg_stat_activity shows it: %s", shown)
	}
	if err := db.ExecSecret(t.Context(), "ALTER ROLE nobody SET app.token = '"+secret+"'"); err == nil {
		t.Error("no error of a role that is not there")
	}
	if err := db.Exec(t.Context(), "SELECT 'logged again'"); err != nil {
		t.Fatal(err)
	}
	log := s.Query(t, "SELECT pg_read_file('log/all.log')")[0][0]
	if strings.Contains(log, secret) {
		t.Errorf("the log has it: %s", log[strings.Index(log, secret)-200:])
	}
	if !strings.Contains(log, "statement: SELECT 'logged again'") {
		t.Error("the log has lost the next statement")
	}
	s.Query(t, "CREATE ROLE plain LOGIN CREATEROLE")
	other := target(s)
	other.User = "plain"
	if err := open(t, s, other).ExecSecret(t.Context(), "CREATE ROLE more"); err != nil {
		t.Errorf("a role that may set none of it: %v", err)
	}
}
