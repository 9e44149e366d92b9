// Package postgres is a server: connect, ask, execute. It decides nothing.
//
// Rules:
//   - everything goes over the simple protocol: a string is what the server gets,
//     and several statements in one are one transaction;
//   - what is read is read in one query (read.go), one file for each kind;
//   - a reading session sets nothing, so that pg_settings tells the server's
//     values; a writing one waits for no standby;
//   - secrets are topology.Secret from the moment they are decoded.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/providers/conninfo"
	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/topology"
)

// DialFunc opens a Unix socket, perhaps on another machine.
type DialFunc func(ctx context.Context, socket string) (net.Conn, error)

// Target is where to connect, and as whom.
type Target struct {
	SocketDir   string
	Port        int
	User        string
	Database    string
	Application string // application_name; "" is repltool
	Reading     bool   // a session that only reads: nothing is set in it
}

// DB is one session. It serves one caller at a time.
type DB struct{ conn *pgconn.PgConn }

// Connect opens a session over a Unix socket, by peer authentication.
func Connect(ctx context.Context, dial DialFunc, t Target) (*DB, error) {
	text := conninfo.Format([]conninfo.Pair{
		{Key: "host", Value: t.SocketDir}, {Key: "port", Value: strconv.Itoa(t.Port)}, {Key: "user", Value: t.User},
		{Key: "dbname", Value: t.Database}, {Key: "sslmode", Value: "disable"},
	})
	config, err := pgconn.ParseConfig(text)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	config.Password, config.Fallbacks = "", nil // nothing from this process's environment
	config.DialFunc = func(ctx context.Context, _, socket string) (net.Conn, error) { return dial(ctx, socket) }
	return open(ctx, config, t)
}

// ConnectTCP opens a session as a node's sql block says.
func ConnectTCP(ctx context.Context, s *topology.SQL, t Target) (*DB, error) {
	var pairs []conninfo.Pair
	for _, p := range []conninfo.Pair{
		{Key: "service", Value: s.Service}, {Key: "host", Value: s.Host}, {Key: "user", Value: s.User},
		{Key: "password", Value: s.Password.Reveal()}, {Key: "passfile", Value: s.Passfile}, {Key: "dbname", Value: t.Database},
		{Key: "sslmode", Value: s.SSLMode}, {Key: "sslrootcert", Value: s.SSLRootCert},
	} {
		if p.Value != "" {
			pairs = append(pairs, p)
		}
	}
	if s.Port != 0 {
		pairs = append(pairs, conninfo.Pair{Key: "port", Value: strconv.Itoa(s.Port)})
	}
	config, err := pgconn.ParseConfig(conninfo.Format(pairs))
	if err != nil {
		return nil, fmt.Errorf("connect: the sql block: %w", err)
	}
	return open(ctx, config, t)
}

func open(ctx context.Context, config *pgconn.Config, t Target) (*DB, error) {
	config.RuntimeParams = map[string]string{"application_name": t.Application, "client_encoding": "UTF8"}
	if t.Application == "" {
		config.RuntimeParams["application_name"] = "repltool"
	}
	if !t.Reading {
		for name, value := range map[string]string{
			"synchronous_commit": "local", "standard_conforming_strings": "on", "search_path": "pg_catalog",
			"statement_timeout": "0", "lock_timeout": "60s", "DateStyle": "ISO",
		} {
			config.RuntimeParams[name] = value
		}
	}
	conn, err := pgconn.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return &DB{conn: conn}, nil
}

// Exec runs statements as one string.
func (db *DB) Exec(ctx context.Context, sql string) error {
	_, err := db.conn.Exec(ctx, sql).ReadAll()
	return err
}

// Rows runs statements as one string and answers the rows of the last; NULL is nil.
func (db *DB) Rows(ctx context.Context, sql string) ([][]*string, error) {
	results, err := db.conn.Exec(ctx, sql).ReadAll()
	if err != nil || len(results) == 0 {
		return nil, err
	}
	var rows [][]*string
	for _, raw := range results[len(results)-1].Rows {
		row := make([]*string, len(raw))
		for i, field := range raw {
			if field != nil {
				text := string(field)
				row[i] = &text
			}
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// Closed tells whether the session is gone.
func (db *DB) Closed() bool { return db.conn.IsClosed() }

// Close ends the session.
func (db *DB) Close(ctx context.Context) error { return db.conn.Close(ctx) }

// Kind classifies an error of this package.
func Kind(err error) facts.ErrorKind {
	var pg *pgconn.PgError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &pg) && (pg.Code == "28000" || pg.Code == "28P01"):
		return facts.AuthFailed
	case errors.As(err, &pg) && pg.Code == "42501":
		return facts.NoPrivilege
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return facts.TimedOut
	default:
		return facts.ReadFailed
	}
}

// Hint is what the user can do about an error of Connect; "" for nothing known.
func Hint(err error, user string) string {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return ""
	}
	switch pg.Code {
	case "28000", "28P01":
		return fmt.Sprintf("repltool logs in over the Unix socket by peer authentication: pg_hba.conf needs\n  local  all  %s  peer\nor give the node an sql block", user)
	case "57P03":
		return "the server is starting up or shutting down: try again in a moment"
	case "53300":
		return "all connections are in use: raise superuser_reserved_connections or end some"
	default:
		return ""
	}
}

// Permanent tells whether asking again cannot help: the statement itself was
// refused, by a server that was up.
func Permanent(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && pg.Code[:2] != "57" && pg.Code[:2] != "53" && pg.Code[:2] != "08" && pg.Code[:2] != "40"
}
