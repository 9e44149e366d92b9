package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"strings"
	"syscall"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"

	"github.com/repltool/repltool/facts"
)

// Error is what PostgreSQL refused, or why it could not be asked.
type Error struct {
	Kind facts.ErrorKind
	Op   string // what was tried: "connect to /run/postgresql/.s.PGSQL.5432 as postgres"
	Err  error  // the cause; a *pgconn.PgError is in it where the server said it
	Hint string // what the user can do, or what the server proposes
}

// Error tells operation and cause.
func (e *Error) Error() string { return e.Op + ": " + cause(e.Err) }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// HintText returns the HINT that the server gave, or "".
func (e *Error) HintText() string {
	if pg := serverError(e.Err); pg != nil {
		return short(pg.Hint)
	}
	return ""
}

// Permanent reports whether doing the same again fails in the same way: the statement
// itself is wrong, or is not allowed.
func (e *Error) Permanent() bool {
	pg := serverError(e.Err)
	if pg == nil || len(pg.Code) < 2 {
		return false
	}
	if noHotStandby(pg) || lacksLocale(pg) {
		return true
	}
	switch pg.Code[:2] {
	case "0A", "22", "42":
		return true
	}
	return false
}

// noHotStandby recognizes a standby that accepts no connections for as long as it is one.
func noHotStandby(pg *pgconn.PgError) bool {
	return pg.Code == "57P03" && pg.Detail == "Hot standby mode is disabled."
}

// lacksLocale recognizes a database whose locale the machine does not have: the error has
// no code of its own, and its detail names the C function in every language.
func lacksLocale(pg *pgconn.PgError) bool {
	return pg.Code == "XX000" && strings.Contains(pg.Detail, "setlocale()")
}

// ReadError says what err is in the words of facts; nil for an error that did not
// come from PostgreSQL or from the way to it.
func ReadError(err error) *facts.ReadError {
	var e *Error
	if !errors.As(err, &e) {
		return nil
	}
	return &facts.ReadError{Kind: e.Kind, Text: e.Error(), Hint: e.Hint}
}

// wrap classifies an error; nil for nil.
func wrap(op string, err error) error {
	if err == nil {
		return nil
	}
	e := &Error{Kind: kindOf(err), Op: op, Err: err}
	if pg := serverError(err); pg != nil {
		e.Kind, e.Hint = classify(pg)
	}
	return e
}

// Answered recognizes an error that a server itself has answered.
func Answered(err error) bool { return serverError(err) != nil }

// serverError returns what the server itself said, or nil.
func serverError(err error) *pgconn.PgError {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg
	}
	return nil
}

// cause reports an error without pgconn's own preambles: what the server said, with
// its detail, or what the system said of the socket, which Op names already.
func cause(err error) string {
	var errno syscall.Errno
	var connect *pgconn.ConnectError
	pg := serverError(err)
	switch {
	case pg != nil && pg.Detail != "":
		return fmt.Sprintf("%s (SQLSTATE %s): %s", short(pg.Message), pg.Code, strings.ReplaceAll(short(pg.Detail), "\n", "; "))
	case pg != nil:
		return fmt.Sprintf("%s (SQLSTATE %s)", short(pg.Message), pg.Code)
	case foreignBytes(err):
		return "what came over the connection is not PostgreSQL's protocol: the login shell there, or a program that it starts, prints into the session"
	case errors.As(err, &errno):
		return errno.Error()
	case errors.Is(err, fs.ErrNotExist):
		return syscall.ENOENT.Error()
	case errors.Is(err, fs.ErrPermission):
		return syscall.EACCES.Error()
	case errors.As(err, &connect) && connect.Unwrap() != nil:
		return connect.Unwrap().Error()
	}
	return err.Error()
}

// mostText is what is shown of one text of a server's: an error may quote a whole value.
const mostText = 1000

func short(text string) string {
	if len(text) <= mostText {
		return text
	}
	return strings.ToValidUTF8(text[:mostText], "") + fmt.Sprintf(" … (%d bytes in all)", len(text))
}

// foreignBytes recognizes an answer that is no message of the protocol.
func foreignBytes(err error) bool {
	var tooLong *pgproto3.ExceededMaxBodyLenErr
	return errors.As(err, &tooLong) || strings.Contains(err.Error(), "invalid body length") || strings.Contains(err.Error(), "unknown message type")
}

// classify says what a server's refusal means for a reading (PostgreSQL docs,
// appendix A "PostgreSQL Error Codes").
func classify(pg *pgconn.PgError) (facts.ErrorKind, string) {
	switch {
	case noHotStandby(pg):
		return facts.ReadFailed, "The server replays WAL and accepts no connections before a promotion. Set hot_standby = on in its " +
			"postgresql.conf, or remove the line, and restart the server by hand."
	case lacksLocale(pg):
		return facts.ReadFailed, "Install the locale on that host (package locales or a language pack; localedef), and restart the server by " +
			"hand."
	}
	switch pg.Code {
	case "28000", "28P01":
		return facts.AuthFailed, pg.Hint
	case "57P03", "57P01", "57P02", "57P05":
		return facts.Unreachable, "Wait until the server accepts connections."
	case "53300":
		return facts.Unreachable, "Close a connection, or raise max_connections or superuser_reserved_connections."
	case "3D000":
		return facts.ReadFailed, "Create the database: repltool keeps its ledger there."
	case "42501":
		return facts.NoPrivilege, "repltool must connect as a superuser: through the OS user that owns the data directory, or with sql { user " +
			"= … }."
	case "57014", "55P03":
		return facts.TimedOut, pg.Hint
	}
	return facts.ReadFailed, pg.Hint
}

// loginError is wrap with what can be done about a login that was refused.
func loginError(op, user string, err error) error {
	wrapped := wrap(op, err)
	var e *Error
	pg := serverError(err)
	switch {
	case pg == nil || !errors.As(wrapped, &e):
	case e.Kind == facts.AuthFailed:
		e.Hint = loginHint(pg, user)
	case pg.Code == "55000": // ALLOW_CONNECTIONS false
		e.Hint = "Allow connections to that database: from another one, such as template1, run ALTER DATABASE … ALLOW_CONNECTIONS true."
	}
	return wrapped
}

func loginHint(pg *pgconn.PgError, user string) string {
	rule := fmt.Sprintf("repltool connects over the Unix socket with peer authentication. Begin pg_hba.conf with\n"+
		"  local  all  %s  peer\nand reload, or add an sql block to the node.", user)
	switch message := strings.ToLower(pg.Message); {
	case strings.HasPrefix(message, "peer authentication failed"):
		return "Peer authentication requires an OS user and a role of the same name, or a map in pg_ident.conf."
	case strings.HasSuffix(message, "does not exist"), strings.Contains(message, "not permitted to log in"):
		return fmt.Sprintf("The name of the superuser differs from the OS user's. Create a superuser %s, set os_user, or add an sql "+
			"block to the node.", user)
	default:
		return rule
	}
}

// kindOf classifies what went wrong on the way to the server.
func kindOf(err error) facts.ErrorKind {
	var ne net.Error
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &ne) && ne.Timeout():
		return facts.TimedOut
	case errors.Is(err, fs.ErrPermission):
		return facts.NoPrivilege
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.ECONNRESET),
		errors.Is(err, syscall.EPIPE), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.As(err, &ne):
		return facts.Unreachable
	}
	return facts.ReadFailed
}
