package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestPendingRestart leaves on a primary what keeps a server from starting, and applies a
// change that restarts it: the apply stops before the server goes down, whatever it is,
// and a rule that the server refuses without a word is found before it counts.
func TestPendingRestart(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 1})
	w.topology("  parameters = { max_connections = 90 }\n")
	w.must(0, "apply", "-auto-approve")
	w.topology("  parameters = { max_connections = 95 }\n")
	w.refusesLines()
	w.refusesSurroundings()
	w.restartsWithPending()
	w.refusesCertificates()
	w.refusesRule()
	w.reportsWaiting()
	w.noSecrets()
}

// dbaConf is a file of someone else's that the server reads.
const dbaConf = "/etc/postgresql/15/main/conf.d/dba.conf"

// notRestarted runs an apply that would restart the server, and is refused before.
func (w *world) notRestarted(left, says string) {
	w.t.Helper()
	const started = "SELECT pg_postmaster_start_time()"
	before := w.sql(1, started)
	w.says(w.must(1, "apply", "-auto-approve", "-allow=restart"), says)
	if after := w.sql(1, started); after != before {
		w.t.Errorf("%s: the server was restarted", left)
	}
}

// refusesLines leaves lines in a file with which the server does not start, or starts as another one.
func (w *world) refusesLines() {
	w.t.Helper()
	for _, c := range []struct{ line, says string }{
		{"shared_preload_libraries = 'nosuch'", "there is no nosuch"},
		{"shared_buffers = '900GB'", "shared_buffers takes"},
		{"huge_pages = on", "huge_pages = on"},
		{"ssl_cert_file = '/etc/nosuch.pem'", "ssl_cert_file"},
		{"listen_addresses = 'no.such.name.invalid'", "cannot resolve"},
		{"superuser_reserved_connections = 95", "leaves no connection"},
		{"wal_level = minimal", "max_wal_senders"},
		{"hba_file = '/etc/nosuch.conf'", "Pending change would break the node"},
		{"unix_socket_directories = '/nosuch'", "Pending change would break the node"},
	} {
		w.exec(1, "sh", "-c", `echo "$1" >"$2"; chown postgres "$2"`, "sh", c.line, dbaConf)
		w.notRestarted(c.line, c.says)
	}
	w.exec(1, "rm", dbaConf)
}

// refusesSurroundings leaves what the server or pg_ctlcluster trips over outside of the parameters.
func (w *world) refusesSurroundings() {
	w.t.Helper()
	const etc, data, log = "/etc/postgresql/15/main/", "/var/lib/postgresql/15/main", "/var/log/postgresql/postgresql-15-main.log"
	for _, c := range []struct{ leave, undo, says string }{
		{"echo nonsense >>" + etc + "environment", "sed -i /nonsense/d " + etc + "environment", "nvalid line"},
		{"echo nonsense >>" + etc + "pg_ctl.conf", "sed -i /nonsense/d " + etc + "pg_ctl.conf", "nvalid line"},
		{"echo disabled >" + etc + "start.conf", "echo auto >" + etc + "start.conf", "start.conf says disabled"},
		{"chmod 0755 " + data, "chmod 0700 " + data, "mode 755"},
		{"chown root " + log + "; chmod 0600 " + log, "chown postgres " + log, "cannot be written"},
		{"printf '%s\\n' 'logging_collector = on' \"log_directory = '/nonexistent/x'\" >" + dbaConf, "rm " + dbaConf, "log_directory"},
		{"printf '%s\\n' 'ssl = on' \"ssl_ciphers = 'NOSUCH'\" >" + dbaConf, "rm " + dbaConf, "ssl_ciphers"},
		{"printf '%s\\n' 'ssl = on' 'ssl_min_protocol_version = TLSv1.3' 'ssl_max_protocol_version = TLSv1.2' >" + dbaConf, "rm " + dbaConf, "ssl_min_protocol_version"},
	} {
		w.exec(1, "sh", "-c", c.leave)
		w.notRestarted(c.leave, c.says)
		w.exec(1, "sh", "-c", c.undo)
	}
}

// restartsWithPending restarts with a harmless value of someone else's, which the plan lists.
func (w *world) restartsWithPending() {
	w.t.Helper()
	w.exec(1, "sh", "-c", `echo "max_worker_processes = 11" >"$1"`, "sh", dbaConf)
	w.says(w.must(2, "plan", "-detailed-exitcode"), "max_worker_processes", "this restart puts it into effect", dbaConf)
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	if got := w.sql(1, "SHOW max_worker_processes"); got != "11" {
		w.t.Errorf("max_worker_processes is %s", got)
	}
	w.settled()
}

