package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestCloneOfForeignPrimary is a primary that was made by hand, with a locale and a size
// of WAL segments of its own: a clone whose machine lacks the locale is refused before
// anything is copied, and its files fit the segments. With hot_standby = off it is not
// waited for without success.
func TestCloneOfForeignPrimary(t *testing.T) {
	w := newWorld(t, lab.Options{Hosts: 2})
	const locale = "de_DE.UTF-8"
	define := func(host int) { w.exec(host, "localedef", "-i", "de_DE", "-f", "UTF-8", locale) }
	define(1)
	w.exec(1, "pg_createcluster", "--start", "--locale", locale, "15", "main", "--", "--wal-segsize=64")
	w.topology("")
	r := w.must(1, "plan")
	w.says(r, "Missing locale", "pg2 does not have the locale "+locale, "localedef -i de_DE -f UTF-8 "+locale)
	define(2)
	w.must(0, "apply", "-auto-approve", "-allow=restart")
	w.expect(2, "SELECT current_setting('wal_segment_size') || ' ' || current_setting('min_wal_size') || ' ' || datcollate FROM pg_database WHERE datname = 'postgres'", "64MB 320MB "+locale)
	w.expect(1, "SELECT state FROM pg_stat_replication", "streaming")
	w.settled()

	w.exec(2, "sh", "-c", "echo 'hot_standby = off' >>/etc/postgresql/15/main/postgresql.conf")
	w.exec(2, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "restart")
	r = w.run("plan")
	if !strings.Contains(r.stderr+r.stdout, "Set hot_standby = on") {
		t.Errorf("plan does not name hot_standby:\n%s\n%s", r.stdout, r.stderr)
	}
	w.exec(2, "sed", "-i", "/^hot_standby/d", "/etc/postgresql/15/main/postgresql.conf")
	w.exec(2, "pg_ctlcluster", "--skip-systemctl-redirect", "15", "main", "restart")
	w.expect(1, "SELECT state FROM pg_stat_replication", "streaming")
	w.settled()
}
