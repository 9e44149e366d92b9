// Package postgres talks to PostgreSQL: it connects, asks, reads and executes. It
// decides nothing.
//
// Rules:
//   - a statement goes over the simple protocol, so that several of them in one
//     string are one transaction, as the server has it; what is asked with a text of
//     the topology's goes over the extended one, which takes a single statement;
//   - all that a reading needs of a server comes with one query, however many
//     objects there are; the ledger, where there is one, takes a second. A database's
//     logical replication is another query, in a session of its own;
//   - one file a kind: the part of that query that asks about it, and what makes
//     facts of the answer. What versions differ in is absorbed there: whole rows
//     travel as JSON, and what a version does not have is the zero value;
//   - no error and no log line holds the text of a statement: it may hold a secret.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/topology"
)

// DialFunc opens a Unix socket, perhaps one of another machine.
type DialFunc func(ctx context.Context, socketPath string) (net.Conn, error)

// Target is a server's Unix socket, and as whom and where to log in.
type Target struct {
	SocketDir string
	Port      int
	User      string
	Database  string
	// Application is the session's application_name; "" is repltool.
	Application string
	// Reading asks for a session that only reads: nothing is set in it that
	// pg_settings would then tell in place of the server's own values.
	Reading bool
	// Unlimited asks, in a session that reads, for no time limits but the caller's: those that
	// it replaces are taken from the files, then (facts.InForce).
	Unlimited bool
	// ReadOnly asks for a session that writes nothing, and waits for no lock for long.
	ReadOnly bool
}

// Path is the socket's file.
func (t Target) Path() string { return path.Join(t.SocketDir, ".s.PGSQL."+strconv.Itoa(t.Port)) }

// Connect logs in over a Unix socket, without a password and without TLS: the
// server must trust the OS user that dial connects as. Nothing of the caller's
// PG* variables counts.
func Connect(ctx context.Context, dial DialFunc, t Target) (*DB, error) {
	op := fmt.Sprintf("connect to %s as %s", t.Path(), t.User)
	config, err := socketConfig(t)
	if err != nil {
		return nil, wrap(op, err)
	}
	config.DialFunc = func(ctx context.Context, _, _ string) (net.Conn, error) { return dial(ctx, t.Path()) }
	return open(ctx, op, config)
}

// socketConfig is made from a text without input and then filled, so that no name
// can be taken for something else.
func socketConfig(t Target) (*pgconn.Config, error) {
	config, err := pgconn.ParseConfig("host=/ port=5432 user=postgres dbname=postgres sslmode=disable passfile=/dev/null " +
		"target_session_attrs=any min_protocol_version=3.0 max_protocol_version=3.0 require_auth='' connect_timeout=0")
	if err != nil {
		return nil, err
	}
	config.Host, config.Port, config.User, config.Database = t.SocketDir, uint16(t.Port), t.User, t.Database
	config.Password = ""
	config.RuntimeParams = session(t)
	return config, nil
}

// ConnectTCP logs in as a topology's sql block says, to t's database; the rest of t
// that reports the socket does not count. What the block leaves open is found as
// psql finds it: PG* variables, the service file, ~/.pgpass.
func ConnectTCP(ctx context.Context, s *topology.SQL, t Target) (*DB, error) {
	pairs := []conninfo.Pair{{Key: "dbname", Value: t.Database}}
	for _, p := range []conninfo.Pair{
		{Key: "host", Value: s.Host},
		{Key: "user", Value: s.User},
		{Key: "sslmode", Value: s.SSLMode},
		{Key: "sslrootcert", Value: s.SSLRootCert},
		{Key: "service", Value: s.Service},
		{Key: "passfile", Value: s.Passfile},
	} {
		if p.Value != "" {
			pairs = append(pairs, p)
		}
	}
	if s.Port != 0 {
		pairs = append(pairs, conninfo.Pair{Key: "port", Value: strconv.Itoa(s.Port)})
	}
	config, err := pgconn.ParseConfig(conninfo.Format(pairs)) // the password is not in it: errors quote the text
	if err != nil {
		return nil, wrap("connect as the sql block says", err)
	}
	if s.Password.IsSet() {
		config.Password = s.Password.Reveal()
	}
	maps.Copy(config.RuntimeParams, session(t))
	return open(ctx, fmt.Sprintf("connect to %s as %s", net.JoinHostPort(config.Host, strconv.Itoa(int(config.Port))), config.User), config)
}

// session are the settings of a session, whatever the server, the database or the
// role says. Each is one that all of PostgreSQL 13 to 18 know: an unknown one would
// be fatal.
func session(t Target) map[string]string {
	settings := map[string]string{
		"application_name": t.Application,
		"client_encoding":  "UTF8",
		"search_path":      "pg_catalog", // nobody else's function or operator runs as us
		"role":             "none",       // what the role is, not what it is set to

		"default_transaction_isolation": "read committed", // a standby refuses "serializable"
	}
	if t.Application == "" {
		settings["application_name"] = "repltool"
	}
	if !t.Reading || t.Unlimited {
		maps.Copy(settings, limits())
	}
	if !t.Reading {
		maps.Copy(settings, writing())
	}
	if t.ReadOnly {
		maps.Copy(settings, readOnly())
	}
	return settings
}

// limits are the time limits of our sessions, whatever the site has for its clients.
func limits() map[string]string {
	return map[string]string{
		"statement_timeout":                   "0",   // the context limits
		"lock_timeout":                        "30s", // rather fail than queue in front of others
		"idle_in_transaction_session_timeout": "0",
	}
}

// readOnly are the settings of a session that asks about tables.
func readOnly() map[string]string {
	return map[string]string{
		"default_transaction_read_only": "on",
		"statement_timeout":             "20s",
		"lock_timeout":                  "5s", // a size is asked of a table, and someone may rewrite it
		"jit":                           "off",
	}
}

// writing are the settings of sessions that change something.
func writing() map[string]string {
	return map[string]string{
		"synchronous_commit":            "local", // no commit of ours waits for a standby
		"default_transaction_read_only": "off",
		"standard_conforming_strings":   "on", // what quotes literals rests on it
		"client_min_messages":           "warning",
		"datestyle":                     "ISO, YMD",
		"intervalstyle":                 "postgres",
		"timezone":                      "UTC",
	}
}

// newerTimeouts turns off the time limits that not every version knows, for a session that
// stays: one that holds a lock is idle for as long as an apply takes.
func newerTimeouts(version string, config *pgconn.Config) string {
	if config.RuntimeParams["synchronous_commit"] == "" || config.RuntimeParams["default_transaction_read_only"] == "on" { // it reads, and ends
		return ""
	}
	if end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 { // 15.18, 18beta1
		version = version[:end]
	}
	major, _ := strconv.Atoi(version)
	var sets []string
	if major >= 14 {
		sets = append(sets, "SET idle_session_timeout = 0")
	}
	if major >= 17 {
		sets = append(sets, "SET transaction_timeout = 0")
	}
	return strings.Join(sets, "; ")
}

func open(ctx context.Context, op string, config *pgconn.Config) (*DB, error) {
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, loginError(op, config.User, err)
	}
	db := &DB{conn: conn}
	if sql := newerTimeouts(conn.ParameterStatus("server_version"), config); sql != "" {
		if err := db.Exec(ctx, sql); err != nil {
			return nil, errors.Join(wrap(op, err), db.Close())
		}
	}
	return db, nil
}
