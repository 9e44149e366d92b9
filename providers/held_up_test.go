package providers

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pgtest"
	"github.com/repltool/repltool/topology"
)

// held counts the sessions of readings that have not ended.
const held = `SELECT count(*) FROM pg_stat_activity WHERE application_name = 'repltool' AND state = 'active' AND query LIKE 'WITH wal%'`

// A FIFO that is included holds up no session where the machine is looked at first. Where only
// SQL reaches the server, the reading ends in its time, and a session that does not end is the last one.
func TestHeldUp(t *testing.T) {
	s := pgtest.Start(t, pgtest.Options{})
	fifo := filepath.Join(s.DataDir, "x")
	s.Run(t, "/usr/bin/mkfifo", fifo)
	s.Append(t, "postgresql.conf", "include 'x'")

	n := inspectOne(t, open(t, single(node("pg1", s)), nil))
	if n.Error == nil || n.Error.Kind != facts.BadData || !strings.Contains(n.Error.Text, fifo) || n.Server != nil {
		t.Fatalf("%+v", n.Error)
	}
	if got := s.Query(t, held)[0][0]; got != "0" {
		t.Fatalf("%s sessions of a reading are held up", got)
	}

	away := &topology.Node{Name: "pg1", Access: topology.AccessSQL, Port: s.Port}
	away.SQL = &topology.SQL{Host: "127.0.0.1", Port: s.Port, User: s.User, SSLMode: "disable"}
	for _, says := range []string{"", "has not ended since", "has not ended since"} {
		n := open(t, single(away), nil).Inspect(t.Context(), InspectOptions{Timeout: 3 * time.Second}).Nodes["pg1"]
		if e := n.ServerError; e == nil || says == "" && e.Kind != facts.TimedOut || !strings.Contains(e.Text, says) {
			t.Fatalf("%+v, not %q", e, says)
		}
		if got := s.Query(t, held)[0][0]; got != "1" {
			t.Fatalf("%s sessions of a reading are held up", got)
		}
	}

	if out, err := exec.Command("timeout", "10", "sh", "-c", `echo >"$1"`, "sh", fifo).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if err := os.Remove(fifo); err != nil {
		t.Fatal(err)
	}
	s.Write(t, "x", "work_mem = '5MB'\n")
	for s.Query(t, held)[0][0] != "0" {
		time.Sleep(10 * time.Millisecond)
	}
	if n := inspectOne(t, open(t, single(away), nil)); n.Server == nil {
		t.Fatalf("%+v", n.ServerError)
	}
}
