package postgres

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// The extended protocol: one statement at a time, and texts that others wrote cannot
// bring a second one along.

// version returns the server's major version, which it tells at login.
func (d *DB) version() int {
	version := d.conn.ParameterStatus("server_version")
	end := strings.IndexFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(version)
	}
	n, _ := strconv.Atoi(version[:end]) // a server that does not tell is 0
	return n
}

// parametrized runs a query with one parameter and returns its one value. Like
// document it asks for bytes as they are where they are no UTF-8.
func (d *DB) parametrized(ctx context.Context, sql string, parameter []byte) (string, error) {
	text, err := d.query(ctx, sql, parameter)
	if pg := serverError(err); pg == nil || pg.Code != badEncoding {
		return text, err
	}
	if err := d.Exec(ctx, "SET client_encoding = SQL_ASCII"); err != nil {
		return "", err
	}
	return d.query(ctx, sql, parameter)
}

func (d *DB) query(ctx context.Context, sql string, parameter []byte) (string, error) {
	result := d.conn.ExecParams(ctx, sql, [][]byte{parameter}, nil, nil, nil).Read()
	if result.Err != nil {
		return "", wrap("query", result.Err)
	}
	return oneValue(result.Rows)
}

func oneValue(rows [][][]byte) (string, error) {
	if len(rows) != 1 || len(rows[0]) != 1 || rows[0][0] == nil {
		return "", wrap("query", errors.New("the server did not return exactly one value"))
	}
	return string(rows[0][0]), nil
}

// answer is what one of several statements came to.
type answer struct {
	text string
	err  error
}

// each runs statements that stand each for itself, in one round trip, and returns
// the one value of each. One that fails stops no other.
func (d *DB) each(ctx context.Context, statements []string) []answer {
	if len(statements) == 0 {
		return nil
	}
	pipe := d.conn.StartPipeline(ctx)
	for _, sql := range statements {
		pipe.SendQueryParams(sql, nil, nil, nil, nil)
		pipe.SendPipelineSync()
	}
	broken := pipe.Flush()
	all := make([]answer, len(statements))
	for i := range all {
		if broken == nil {
			all[i], broken = nextAnswer(pipe)
		}
		if broken != nil {
			all[i].err = wrap("query", broken)
		}
	}
	_ = pipe.Close() // what went wrong was told by the answers
	return all
}

// nextAnswer reads what one statement came to, up to its end. An error that the
// server did not say of that statement breaks the session.
func nextAnswer(pipe *pgconn.Pipeline) (a answer, broken error) {
	for {
		result, err := pipe.GetResults()
		if rows, ok := result.(*pgconn.ResultReader); ok {
			read := rows.Read()
			if err = read.Err; err == nil {
				a.text, a.err = oneValue(read.Rows)
			}
		}
		switch {
		case err != nil && serverError(err) == nil:
			return a, err
		case err != nil:
			a.err = wrap("query", err)
		case result == nil:
			return a, errors.New("the server did not answer every statement")
		}
		if _, ok := result.(*pgconn.PipelineSync); ok {
			return a, nil
		}
	}
}
