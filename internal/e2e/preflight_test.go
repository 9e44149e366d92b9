package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/repltool/repltool/internal/lab"
)

var update = flag.Bool("update", false, "write the golden files again")

// obstacle is a world in which the topology cannot be had.
type obstacle struct {
	name   string
	node   string // more of the block of pg3, the standby to be
	extra  string // more of the cluster's block
	before func()
	after  func()
}

// TestPreflight shows what speaks against a topology on real hosts: pg1 with a
// tablespace and pg2 run, pg3 is to be cloned. What plan and apply tell is in
// testdata/preflight.golden, and neither changes anything on any host.
func TestPreflight(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 3})
	w.three("", "")
	whole := w.read("main.hcl")
	w.write("main.hcl", strings.Replace(whole, "node.pg2, node.pg3", "node.pg2", 1))
	w.must(0, "apply", "-auto-approve")
	for i := 1; i <= 3; i++ {
		w.exec(i, "install", "-d", "-o", "postgres", "/srv/ts")
	}
	w.exec(1, "install", "-d", "-o", "postgres", "/srv/ts/sales")
	w.exec(2, "install", "-d", "-o", "postgres", "/srv/ts/sales")
	w.sql(1, "CREATE TABLESPACE sales LOCATION '/srv/ts/sales'")
	w.sql(1, "CREATE TABLE big TABLESPACE sales AS SELECT repeat(md5(g::text), 3) AS text FROM generate_series(1, 300000) g")
	w.expect(2, "SELECT to_regclass('big') IS NOT NULL", "t") // no error before it is there
	w.expect(2, "SELECT count(*) FROM big", "300000")
	w.sql(1, "CHECKPOINT")
	w.sql(2, "CHECKPOINT")

	var told strings.Builder
	for _, o := range w.obstacles() {
		t.Run(o.name, func(t *testing.T) {
			outer := w.t
			w.t = t
			defer func() { w.t = outer }()
			if o.before != nil {
				o.before()
			}
			if o.after != nil {
				defer o.after()
			}
			w.three(o.node, o.extra)
			before := w.state()
			r := w.run("plan")
			if d := cmp.Diff(before, w.state()); d != "" {
				t.Errorf("plan changed something (-before +after):\n%s", d)
			}
			fmt.Fprintf(&told, "== %s: exit code %d\n%s\n", o.name, r.code, w.normal(r.stderr))
			if a := w.run("apply", "-auto-approve", "-allow=restart,drop,reclone"); a.code != 1 {
				t.Errorf("apply: exit code %d\n%s\n%s", a.code, a.stdout, a.stderr)
			}
			if d := cmp.Diff(before, w.state()); d != "" {
				t.Errorf("apply changed something (-before +after):\n%s", d)
			}
		})
	}
	golden := filepath.Join("testdata", "preflight.golden")
	if *update {
		if err := os.WriteFile(golden, []byte(told.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), told.String()); d != "" {
		t.Errorf("what it tells is not as the golden file has it (-want +got):\n%s", d)
	}
	w.noSecrets()
}

