package host_test

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/providers/host/local"
	"github.com/repltool/repltool/topology"
)

// machine is this one, as a user whom PostgreSQL accepts.
type machine struct {
	t    *testing.T
	conn host.Conn
	dir  string // his
	bin  string
	port int
}

func newMachine(t *testing.T) *machine {
	t.Helper()
	bins, _ := filepath.Glob("/usr/lib/postgresql/*/bin/postgres")
	more, _ := filepath.Glob("/usr/pgsql-*/bin/postgres")
	if bins = append(bins, more...); len(bins) == 0 {
		t.Fatal("PostgreSQL is not installed")
	}
	c, err := local.Open(&topology.Node{Name: "pg1"})
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	m := &machine{t: t, conn: c, bin: filepath.Dir(bins[len(bins)-1]), port: l.Addr().(*net.TCPAddr).Port}
	m.dir = strings.TrimSpace(m.run("mktemp", "-d", "/tmp/rtXXXXXX"))
	t.Cleanup(func() { os.RemoveAll(m.dir) })
	return m
}

func (m *machine) run(argv ...string) string {
	m.t.Helper()
	out, err := m.conn.Run(m.t.Context(), host.Command{Argv: argv})
	if err != nil {
		m.t.Fatal(err)
	}
	return string(out)
}

func (m *machine) want() host.Want {
	return host.Want{NodeName: "pg1", Port: m.port, DataDir: m.dir + "/data", SocketDir: m.dir}
}

func (m *machine) discover(w host.Want) *facts.Host {
	m.t.Helper()
	h, err := host.Discover(m.t.Context(), m.conn, w)
	if err != nil {
		m.t.Fatal(err)
	}
	return h
}

func (m *machine) initdb() {
	m.t.Helper()
	m.run(m.bin+"/initdb", "-D", m.dir+"/data", "-A", "trust", "-N", "--locale=C", "-E", "UTF8")
}

func (m *machine) start() {
	m.t.Helper()
	m.run(m.bin+"/pg_ctl", "-D", m.dir+"/data", "-w", "-l", m.dir+"/log", "-o", "-c port="+strconv.Itoa(m.port)+" -c unix_socket_directories="+m.dir+" -c fsync=off", "start")
	m.t.Cleanup(func() {
		m.conn.Run(m.t.Context(), host.Command{Argv: []string{m.bin + "/pg_ctl", "-D", m.dir + "/data", "-m", "immediate", "stop"}})
	})
}

func check[T any](t *testing.T, what string, got, want T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got): %s", what, diff)
	}
}

func TestDiscoverEmpty(t *testing.T) {
	m := newMachine(t)
	w := m.want()
	w.Parameters = map[string]string{"work_mem": "64MB", "a.b": "it's"}
	w.Locale = "xx_XX.UTF-8"
	h := m.discover(w)
	check(t, "layout", h.Layout, facts.LayoutBare)
	check(t, "data", h.Data, facts.DataDir{State: facts.DataAbsent})
	check(t, "bin", h.BinDir, m.bin)
	check(t, "state dir", h.StateDir, m.dir+"/.repltool")
	check(t, "files", []string{h.Conf.Path, h.HBA.Path, h.Passfile.Path}, []string{m.dir + "/data/postgresql.conf", m.dir + "/data/pg_hba.conf", m.dir + "/.repltool/pg1.pass"})
	check(t, "parameters", h.ParameterError, "")
	check(t, "locale missing", h.LocaleMissing, true)
	check(t, "directory", h.Dirs[0].Path, m.dir+"/data")
	if d := h.Dirs[0].Disk; d.Free <= 0 || d.Total < d.Free {
		t.Errorf("disk is %+v", d)
	}
	m.run("mkdir", m.dir+"/data")
	w.Parameters = map[string]string{"work_mem": "64 apples"}
	w.Locale = "C.UTF-8"
	h = m.discover(w)
	check(t, "data", h.Data, facts.DataDir{State: facts.DataEmpty, Owner: m.conn.OSUser()})
	if !strings.HasPrefix(h.ParameterError, `invalid value for parameter "work_mem": "64 apples"`) || !strings.Contains(h.ParameterError, "HINT: ") {
		t.Errorf("parameters: %q", h.ParameterError)
	}
	check(t, "locale missing", h.LocaleMissing, false)
	m.run("touch", m.dir+"/data/.somebodys")
	check(t, "data", m.discover(w).Data.State, facts.DataForeign)
}

