package e2e

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// hostileNames are names of roles and databases that hurt where they are not quoted.
func hostileNames() []string {
	return []string{
		"it's", `dou"ble`, "$(reboot)", "`id`", `back\slash`, "100%s", "a  b", "ünïcödé 名", strings.Repeat("x", 61) + "é", "-dash", "${x} %{y}",
		"a;b--c", "/* c */", `"quoted"`, "#hash", "a,b", "+plus", "@at", "/slash", "all", "replication", "sameuser", "User", "select", " blank ",
	}
}

// hostilePasswords are such passwords; libpq folds the last ones as SASLprep says.
func hostilePasswords() []string {
	return []string{
		"p'q", `a"b`, `c\d\`, ":e:f", " g h ", "ü§ 名", "$(x)", "`y`", "${z}", "%s%n", "-x", ";--", "#h", "a,b", `\'`, "tab\there", "x\u00a0y", "ﬁⅣ",
	}
}

// quoted writes a string as HCL has it.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "${", "$${", "%{", "%%{").Replace(s) + `"`
}

// hbaName writes an object's own name in a rule, where it would mean something else.
func hbaName(s string) string {
	return quoted(`"` + strings.ReplaceAll(s, `"`, `""`) + `"`)
}

func sqlText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// objects returns the blocks of all hostile names, and of the passwords one by one.
func (w *world) objects() string {
	var b strings.Builder
	passwords := hostilePasswords()
	b.WriteString("  parameters = {\n")
	for i, v := range hostileNames() {
		fmt.Fprintf(&b, "    \"repltool_test.v%d\" = %s\n", i, quoted(v))
	}
	b.WriteString("  }\n")
	for i, n := range hostileNames() {
		fmt.Fprintf(&b, "  role %s {\n    password = var.passwords[%d]\n    member_of = [\"readers\"]\n    parameters = { \"repltool_test.own\" = %s }\n  }\n", quoted(n), i%len(passwords), quoted(n))
		fmt.Fprintf(&b, "  database %s {\n    owner = %s\n    parameters = { \"repltool_test.db\" = %s }\n  }\n", quoted(n), quoted(n), quoted(n))
		fmt.Fprintf(&b, "  hba {\n    type = \"host\"\n    database = %s\n    user = %s\n    address = \"%s/32\"\n    method = \"scram-sha-256\"\n  }\n", hbaName(n), hbaName(n), w.host(2).Addr)
	}
	b.WriteString("  role \"readers\" { login = false }\n")
	return b.String()
}

// login connects by TCP from pg2 to pg1.
func (w *world) login(user, database, password, query string) (string, error) {
	w.t.Helper()
	out, err := w.host(2).ExecAs(w.t.Context(), "root", "env", "PGPASSWORD="+password,
		"psql", "-XAtq", "-h", w.host(1).Addr, "-U", user, "-d", database, "-c", query)
	return strings.TrimSuffix(out, "\n"), err
}

// TestHostileNames makes roles, databases, rules, settings and passwords of texts
// that hurt, and logs in as every one of them from another host.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	for _, suite := range suites() {
		t.Run(suite, func(t *testing.T) {
			w := newWorld(t, lab.Options{Hosts: 2, Suites: []string{suite}})
			var list []string
			for _, p := range hostilePasswords() {
				list = append(list, quoted(p))
			}
			w.env = append(w.env, "REPLTOOL_VAR_passwords=["+strings.Join(list, ", ")+"]", "REPLTOOL_VAR_password="+canary+" ü§ ")
			w.write("passwords.hcl", "variable \"passwords\" {\n  type = list(string)\n  sensitive = true\n}\n")
			w.topology(w.objects())
			w.must(0, "apply", "-auto-approve")
			w.expect(1, "SELECT state FROM pg_stat_replication", "streaming")
			for i, n := range hostileNames() {
				password := hostilePasswords()[i%len(hostilePasswords())]
				query := fmt.Sprintf("SELECT current_user || '|' || current_database() || '|' || current_setting('repltool_test.own') || '|' || current_setting('repltool_test.v%d')", i)
				want := n + "|" + n + "|" + n + "|" + n
				if got, err := w.login(n, n, password, query); got != want || err != nil {
					t.Errorf("%q with password %q: %q, %v", n, password, got, err)
				}
				if got, err := w.login(n, n, password+"x", "SELECT 1"); err == nil {
					t.Errorf("%q gets in with another password: %q", n, got)
				}
			}
			w.expect(2, "SELECT count(*) FROM pg_database WHERE datname IN ("+w.sqlList()+")", fmt.Sprint(len(hostileNames())))
			w.settled()
			w.topology("  parameters = {}\n")
			w.must(0, "apply", "-auto-approve", "-allow=drop")
			w.expect(1, "SELECT count(*) FROM pg_roles WHERE rolname IN ("+w.sqlList()+")", "0")
			w.expect(1, "SELECT count(*) FROM repltool.managed WHERE object NOT LIKE 'slot %'", "1") // the replicator
			w.settled()
			w.noSecrets()
		})
	}
}

func (w *world) sqlList() string {
	var list []string
	for _, n := range hostileNames() {
		list = append(list, sqlText(n))
	}
	return strings.Join(list, ", ")
}
