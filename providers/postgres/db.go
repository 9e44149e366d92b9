package postgres

import (
	"context"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// DB is one session. Its methods must not be called side by side.
type DB struct {
	conn *pgconn.PgConn
}

// closeLimit is how long the goodbye may take.
const closeLimit = 2 * time.Second

// Exec runs statements. Several in one string are one transaction; one that cannot
// run in a transaction (CREATE DATABASE) must stand alone. When ctx ends, the
// statement is canceled on the server and the session is closed.
func (d *DB) Exec(ctx context.Context, sql string) error {
	_, err := d.conn.Exec(ctx, sql).ReadAll()
	return wrap("execute", err)
}

// Rows runs statements as Exec does and returns the rows of the last one that has
// any columns. A NULL is nil.
func (d *DB) Rows(ctx context.Context, sql string) ([][]*string, error) {
	return rows(ctx, d, sql, func(value []byte) *string {
		if value == nil {
			return nil
		}
		return new(string(value))
	})
}

// Query is Rows with "" for NULL.
func (d *DB) Query(ctx context.Context, sql string) ([][]string, error) {
	return rows(ctx, d, sql, func(value []byte) string { return string(value) })
}

func rows[T any](ctx context.Context, d *DB, sql string, of func([]byte) T) ([][]T, error) {
	found, err := d.lastRows(ctx, sql)
	if err != nil {
		return nil, err
	}
	all := make([][]T, len(found))
	for i, row := range found {
		for _, value := range row {
			all[i] = append(all[i], of(value))
		}
	}
	return all, nil
}

func (d *DB) lastRows(ctx context.Context, sql string) ([][][]byte, error) {
	results, err := d.conn.Exec(ctx, sql).ReadAll()
	if err != nil {
		return nil, wrap("query", err)
	}
	for i := len(results) - 1; i >= 0; i-- {
		if len(results[i].FieldDescriptions) > 0 {
			return results[i].Rows, nil
		}
	}
	return nil, nil
}

// value runs a query and returns its one value.
func (d *DB) value(ctx context.Context, sql string) (string, error) {
	found, err := d.lastRows(ctx, sql)
	if err != nil {
		return "", err
	}
	return oneValue(found)
}

// Ping asks the server for a sign of life.
func (d *DB) Ping(ctx context.Context) error { return wrap("ping", d.conn.Ping(ctx)) }

// Usable reports whether the session is open and in no transaction, as far as this
// side knows.
func (d *DB) Usable() bool { return !d.conn.IsClosed() && d.conn.TxStatus() == 'I' }

// Close ends the session.
func (d *DB) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	return wrap("close", d.conn.Close(ctx))
}
