package postgres_test

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/providers/postgres"
)

func open(t testing.TB, s *pgtest.Server, database string) *postgres.DB {
	t.Helper()
	db, err := postgres.Connect(context.Background(), s.Dial, postgres.Target{SocketDir: s.SocketDir, Port: s.Port, User: s.User, Database: database})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func read(t testing.TB, s *pgtest.Server) *facts.Server {
	t.Helper()
	db := open(t, s, "postgres")
	server, err := postgres.Read(context.Background(), db)
	if err != nil {
		t.Fatal(err)
	}
	return server
}

func TestQuick(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	db := open(t, s, "postgres")
	for range 5 {
		at := time.Now()
		server, err := postgres.Read(context.Background(), db)
		if err != nil {
			t.Fatal(err)
		}
		t.Log(time.Since(at))
		server.Settings = nil
		b, _ := json.MarshalIndent(server, "", " ")
		_ = b
	}
	server := read(t, s)
	server.Settings = nil
	b, _ := json.MarshalIndent(server, "", " ")
	t.Log(string(b))
}