// obstacles are in an order: the last one leaves a world that is broken.
func (w *world) obstacles() []obstacle {
	exec := func(i int, script string) func() {
		return func() { w.t.Helper(); w.exec(i, "sh", "-c", script) }
	}
	return []obstacle{
		{
			name: "another cluster's standby", before: exec(3, "cd / && sudo -u postgres pg_createcluster 15 main && sudo -u postgres touch /var/lib/postgresql/15/main/standby.signal"),
			after: exec(3, "pg_dropcluster 15 main"),
		},
		{name: "wrong version", extra: "  version = 14\n"},
		{
			name: "port taken", before: exec(3, `setsid perl -MIO::Socket::INET -e '$s = IO::Socket::INET->new(LocalPort => 5432, Listen => 1) or die; sleep 600' >/dev/null 2>&1 & echo $! >/run/squatter; sleep 0.5`),
			after: exec(3, `kill $(cat /run/squatter)`),
		},
		{
			name: "small disks", extra: "  basebackup {\n    wal_dir = \"/srv/small/wal\"\n    tablespace_mapping = { \"/srv/ts/sales\" = \"/srv/tiny/sales\" }\n  }\n",
			before: exec(3, "for d in small tiny; do mkdir /srv/$d && mount -t tmpfs -o size=20m,mode=777 $d /srv/$d; done"),
			after:  exec(3, "umount /srv/small /srv/tiny && rmdir /srv/small /srv/tiny"),
		},
		{name: "no sudo", node: "  ssh { user = \"plain\" }\n"},
		{
			name:   "upstream cut off",
			before: func() { w.check(w.host(3).CutPeer(w.t.Context(), w.host(1))) },
			after:  func() { w.check(w.host(3).Heal(w.t.Context())) },
		},
		{
			name: "broken pg_hba.conf", before: exec(1, "echo 'host all all all nonsense' >>/etc/postgresql/15/main/pg_hba.conf"),
			after: exec(1, "sed -i '$d' /etc/postgresql/15/main/pg_hba.conf"),
		},
		{name: "bad hba block", extra: "  hba {\n    type = \"host\"\n    database = \"all\"\n    user = \"all\"\n    address = \"all\"\n    method = \"ldap\"\n  }\n"},
		{name: "limits", extra: "  parameters = {\n    max_wal_senders = 2\n    max_replication_slots = 1\n  }\n"},
		{name: "no library", extra: "  parameters = { shared_preload_libraries = \"pg_stat_statements, pg_cron\" }\n"},
		{name: "no start", extra: "  parameters = { wal_level = \"minimal\" }\n"},
		{name: "the upstream's own machine", node: "  host = \"host1\"\n  address = \"" + w.host(1).Addr + "\"\n  port = 5433\n  data_dir = \"/srv/ts/pg3\"\n"},
		{
			name: "directories", extra: "  basebackup {\n    wal_dir = \"/srv/wal\"\n    tablespace_mapping = { \"/srv/ts/sales\" = \"/srv/full\", \"/srv/ts/salse\" = \"/srv/other\" }\n  }\n",
			before: exec(3, "install -d -o postgres /srv/wal /srv/full && touch /srv/wal/x /srv/full/x"),
			after:  exec(3, "rm -r /srv/wal /srv/full"),
		},
		{
			name: "unmapped tablespace's directory", before: exec(3, "install -d -o postgres /srv/ts/sales && touch /srv/ts/sales/x"),
			after: exec(3, "rm -r /srv/ts/sales"),
		},
		{name: "two primaries", before: func() { w.sql(2, "SELECT pg_promote()") }},
	}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

// three writes the topology: node is more of the block of pg3, or all of it.
func (w *world) three(node, extra string) {
	w.t.Helper()
	if !strings.Contains(node, "host =") {
		node = fmt.Sprintf("host = %q\n  address = %q\n%s", w.host(3).Name, w.host(3).Addr, node)
	}
	text := "variable \"password\" {\n  type = string\n  sensitive = true\n}\n"
	for i := 1; i <= 2; i++ {
		text += fmt.Sprintf("node \"pg%d\" {\n  host = %q\n  address = %q\n}\n", i, w.host(i).Name, w.host(i).Addr)
	}
	text += "node \"pg3\" {\n  " + strings.TrimSpace(node) + "\n}\n" +
		"cluster \"main\" {\n  primary = node.pg1\n  standbys = [node.pg2, node.pg3]\n" + extra +
		"  role \"replicator\" {\n    replication = true\n    password = var.password\n  }\n}\n"
	w.write("main.hcl", text)
}

// state is what an apply might change on the hosts: every file but those that a server
// writes all the time and the locks of applies; with postmaster.pid, servers; and objects.
func (w *world) state() []string {
	w.t.Helper()
	var all []string
	for i := range w.lab.Hosts {
		all = append(all, w.exec(i+1, "sh", "-c", `
set -- /etc/postgresql /srv /mnt /var/lib/postgresql -type d \( -name base -o -name 'pg_*' -o -name 'PG_*' -o -name global -o -name locks \) -prune -o
find "$@" ! -name .repltool -printf '%p %m %u %l\n' | sort
find "$@" -type f -exec sha256sum {} + | sort
pgrep -a '^(pg_basebackup|initdb)$' || true`))
	}
	for i := 1; i <= 2; i++ {
		all = append(all, w.sql(i, `SELECT string_agg(o, E'\n' ORDER BY o) FROM (SELECT 'role ' || rolname FROM pg_authid
  UNION ALL SELECT 'database ' || datname FROM pg_database UNION ALL SELECT 'slot ' || slot_name FROM pg_replication_slots
  UNION ALL SELECT name || ' ' || setting FROM pg_settings WHERE name !~ 'restrict_nonsystem') AS all_of_it (o)`))
		all = append(all, w.sql(1, "SELECT count(*) || ' ' || max(id) FROM repltool.applies"))
	}
	return all
}

// normal writes what differs from run to run in one way, without the line breaks that
// depend on it.
func (w *world) normal(text string) string {
	for i, h := range w.lab.Hosts {
		text = strings.ReplaceAll(text, h.Addr, fmt.Sprintf("10.0.0.%d", i+1))
	}
	for _, r := range [][2]string{
		{`\b[0-9]{19}\b`, "SYSTEM"}, {`\b[0-9.]+ (kB|MB|GB|TB)\b`, "N $1"},
	} {
		text = regexp.MustCompile(r[0]).ReplaceAllString(text, r[1])
	}
	var lines []string
	paragraph := regexp.MustCompile(`^  \S`)
	for line := range strings.Lines(text) {
		if n := len(lines); n > 0 && paragraph.MatchString(line) && paragraph.MatchString(lines[n-1]) {
			lines[n-1] += strings.TrimRight(line[1:], "\n")
			continue
		}
		lines = append(lines, strings.TrimRight(line, "\n"))
	}
	return strings.TrimSpace(strings.Join(lines, "\n")) + "\n"
}