func TestDiscoverCluster(t *testing.T) {
	m := newMachine(t)
	m.initdb()
	h := m.discover(m.want())
	check(t, "state", h.Data.State, facts.DataCluster)
	check(t, "version", h.Data.Version, h.Version)
	check(t, "running", h.Running, false)
	check(t, "control", h.Control.State, "shut down")
	check(t, "limits", h.Control.Limits["max_connections"] > 0 && h.Control.Limits["max_locks_per_transaction"] == 64, true)
	check(t, "postgresql.auto.conf", h.AutoConf.Text.Reveal(), m.run("cat", m.dir+"/data/postgresql.auto.conf"))
	if !strings.Contains(h.Conf.Text, "max_connections") || !strings.Contains(h.HBA.Text, "trust") || h.Conf.Owner != m.conn.OSUser() || h.Conf.Mode != 0o600 {
		t.Errorf("files: %+v", h.Conf)
	}
	before, _ := strconv.ParseFloat(strings.TrimSpace(m.run("date", "+%s")), 64)
	m.run("touch", "-d", "2020-01-01", m.dir+"/data/pg_hba.conf") // as cp -p leaves it
	check(t, "the time at which pg_hba.conf came to be as it is", m.discover(m.want()).HBA.Modified >= before, true)
	m.start()
	m.run("sh", "-c", "umask 077; mkdir "+m.dir+"/.repltool; echo '*:*:*:r:s3cret' >"+m.dir+"/.repltool/pg1.pass; touch "+m.dir+"/data/standby.signal")
	begin := time.Now()
	h = m.discover(m.want())
	t.Logf("took %s", time.Since(begin))
	check(t, "running", h.Running, true)
	check(t, "socket", h.SocketDir, m.dir)
	check(t, "port owner", h.PortOwner, "")
	check(t, "control", h.Control.State, "in production")
	check(t, "service", h.Service, facts.Service{Kind: "pg_ctl"})
	check(t, "standby.signal", h.StandbySignal, true)
	check(t, "passfile", h.Passfile.Text.Reveal(), "*:*:*:r:s3cret\n")
	check(t, "passfile mode", h.Passfile.Mode, 0o600)
	w := m.want()
	w.DataDir += "2"
	check(t, "port owner", m.discover(w).PortOwner, "the PostgreSQL server with the data directory "+m.dir+"/data")
	m.run(m.bin+"/pg_ctl", "-D", m.dir+"/data", "-m", "immediate", "stop")
	check(t, "running", m.discover(m.want()).Running, false)
}

// A number in postmaster.pid that is another process's is no server.
func TestDiscoverStalePID(t *testing.T) {
	m := newMachine(t)
	m.initdb()
	m.run("sh", "-c", "sleep 5 & printf '%s\\n%s\\n1\\n5432\\n/tmp\\n' $! "+m.dir+"/data >"+m.dir+"/data/postmaster.pid; exit 0 >/dev/null")
	check(t, "running", m.discover(m.want()).Running, false)
}

func TestDiscoverJob(t *testing.T) {
	m := newMachine(t)
	w := m.want()
	argv := []string{"sh", "-c", "sleep 0.5; exit 4", "sh", "-D", w.DataDir}
	if err := host.StartJob(t.Context(), m.conn, m.dir+"/.repltool", "clone", argv, nil); err != nil {
		t.Fatal(err)
	}
	running := m.discover(w).Jobs
	if len(running) != 1 || running[0].PID <= 0 {
		t.Fatalf("jobs: %+v", running)
	}
	check(t, "job", running, []facts.Job{{ID: "clone", Argv: argv, Running: true, PID: running[0].PID}})
	host.WatchJob(t.Context(), m.conn, m.dir+"/.repltool", "clone", nil)
	code := 4
	check(t, "job", m.discover(w).Jobs, []facts.Job{{ID: "clone", Argv: argv, ExitCode: &code}})
	w.DataDir += "2"
	check(t, "another's job", m.discover(w).Jobs, nil)
}

