package e2e

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/repltool/repltool/internal/lab"
)

// elsewhere is a copy whose WAL and tablespaces do not lie in the data directory: one
// is mapped, the other keeps its directory.
const elsewhere = `  basebackup {
    wal_dir            = "/srv/wal/main"
    tablespace_mapping = { "/srv/ts/sales" = "/mnt/ts/sales" }
    max_rate           = "%s"
  }
`

// TestCopyElsewhere makes a slow copy with a WAL directory and tablespaces, which is cut
// off in each way, finished, and made again.
func TestCopyElsewhere(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	w.exec(2, "install", "-d", "-o", "postgres", "/srv/wal", "/srv/ts", "/mnt/ts")
	w.primaryWithTablespaces()
	w.topology(fmt.Sprintf(elsewhere, "10M"))

	// repltool dies: the copy continues, and is taken up.
	first := w.launch("-allow=restart") // of pg1, so that it listens
	w.until(2, "ls /mnt/ts/sales/PG_15_*/*/*")
	w.exec(2, "pkill", "-STOP", "pg_basebackup") // it lasts until it was looked at
	first.kill()
	w.says(w.run("status"), "copying")
	pid := w.exec(2, "cat", "/var/lib/postgresql/.repltool/jobs/var-lib-postgresql-15-main.clone/pid")
	w.says(w.must(2, "plan", "-detailed-exitcode"), "an earlier apply started the base backup, and it is still running")
	second := w.intoStep("cluster.main.standby.pg2: base backup\n", "-lock-timeout=30s") // it watches the copy
	if again := w.exec(2, "cat", "/var/lib/postgresql/.repltool/jobs/var-lib-postgresql-15-main.clone/pid"); again != pid {
		t.Errorf("another copy was begun: %s, then %s", pid, again)
	}

	// The copy dies: what it left is known and goes; what someone else left does not.
	w.exec(2, "sh", "-c", "kill -9 $(pgrep -x pg_basebackup)")
	if code, out := second.wait(); code != 1 || !strings.Contains(out, "job var-lib-postgresql-15-main.clone") {
		t.Errorf("exit code %d\n%s", code, out)
	}
	w.exec(2, "sh", "-c", "ls /mnt/ts/sales/PG_15_* /srv/wal/main/0000*")
	w.exec(2, "touch", "/srv/wal/main/precious", "/mnt/ts/precious", "/srv/wal/precious")
	w.says(w.must(2, "plan", "-detailed-exitcode"), "an earlier apply left part of a base backup, in which no server was started: it is removed first", "/mnt/ts/sales", "/srv/wal/main", "/srv/ts/plain")
	w.says(w.must(1, "apply", "-auto-approve"), "/srv/wal/main is not empty")
	w.says(w.must(1, "plan"), "Directory not empty", "/srv/wal/main", "main.hcl")
	if out := w.exec(2, "sh", "-c", "ls -A /srv/wal/main /mnt/ts /mnt/ts/sales /srv/wal"); out != "/mnt/ts:\nprecious\nsales\n\n/mnt/ts/sales:\n\n/srv/wal:\nmain\nprecious\n\n/srv/wal/main:\nprecious\n" {
		t.Errorf("left:\n%s", out)
	}
	w.exec(2, "rm", "/srv/wal/main/precious")

	r := w.must(0, "apply", "-auto-approve")
	if least := 8 * time.Second; r.took < least { // 100 MB at 10 MB a second, and no check of the rate at the end
		t.Errorf("max_rate was not kept to: %s", r.took)
	}
	w.copiedElsewhere()
	w.again()
	w.noSecrets()
}

// primaryWithTablespaces makes pg1 with two tablespaces and data in them.
func (w *world) primaryWithTablespaces() {
	w.t.Helper()
	w.topology("")
	w.write("main.hcl", strings.Replace(w.read("main.hcl"), "standbys = [node.pg2]", "", 1))
	w.must(0, "apply", "-auto-approve")
	w.exec(1, "install", "-d", "-o", "postgres", "/srv/ts/sales", "/srv/ts/plain")
	w.sql(1, "CREATE TABLESPACE sales LOCATION '/srv/ts/sales'")
	w.sql(1, "CREATE TABLESPACE plain LOCATION '/srv/ts/plain'")
	w.sql(1, "CREATE TABLE big TABLESPACE sales AS SELECT g, repeat(md5(g::text), 3) AS text FROM generate_series(1, 700000) g")
	w.sql(1, "CREATE TABLE small TABLESPACE plain AS SELECT g FROM generate_series(1, 1000) g")
}

// copiedElsewhere asks the servers whether all is where it should be.
func (w *world) copiedElsewhere() {
	w.t.Helper()
	w.expect(2, "SELECT string_agg(spcname || ' ' || pg_tablespace_location(oid), ', ' ORDER BY spcname) FROM pg_tablespace WHERE spcname !~ '^pg_'",
		"plain /srv/ts/plain, sales /mnt/ts/sales")
	w.expect(2, "SELECT count(*) || ' ' || sum(length(text)) FROM big", "700000 67200000")
	w.expect(2, "SELECT count(*) FROM small", "1000")
	w.expect(2, "SHOW data_checksums", "on")
	w.expect(1, "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'", "1")
	if out := strings.TrimSpace(w.exec(2, "readlink", "/var/lib/postgresql/15/main/pg_wal")); out != "/srv/wal/main" {
		w.t.Errorf("pg_wal leads to %s", out)
	}
	if out := w.exec(2, "sh", "-c", "ls -d /srv/*/*.repltool-old /mnt/*/*.repltool-old /var/lib/postgresql/15/*.repltool-old /var/lib/postgresql/.repltool/jobs/* 2>/dev/null; true"); out != "" {
		w.t.Errorf("left behind: %s", out)
	}
	w.settled()
}

// again clones the standby again; an apply that dies on the way leaves the old one whole.
func (w *world) again() {
	w.t.Helper()
	replace := "-replace=cluster.main.standby.pg2"
	w.exec(2, "chown", "root", "/mnt/ts")
	w.says(w.must(1, "plan", replace), "Old data directory cannot be moved", "postgres cannot write /mnt/ts", "main.hcl")
	w.exec(2, "chown", "postgres", "/mnt/ts")
	dying := w.intoStep("cluster.main.standby.pg2: base backup\n", "-allow=reclone", replace)
	dying.kill()
	if out := w.exec(2, "sh", "-c", "cd /var/lib/postgresql/15/main.repltool-old && readlink pg_wal pg_tblspc/* | sort"); out != "/mnt/ts/sales.repltool-old\n/srv/ts/plain.repltool-old\n/srv/wal/main.repltool-old\n" {
		w.t.Errorf("the old copy is not whole: its links lead to\n%s", out)
	}
	w.must(0, "apply", "-auto-approve", "-lock-timeout=30s")
	w.copiedElsewhere()
}
