package scram_test

import (
	"context"
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/internal/pgtest"
)

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// server makes verifiers of passwords as PostgreSQL does.
type server struct {
	*pgtest.Server
	conn *pgconn.PgConn
}

func start(t testing.TB) server {
	t.Helper()
	s := pgtest.Start(t, pgtest.Options{HBA: "local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n"})
	conn, err := pgconn.Connect(context.Background(), fmt.Sprintf("host=%s port=%d user=%s dbname=postgres", s.SocketDir, s.Port, s.User))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return server{s, conn}
}

// stored returns what the server makes of each password.
func (s server) stored(t testing.TB, method string, passwords []string) []string {
	t.Helper()
	var verifiers []string
	for len(passwords) > 0 {
		n := min(len(passwords), 100)
		var sql strings.Builder
		fmt.Fprintf(&sql, "SET log_statement = none; SET password_encryption = %s; BEGIN;\n", literal(method))
		for i, p := range passwords[:n] {
			fmt.Fprintf(&sql, "CREATE ROLE r%d PASSWORD %s;\n", i, literal(p))
		}
		sql.WriteString("SELECT rolpassword FROM pg_authid WHERE rolname ~ '^r[0-9]+$' ORDER BY substr(rolname, 2)::int; ROLLBACK")
		results, err := s.conn.Exec(context.Background(), sql.String()).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range results[len(results)-2].Rows {
			verifiers = append(verifiers, string(row[0]))
		}
		passwords = passwords[n:]
	}
	return verifiers
}

// random makes a password of what hurts: runes from everywhere, most of them from
// where the tables of SASLprep have their edges.
func random(r *mathrand.Rand) string {
	var b strings.Builder
	for range 1 + r.IntN(6) {
		var c rune
		switch r.IntN(6) {
		case 0:
			c = rune(' ' + r.IntN(95))
		case 1:
			c = rune(0x80 + r.IntN(0x700))
		case 2:
			c = rune(0x2000 + r.IntN(0x200))
		case 3:
			c = rune(r.IntN(0x10000))
		case 4:
			c = rune(0xF900 + r.IntN(0x700))
		default:
			c = rune(r.IntN(0x110000))
		}
		if c != 0 && utf8.ValidRune(c) {
			b.WriteRune(c)
		}
	}
	return "p" + b.String()
}

// TestAgainstTheServer has the server make verifiers of passwords and checks each
// as that password's. Directions and what is mapped are tried alone, too.
func TestAgainstTheServer(t *testing.T) {
	s := start(t)
	r := mathrand.New(mathrand.NewPCG(1, 2))
	all := scram.Passwords()
	for range 500 {
		p := random(r)
		if r.IntN(2) == 0 && len(p) > 1 {
			p = p[1:]
		}
		all = append(all, p)
	}
	wrong := 0
	for i, v := range s.stored(t, "scram-sha-256", all) {
		if !scram.Matches(v, "", all[i]) {
			wrong++
			t.Errorf("%q (%U): the server makes another one", all[i], []rune(all[i]))
		}
		if wrong > 20 {
			t.FailNow()
		}
	}
	for i, v := range s.stored(t, "md5", all[:50]) {
		if !strings.HasPrefix(v, "md5") || !scram.Matches(v, fmt.Sprint("r", i), all[i]) || scram.Matches(v, "r", all[i]) {
			t.Errorf("%q: %s", all[i], v)
		}
	}
}

// TestLogin stores our verifiers and logs in with the passwords over TCP, by libpq.
func TestLogin(t *testing.T) {
	s := start(t)
	var sql strings.Builder
	for i, p := range scram.Passwords() {
		v, err := scram.Verifier(p, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&sql, "CREATE ROLE \"u%d\" LOGIN PASSWORD %s;\n", i, literal(v))
	}
	s.Query(t, sql.String()+"SELECT 1")
	for i, p := range scram.Passwords() {
		s.Write(t, "passfile", "*:*:*:*:"+strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(p)+"\n")
		text := fmt.Sprintf("host=127.0.0.1 port=%d user=u%d dbname=postgres passfile=%s/passfile", s.Port, i, s.DataDir)
		if got := s.Run(t, "psql", "-XAtw", "-d", text, "-c", "SELECT current_user"); got != fmt.Sprintf("u%d\n", i) {
			t.Errorf("%q: %s", p, got)
		}
	}
}