// What reports whether a cluster was there: a record without a command, the server's log.
func TestDiscoverTraces(t *testing.T) {
	m := newMachine(t)
	w := m.want()
	m.run("sh", "-c", `mkdir -p "$1/.repltool/jobs/pg1.clone" && printf '%s\0/wal\0' "$1/data" >"$1/.repltool/jobs/pg1.clone/absent" && touch "$1/.repltool/pg1.log"`, "sh", m.dir)
	h := m.discover(w)
	check(t, "jobs", h.Jobs, []facts.Job{{ID: "pg1.clone", Absent: []string{w.DataDir, "/wal"}}})
	check(t, "failed", h.Jobs[0].Failed(), true)
	check(t, "log", h.ServerLog, m.dir+"/.repltool/pg1.log")
	m.run("sh", "-c", `touch "$1/.repltool/$2.log"`, "sh", m.dir, h.Key())
	check(t, "its own log", m.discover(w).ServerLog, m.dir+"/.repltool/"+h.Key()+".log")
	w.DataDir += "2"
	check(t, "another's", m.discover(w).Jobs, nil)
	m.run("rm", m.dir+"/.repltool/pg1.log")
	check(t, "another's log", m.discover(w).ServerLog, "")
	m.run("sh", "-c", `cd "$1/.repltool/jobs/pg1.clone" && printf '%s\0' pg_basebackup --pgdata "$2" >argv`, "sh", m.dir, w.DataDir)
	check(t, "a job of another's, by its command", m.discover(m.want()).Jobs, nil)
	w.ConfigDir = m.dir + "/etc"
	check(t, "no configuration", m.discover(w).ConfigState, facts.DataAbsent)
	m.run("sh", "-c", `mkdir -p "$1/etc/conf.d" && touch "$1/etc/conf.d/own.conf"`, "sh", m.dir)
	check(t, "configuration", m.discover(w).ConfigState, facts.DataForeign)
}

// A data directory is known by more than its path, also before it exists, and so are
// password files that have a block of it under another name.
func TestDiscoverIdentity(t *testing.T) {
	m := newMachine(t)
	w := m.want()
	first := m.discover(w)
	if first.Machine.Boot == "" || first.Machine.Network == "" || !strings.HasSuffix(first.Machine.DataDir, "/data") {
		t.Errorf("not known: %+v", first.Machine)
	}
	m.run("ln", "-s", ".", m.dir+"/alias")
	m.run("sh", "-c", `mkdir -p "$1/.repltool" && for b in "$1/data" "$1/data2"; do printf '# repltool %s: begin\nx:*:*:y:z\n# repltool %s: end\n' "$b" "$b" >"$1/.repltool/old-${b##*/}.pass"; done
chmod -R go= "$1/.repltool"`, "sh", m.dir)
	h := m.discover(w)
	if len(h.EarlierPassfiles) != 1 || h.EarlierPassfiles[0].Path != m.dir+"/.repltool/old-data.pass" || !strings.Contains(h.EarlierPassfiles[0].Text.Reveal(), "x:*:*:y:z\n") {
		t.Errorf("earlier password files: %+v", h.EarlierPassfiles)
	}
	w.DataDir = m.dir + "/alias/data"
	check(t, "under another path", m.discover(w).Machine, first.Machine)
	m.run("mkdir", m.dir+"/data")
	there := m.discover(w).Machine.DataDir
	w = m.want()
	check(t, "once it exists", m.discover(w).Machine.DataDir, there)
}

// A path that the system cannot answer about is not one that does not exist.
func TestDiscoverUnknown(t *testing.T) {
	m := newMachine(t)
	w := m.want()
	w.DataDir = m.dir + "/" + strings.Repeat("x", 300) // ENAMETOOLONG; an I/O error and a stale NFS handle go the same way
	_, err := host.Discover(t.Context(), m.conn, w)
	if e := host.ReadError(err); e == nil || e.Kind != facts.ReadFailed || !strings.Contains(e.Text, "cannot determine whether") {
		t.Errorf("got %v", err)
	}
}

