package e2e

import (
	"strings"
	"time"
)

// Tests ask the servers themselves, by psql on the host's own socket.

// server is one of several servers on the lab's hosts: host 1, port 5433, database shop.
type server struct {
	host, port int
	database   string
}

// ask asks a server.
func (w *world) ask(s server, query string) string {
	w.t.Helper()
	out, err := w.host(s.host).SQLOn(w.t.Context(), s.port, s.database, query)
	if err != nil {
		w.t.Fatalf("%v: %s: %v", s, query, err)
	}
	return strings.TrimSpace(out)
}

// reaches asks until the answer is that, for at most a minute: a loaded machine takes its
// time.
func (w *world) reaches(s server, query, want string) {
	w.t.Helper()
	var got string
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); time.Sleep(100 * time.Millisecond) {
		if got = w.ask(s, query); got == want {
			return
		}
	}
	log := w.exec(s.host, "sh", "-c", "tail -qn 30 /var/log/postgresql/*.log")
	w.t.Errorf("%v: %s\n got %q\nwant %q\nthe logs of its host end with\n%s", s, query, got, want, log)
}

// sql asks the server of host i on the usual port.
func (w *world) sql(i int, query string) string {
	w.t.Helper()
	return w.ask(server{i, 5432, "postgres"}, query)
}

func (w *world) expect(i int, query, want string) {
	w.t.Helper()
	w.reaches(server{i, 5432, "postgres"}, query, want)
}

// in asks it in one database.
func (w *world) in(i int, database, query string) string {
	w.t.Helper()
	return w.ask(server{i, 5432, database}, query)
}

func (w *world) expectIn(i int, database, query, want string) {
	w.t.Helper()
	w.reaches(server{i, 5432, database}, query, want)
}

// at asks the server on that port, one statement after the other.
func (w *world) at(i, port int, database string, statements ...string) string {
	w.t.Helper()
	out := ""
	for _, sql := range statements {
		out = w.ask(server{i, port, database}, sql)
	}
	return out
}
