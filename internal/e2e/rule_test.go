package e2e

import (
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// TestRules logs in from another host through rules of every kind that can be met
// there: the topology's in their order, and then the user's own.
func TestRules(t *testing.T) {
	t.Parallel()
	for _, suite := range suites() {
		t.Run(suite, func(t *testing.T) {
			w := newWorld(t, lab.Options{Hosts: 2, Suites: []string{suite}})
			w.topology(w.rules(false))
			w.must(0, "apply", "-auto-approve")
			w.settled()
			modern := w.sql(1, "SELECT current_setting('server_version_num')::int >= 160000") == "t"
			w.ownRules(modern)
			w.topology(w.rules(modern))
			r := w.run("plan")
			w.says(r, "Shadowed rule", "pg_hba.conf:", "blocked", "main.hcl:")
			if modern {
				w.says(r, "more.conf:2")
			}
			w.must(0, "apply", "-auto-approve")
			w.enters(modern)
			w.settled()
			w.keepsOrder()
			w.restoredRules()
		})
	}
}

func (w *world) rules(modern bool) string {
	h2, v6 := w.host(2).Addr+"/32", "fd00::/8"
	text := rule("host", "shop", "blocked", h2, "reject") +
		rule("host", "sameuser", "ann", h2, "scram-sha-256") +
		rule("host", "shop", "+readers", "samenet", "scram-sha-256") +
		rule("host", "shop", "bob", v6, "scram-sha-256") +
		rule("host", "shop", "named", "host2", "scram-sha-256") +
		rule("hostnossl", "shop", "plain", "all", "scram-sha-256") +
		rule("hostssl", "shop", "tls", "all", "cert")
	if modern {
		text += rule("host", "/^sh.p$", "/^app_[0-9]+$", h2, "scram-sha-256")
	}
	for _, name := range []string{"blocked", "ann", "bob", "named", "plain", "tls", "app_1", "app_x", "late"} {
		text += "  role \"" + name + "\" { password = var.password }\n"
	}
	return text + "  role \"readers\" { login = false }\n  role \"carl\" {\n    password = var.password\n    member_of = [\"readers\"]\n  }\n" +
		"  database \"shop\" {}\n  database \"ann\" {}\n  replication { role = \"replicator\" }\n"
}

// ownRules adds the user's, after the block: in the file itself, and from PostgreSQL
// 16 on in one that it includes.
func (w *world) ownRules(modern bool) {
	w.t.Helper()
	own := "host shop late 0.0.0.0/0 scram-sha-256\nhost shop blocked " + w.host(2).Addr + "/32 trust\n"
	if modern {
		w.exec(1, "sh", "-c", `d=$(ls -d /etc/postgresql/*/main) && printf '# mine\nhost shop blocked `+w.host(2).Addr+`/32 md5\n' > $d/more.conf && chown postgres $d/more.conf`)
		own += "include_if_exists more.conf\ninclude_if_exists none.conf\n"
	}
	w.exec(1, "sh", "-c", `printf "$0" >> $(ls /etc/postgresql/*/main/pg_hba.conf)`, own)
	w.sql(1, "SELECT pg_reload_conf()")
}

func (w *world) enters(modern bool) {
	w.t.Helper()
	for _, c := range []struct {
		user, database, refused string
	}{
		{"blocked", "shop", "pg_hba.conf rejects connection"},
		{"ann", "ann", ""},
		{"ann", "shop", "no pg_hba.conf entry"},
		{"carl", "shop", ""},
		{"carl", "ann", "no pg_hba.conf entry"},
		{"bob", "shop", "no pg_hba.conf entry"},
		{"named", "shop", ""},
		{"plain", "shop", ""},
		{"tls", "shop", "no pg_hba.conf entry"},
		{"late", "shop", ""},
		{"late", "ann", "no pg_hba.conf entry"},
		{"app_1", "shop", map[bool]string{false: "no pg_hba.conf entry"}[modern]},
		{"app_x", "shop", "no pg_hba.conf entry"},
	} {
		out, err := w.login(c.user, "dbname="+c.database+" sslmode=disable", canary, "SELECT 1")
		switch {
		case c.refused == "" && (err != nil || out != "1"):
			w.t.Errorf("%s to %s: %q, %v", c.user, c.database, out, err)
		case c.refused != "" && (err == nil || !strings.Contains(err.Error(), c.refused)):
			w.t.Errorf("%s to %s is not refused with %q: %q, %v", c.user, c.database, c.refused, out, err)
		}
	}
}

// restoredRules: a file that was put in its place with the time of its original, as cp -p and
// backups do it, is not in force before the server has read it.
func (w *world) restoredRules() {
	w.t.Helper()
	w.exec(1, "sh", "-c", "cd /etc/postgresql/*/main && cp -p pg_hba.conf kept && sed -i '/^host  shop  blocked/d' pg_hba.conf")
	w.sql(1, "SELECT pg_reload_conf()")
	w.exec(1, "sh", "-c", "cd /etc/postgresql/*/main && touch -d 2020-01-01 kept && cp -p kept pg_hba.conf && rm kept && chown postgres pg_hba.conf")
	w.says(w.must(2, "drift"), "the server has not read the file since it was last changed")
	w.must(0, "apply", "-auto-approve")
	w.settled()
}

// keepsOrder: the order of the blocks is the file's, and moving one up moves it there.
func (w *world) keepsOrder() {
	w.t.Helper()
	block := rule("host", "shop", "blocked", w.host(2).Addr+"/32", "reject")
	allow := rule("host", "shop", "blocked", "all", "scram-sha-256")
	text := w.read("main.hcl")
	w.write("main.hcl", strings.Replace(text, block, block+allow, 1))
	w.must(0, "apply", "-auto-approve")
	if _, err := w.login("blocked", "shop", canary, "SELECT 1"); err == nil {
		w.t.Error("the first rule rejects, and the second lets in")
	}
	w.write("main.hcl", strings.Replace(text, block, allow+block, 1))
	w.must(0, "apply", "-auto-approve")
	if _, err := w.login("blocked", "shop", canary, "SELECT 1"); err != nil {
		w.t.Errorf("the first rule lets in: %v", err)
	}
	w.settled()
}