// refusesCertificates: a reload that only the log would refuse is refused before it is written.
func (w *world) refusesCertificates() {
	w.t.Helper()
	w.exec(1, "sh", "-c", "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=x -days 9 -keyout /tmp/other.key -out /tmp/other.pem && echo x >/tmp/none.pem && chown postgres /tmp/other.* && chmod 600 /tmp/other.key")
	pair := func(cert, key string) string {
		return "  parameters = {\n    max_connections = 95\n    ssl_cert_file   = \"" + cert + "\"\n    ssl_key_file    = \"" + key + "\"\n  }\n"
	}
	snakeoil := w.sql(1, "SHOW ssl_key_file")
	for files, says := range map[string]string{pair("/tmp/other.pem", snakeoil): "is not the key of", pair("/tmp/none.pem", "/tmp/other.key"): "is no certificate"} {
		w.topology(files)
		w.says(w.must(1, "apply", "-auto-approve"), says)
	}
	if got := w.exec(1, "sh", "-c", "grep -c '/tmp/' /etc/postgresql/15/main/postgresql.conf || true"); strings.TrimSpace(got) != "0" {
		w.t.Errorf("refused files are in postgresql.conf: %s lines", got)
	}
	w.topology(pair("/tmp/other.pem", "/tmp/other.key"))
	w.must(0, "apply", "-auto-approve")
	w.settled()
	if out := w.exec(1, "sh", "-c", "echo | openssl s_client -starttls postgres -connect 127.0.0.1:5432 2>/dev/null | openssl x509 -noout -subject"); !strings.Contains(out, "CN = x") {
		w.t.Errorf("the server shows another certificate: %s", out)
	}
}

// refusesRule: PostgreSQL 15 says nothing of why it refuses one, the row is all NULLs.
func (w *world) refusesRule() {
	w.t.Helper()
	w.topology(`  parameters = { max_connections = 95 }
  hba {
    type = "host"
    database = "all"
    user = "all"
    address = "10.9.9.9/32"
    method = "radius"
    options = { radiusservers = "no.such.host.invalid", radiussecrets = "x" }
  }
`)
	w.says(w.must(1, "apply", "-auto-approve"), "rejected by the server")
	if rules := w.sql(1, "SELECT count(*) FROM pg_hba_file_rules WHERE type IS NULL"); rules != "0" {
		w.t.Errorf("the refused rule is still in the file: %s", rules)
	}
	w.exec(1, "sh", "-c", `echo 'host all all 10.9.9.9/32 radius radiusservers="no.such.host.invalid" radiussecrets="x"' >>/etc/postgresql/15/main/pg_hba.conf`)
	w.topology("  parameters = { max_connections = 95 }\n")
	if r := w.must(1, "plan"); !strings.Contains(r.stdout+r.stderr, "the server does not accept this") {
		w.t.Errorf("a line that the server refuses is not seen:\n%s%s", r.stdout, r.stderr)
	}
	w.exec(1, "sed", "-i", "$d", "/etc/postgresql/15/main/pg_hba.conf")
	w.must(0, "apply", "-auto-approve")
	w.settled()
}

// reportsWaiting: values that wait for a restart which no plan has are reported, and a server
// that is down is asked as well before it starts.
func (w *world) reportsWaiting() {
	w.t.Helper()
	w.exec(1, "sh", "-c", `cp /etc/postgresql/15/main/pg_hba.conf /etc/postgresql/15/main/other.conf; chown postgres /etc/postgresql/15/main/other.conf; echo "hba_file = '/etc/postgresql/15/main/other.conf'" >"$1"`, "sh", dbaConf)
	w.sql(1, "SELECT pg_reload_conf()")
	w.says(w.must(2, "drift"), "waits for a restart of pg1", "would no longer be in effect")
	w.exec(1, "sh", "-c", `echo "shared_buffers = '900GB'" >"$1"`, "sh", dbaConf)
	w.exec(1, "pg_ctlcluster", "15", "main", "stop")
	w.says(w.must(1, "apply", "-auto-approve"), "shared_buffers takes", "pg1 was not started")
	w.exec(1, "rm", dbaConf)
	w.must(3, "apply", "-auto-approve")
	w.must(0, "apply", "-auto-approve")
	w.settled()
}
