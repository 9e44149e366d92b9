package host_test

import (
	"net"
	"strconv"
	"testing"

	"github.com/repltool/repltool/facts"
)

// What a copy fills: links of the data directory, others, and what cannot be moved.
func TestDiscoverDirs(t *testing.T) {
	m := newMachine(t)
	m.run("sh", "-c", `cd "$1" && mkdir -p data/pg_tblspc wal ts/PG_15_1 shared/PG_15_1 shared/PG_14_1 real full wal.repltool-old &&
		ln -s "$1/wal" data/pg_wal && ln -s "$1/ts" data/pg_tblspc/1 && ln -s "$1/shared" data/pg_tblspc/2 && ln -s real link && touch full/x`, "sh", m.dir)
	w := m.want()
	w.Dirs = []string{m.dir + "/ts", m.dir + "/link", m.dir + "/full", m.dir + "/a b/c"}
	got := m.discover(w).Dirs
	for i := range got {
		got[i].Disk = facts.Disk{}
	}
	check(t, "directories", got, []facts.Dir{
		{Path: m.dir + "/data", State: facts.DataForeign},
		{Path: m.dir + "/wal", State: facts.DataEmpty, Link: "pg_wal", Aside: true},
		{Path: m.dir + "/ts", State: facts.DataForeign, Link: "pg_tblspc/1"},
		{Path: m.dir + "/shared", State: facts.DataForeign, Link: "pg_tblspc/2", Pinned: "it holds more than the tablespace of this cluster"},
		{Path: m.dir + "/link", State: facts.DataEmpty, Pinned: "it is a symbolic link"},
		{Path: m.dir + "/full", State: facts.DataForeign},
		{Path: m.dir + "/a b/c", State: facts.DataAbsent},
	})
	m.run("mv", m.dir+"/data", m.dir+"/data.repltool-old")
	h := m.discover(w)
	check(t, "aside", h.Aside, true)
	check(t, "what was aside", h.AsideDirs, []string{m.dir + "/wal", m.dir + "/ts", m.dir + "/shared"})
}

// The upstream is tried where a copy is to be made, and not by who follows it.
func TestDiscoverUpstream(t *testing.T) {
	m := newMachine(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := m.want()
	w.UpstreamHost, w.UpstreamPort = "127.0.0.1", listener.Addr().(*net.TCPAddr).Port
	check(t, "reached", m.discover(w).UpstreamError, "")
	listener.Close()
	check(t, "closed", m.discover(w).UpstreamError, "Connection refused")
	m.initdb()
	check(t, "follows nobody", m.discover(w).UpstreamError, "Connection refused")
	m.run("sh", "-c", `echo "primary_conninfo = 'user=r host=127.0.0.1 port=$2'" >>"$1/data/postgresql.auto.conf"`, "sh", m.dir, strconv.Itoa(w.UpstreamPort))
	check(t, "follows it", m.discover(w).UpstreamError, "")
}