func TestDiscoverRefuses(t *testing.T) {
	m := newMachine(t)
	for name, tc := range map[string]struct {
		change func(*host.Want)
		kind   facts.ErrorKind
		text   string
	}{
		"no such version": {func(w *host.Want) { w.Version = 99 }, facts.NoBinaries, "PostgreSQL 99 is not installed"},
		"wrong bin_dir":   {func(w *host.Want) { w.BinDir = "/nowhere" }, facts.NoBinaries, "/nowhere"},
		"relative":        {func(w *host.Want) { w.DataDir = "data" }, facts.BadData, "absolute"},
	} {
		w := m.want()
		tc.change(&w)
		_, err := host.Discover(t.Context(), m.conn, w)
		e := host.ReadError(err)
		if e == nil || e.Kind != tc.kind || !strings.Contains(e.Text, tc.text) {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
	if os.Geteuid() != 0 {
		t.Fatal("only root has directories that others cannot enter: run the tests as root or through sudo")
	}
	closed := t.TempDir() + "/closed"
	os.Mkdir(closed, 0o700)
	w := m.want()
	w.DataDir = closed + "/data"
	_, err := host.Discover(t.Context(), m.conn, w)
	if e := host.ReadError(err); e == nil || e.Kind != facts.NoPrivilege {
		t.Errorf("got %v", err)
	}
}

// Nothing of a name is run or cut by the shell.
func TestDiscoverOddNames(t *testing.T) {
	m := newMachine(t)
	w := m.want()
	w.DataDir = m.dir + "/it's $(touch " + m.dir + "/pwned) \"x\""
	w.Resolve = []string{"localhost", "$(touch " + m.dir + "/pwned)", "-x", "127.0.0.1"}
	w.Parameters = map[string]string{"a.b": "`touch " + m.dir + "/pwned`"}
	w.Dirs = []string{m.dir + "/a b/c"}
	h := m.discover(w)
	check(t, "data", h.DataDir, w.DataDir)
	check(t, "parameters", h.ParameterError, "")
	check(t, "resolved", len(h.Resolved), 2)
	if _, err := os.Stat(m.dir + "/pwned"); err == nil {
		t.Error("a name was run")
	}
}

// What is repltool's own is used only where nobody else could have made it: a link, a
// FIFO, a directory that others can write are refused, by the search and by the lock.
func TestStateDirectoryIsOurs(t *testing.T) {
	m := newMachine(t)
	m.initdb()
	state := m.dir + "/.repltool"
	other := m.dir + "/other"
	for name, make := range map[string][]string{
		"is a symbolic link":                {"sh", "-c", `mkdir -p "$1/locks" && echo canary >"$2" && ln -s "$2" "$1/locks/apply-1"`, "sh", state, other},
		"is neither a file nor a directory": {"sh", "-c", `mkdir -p "$1/jobs/x" && mkfifo "$1/jobs/x/argv"`, "sh", state},
		"can be written by other users":     {"sh", "-c", `mkdir -p "$1/jobs" && chmod 777 "$1/jobs"`, "sh", state},
	} {
		m.run("rm", "-rf", state)
		m.run(make...)
		_, err := host.Discover(t.Context(), m.conn, m.want())
		if e := host.ReadError(err); e == nil || e.Kind != facts.BadData || !strings.Contains(e.Text, name) || !strings.Contains(e.Hint, " -- "+state) && !strings.Contains(e.Hint, "-w -- ") {
			t.Errorf("%s: %+v", name, e)
		}
	}
	m.run("rm", "-rf", state)
	m.run("sh", "-c", `mkdir -p "$1/locks" && ln -s "$2" "$1/locks/apply-1"`, "sh", state, other)
	if _, err := host.AcquireLock(t.Context(), m.conn, state, "apply-1", "me", 0); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		t.Errorf("the lock was taken through a link: %v", err)
	}
	if got := strings.TrimSpace(m.run("cat", other)); got != "canary" {
		t.Errorf("the file that the link names holds %q", got)
	}
}

// A managed file that cannot be replaced says so when it is read.
func TestLockedFile(t *testing.T) {
	m := newMachine(t)
	m.initdb()
	if h := m.discover(m.want()); h.Conf.Locked != "" || h.HBA.Locked != "" {
		t.Errorf("locked: %q, %q", h.Conf.Locked, h.HBA.Locked)
	}
	real := m.dir + "/data/postgresql.conf"
	m.run("mkdir", m.dir+"/etc")
	m.run("mv", real, m.dir+"/etc/postgresql.conf")
	m.run("ln", "-s", m.dir+"/etc/postgresql.conf", real)
	if err := os.Chown(m.dir+"/etc", 0, 0); err != nil {
		t.Fatalf("only root can give a directory away: run the tests as root or through sudo: %v", err)
	}
	if h := m.discover(m.want()); !strings.Contains(h.Conf.Locked, "cannot write the directory "+m.dir+"/etc") {
		t.Errorf("locked: %q", h.Conf.Locked)
	}
}

// What is no regular file is named at once: a FIFO waits for a writer, /dev/zero has no end.
func TestDiscoverEndless(t *testing.T) {
	m := newMachine(t)
	m.initdb()
	m.run("mkdir", m.dir+"/data/conf.d")
	for _, name := range []string{"PG_VERSION", "postgresql.auto.conf", "postgresql.conf", "pg_hba.conf", "conf.d/p.conf", "conf.d/q.conf"} {
		path := m.dir + "/data/" + name
		make := "mkfifo " + path
		if name == "conf.d/q.conf" {
			make = "ln -s /dev/zero " + path
		}
		m.run("sh", "-c", "[ ! -e "+path+" ] || mv "+path+" "+path+".kept; "+make)
		_, err := host.Discover(t.Context(), m.conn, m.want())
		if e := host.ReadError(err); e == nil || e.Kind != facts.BadData || !strings.Contains(e.Text, path+" is not a regular file") {
			t.Errorf("%s: %+v, %v", name, e, err)
		}
		m.run("sh", "-c", "rm "+path+"; [ ! -e "+path+".kept ] || mv "+path+".kept "+path)
	}
}

// TestTimelines: the newest segment and the newest history file count, and nothing else that
// lies in pg_wal.
func TestTimelines(t *testing.T) {
	m := newMachine(t)
	m.initdb()
	wal := m.dir + "/data/pg_wal/"
	m.run("touch", wal+"0000000A00000000000000FE", wal+"0000000B00000000000000FE.partial", wal+"0000000C00000000000000FE.00000028.backup", wal+"xlogtemp.4711")
	m.run("sh", "-c", "printf '1\\t0/3000148\\tno recovery target specified\\n' >"+wal+"00000002.history; printf '1\\t0/3000148\\tx\\n\\n2\\t0/4000000\\ty\\n' >"+wal+"00000009.history")
	h := m.discover(m.want())
	if h.WALTimeline != 10 || h.History.Timeline != 9 || len(h.History.Left) != 2 {
		t.Errorf("timeline %d, history %+v", h.WALTimeline, h.History)
	}
}

// TestImmutable reads what lsattr says of two files: lower case i and a are what keeps a file
// from being replaced.
func TestImmutable(t *testing.T) {
	functions, err := os.ReadFile("discover_trust.sh")
	if err != nil {
		t.Fatal(err)
	}
	const flags = "----i---------e------- /etc/pg/postgresql.conf\n--A-----------eI------ /etc/pg/my rules.conf\n-----a--------e------- /etc/pg/ident.conf\n"
	m := newMachine(t)
	for path, want := range map[string]string{"/etc/pg/postgresql.conf": "yes", "/etc/pg/my rules.conf": "no", "/etc/pg/ident.conf": "yes", "/etc/pg": "no"} {
		got := strings.TrimSpace(m.run("sh", "-c", string(functions)+"\nimmutable \"$1\" \"$2\" && echo yes || echo no", "sh", path, flags))
		if got != want {
			t.Errorf("%s: %s", path, got)
		}
	}
}

// What the server's files lead to is looked at as well, at each level, as the server reads it:
// nothing ends a session that waits for a FIFO. What the server refuses by itself is left to it.
func TestDiscoverIncluded(t *testing.T) {
	m := newMachine(t)
	m.initdb()
	data := m.dir + "/data"
	m.run("sh", "-ec", `cd "$1" && mkdir kept && cp data/*.conf kept`, "sh", m.dir)
	fifo, zero := "mkfifo "+data+"/x", "ln -s /dev/zero "+data+"/x"
	for name, c := range map[string]struct{ file, line, make, says string }{
		"include":            {"postgresql.conf", "include 'x'", fifo, "/x is not a regular file: it is a FIFO, and "},
		"include, endless":   {"postgresql.conf", "Include_If_Exists = 'x'", zero, "/x is not a regular file: it is a device, and "},
		"include_dir":        {"postgresql.conf", "include_dir 'd'", "mkdir d && mkfifo d/x.conf", "/d/x.conf is not a regular file: it is a FIFO, and "},
		"include of include": {"postgresql.conf", "include_dir 'd'", "mkdir d && echo include ../x >d/y.conf && mkfifo x", "/d/../x is not a regular file: it is a FIFO, and "},
		"a certificate":      {"postgresql.conf", "ssl_ca_file = 'x'", fifo, "/x is not a regular file: it is a FIFO, and "},
		"rules elsewhere":    {"postgresql.conf", "ident_file = 'x'", fifo, "/x is not a regular file: it is a FIFO, and "},
		"ALTER SYSTEM":       {"postgresql.auto.conf", "ssl_crl_file = 'x'", fifo, "/x is not a regular file: it is a FIFO, and "},
		"names of databases": {"pg_hba.conf", "local all,@x all trust # @y", fifo, "/x is not a regular file: it is a FIFO, and "},
		"rules":              {"pg_hba.conf", `include "x"`, fifo, "/x is not a regular file: it is a FIFO, and "},
		"rules, two lines":   {"pg_hba.conf", "include_dir \\\n d", "mkdir d && mkfifo d/x.conf", "/d/x.conf is not a regular file: it is a FIFO, and "},
		"user name maps":     {"pg_ident.conf", `include x`, fifo, "/x is not a regular file: it is a FIFO, and "},
		"maps themselves":    {"pg_ident.conf", "", "mv pg_ident.conf y && mkfifo pg_ident.conf", "/pg_ident.conf is not a regular file: it is a FIFO"},
		"each other":         {"postgresql.conf", "include 'a'", "yes \"include 'b'\" | head -n 9 >a; yes \"include 'a'\" | head -n 9 >b", "more than 2000 are to be read"},

		"itself":        {"postgresql.conf", "include 'postgresql.conf'", ":", ""},
		"its directory": {"postgresql.conf", "include_dir '.'", "cp postgresql.conf y.conf", ""},
		"absent":        {"postgresql.conf", "include 'x'", ":", ""},
		"not readable":  {"postgresql.conf", "include 'x'", "echo >x && chmod 0 x", ""},
		"a directory":   {"postgresql.conf", "include 'x'", "mkdir x", ""},
		"nothing":       {"postgresql.conf", "include 'x'", "ln -s /dev/null x", ""},
		"a comment":     {"postgresql.conf", "# include 'x'", fifo, ""},
		"other names":   {"postgresql.conf", "include_dir 'd'", "mkdir d && mkfifo d/.x.conf d/x.conf.old", ""},
	} {
		m.run("sh", "-ec", `cd "$1" && rm -rf data/[abdxy] data/*.conf && cp kept/* data`, "sh", m.dir)
		m.run("sh", "-ec", `cd "$1" && printf '%s\n' "$3" >>"$2" && eval "$4"`, "sh", data, c.file, c.line, c.make)
		_, err := host.Discover(t.Context(), m.conn, m.want())
		switch e := host.ReadError(err); {
		case c.says == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case c.says != "" && (e == nil || e.Kind != facts.BadData || !strings.Contains(e.Text, c.says) || !strings.Contains(e.Hint, "do not reload or restart")):
			t.Errorf("%s: %+v, %v", name, e, err)
		}
	}
}
