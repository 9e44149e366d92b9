package e2e

import (
	"strconv"
	"strings"
	"testing"

	"github.com/repltool/repltool/internal/lab"
)

// Every attribute of roles and databases, changed away from its default; what makes
// it so; what drifts, and back. Values are such that the server writes them in
// another way than the topology.
const attributes = `
  parameters = { search_path = "\"$user\", Public", datestyle = "iso,  dmy", log_destination = "stderr" }
  role "app" {
    login            = false
    replication      = true
    superuser        = true
    createdb         = true
    createrole       = true
    inherit          = false
    bypassrls        = true
    connection_limit = 7
    valid_until      = "2031-02-03T04:05:06.5+05:30"
    member_of        = ["readers", "pg_monitor"]
    password         = var.password
    parameters = {
      search_path               = "\"$user\", \"My Schema\", Public"
      datestyle                 = "SQL,dmy"
      work_mem                  = "8192kB"
      synchronous_commit        = "LOCAL"
      session_preload_libraries = ""
      "app.Custom"              = "it's \\ 100%"
    }
  }
  role "readers" { login = false }
  role "dated" { valid_until = "2031-02-03" }
  role "endless" {
    valid_until = "infinity"
    parameters  = { role = "readers" }
  }
  database "shop" {
    owner    = "app"
    encoding = "latin-1"
    locale   = "C"
    parameters = { datestyle = "German", search_path = "", timezone = "europe/berlin" }
  }
  database "copy" { template = "shop" }
  replication { role = "replicator" }
`

const roleAttributes = `SELECT concat_ws(' ', rolcanlogin, rolreplication, rolsuper, rolcreatedb, rolcreaterole, rolinherit, rolbypassrls, rolconnlimit,
  rolvaliduntil AT TIME ZONE 'UTC', left(rolpassword, 5), (SELECT string_agg(roleid::regrole::text, ',' ORDER BY roleid::regrole::text) FROM pg_auth_members WHERE member = r.oid))
  FROM pg_authid r WHERE rolname = 'app'`

// TestAttributes makes, drifts, fixes, resets and drops roles and databases.
func TestAttributes(t *testing.T) {
	t.Parallel()
	for _, suite := range suites() {
		t.Run(suite, func(t *testing.T) {
			w := newWorld(t, lab.Options{Hosts: 2, Suites: []string{suite}})
			w.topology(attributes)
			w.must(0, "apply", "-auto-approve")
			const made = "f t t t t f t 7 2031-02-02 22:35:06.5 SCRAM pg_monitor,readers"
			w.expect(1, roleAttributes, made)
			w.expect(1, "SELECT pg_encoding_to_char(encoding) || datcollate || pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'shop'", "LATIN1Capp")
			w.expect(1, "SELECT array_to_string(setconfig, ';') FROM pg_db_role_setting WHERE setrole = 'app'::regrole",
				`app.custom=it's \ 100%;DateStyle=SQL,dmy;search_path="$user", "My Schema", public;session_preload_libraries="";synchronous_commit=LOCAL;work_mem=8192kB`)
			w.settled()

			w.driftAll()
			r := w.must(2, "drift")
			w.says(r, "login", "replication", "superuser", "createdb", "createrole", "inherit", "bypassrls", "connection_limit", "valid_until",
				"member_of", "password", "parameters.search_path", "parameters.work_mem", "parameters.synchronous_commit", "owner", "parameters.datestyle")
			w.must(0, "apply", "-auto-approve")
			w.expect(1, roleAttributes, made)
			w.expect(1, "SELECT setconfig::text LIKE '%statement_timeout%' FROM pg_db_role_setting WHERE setrole = 'app'::regrole", "t") // not ours
			w.settled()
			w.refusals()
			w.takenOut()
			w.noSecrets()
		})
	}
}

// driftAll changes everything by hand.
func (w *world) driftAll() {
	w.t.Helper()
	w.sql(1, `SET password_encryption = md5; ALTER ROLE app LOGIN NOREPLICATION NOSUPERUSER NOCREATEDB NOCREATEROLE INHERIT NOBYPASSRLS CONNECTION LIMIT 8
		VALID UNTIL '2031-02-03 04:05:06+05:30' PASSWORD 'another'`)
	w.sql(1, "CREATE ROLE boss SUPERUSER; GRANT readers TO boss WITH ADMIN OPTION; REVOKE readers FROM app; CREATE ROLE extra; GRANT extra TO boss WITH ADMIN OPTION; SET ROLE boss; GRANT extra TO app")
	w.sql(1, "ALTER ROLE app SET search_path = 'My Schema'; ALTER ROLE app SET work_mem = '9MB'; ALTER ROLE app RESET synchronous_commit; ALTER ROLE app SET statement_timeout = '1min'")
	w.sql(1, "ALTER DATABASE shop OWNER TO readers; ALTER DATABASE shop SET datestyle = 'ISO'; ALTER DATABASE shop RESET search_path")
}

// refusals: each is an error of the plan, and nothing is done.
func (w *world) refusals() {
	w.t.Helper()
	major, _ := strconv.Atoi(w.sql(1, "SELECT current_setting('server_version_num')::int / 10000"))
	cases := map[string][]string{
		"  role \"x\" { member_of = [\"nobody\"] }\n":                                     {"Missing role", "nobody"},
		"  role \"x\" { parameters = { shared_buffers = \"1GB\" } }\n":                    {"Parameter cannot be set here", "shared_buffers"},
		"  database \"postgres\" { encoding = \"LATIN1\" }\n":                             {"Fixed property of a database", "UTF8"},
		"  database \"x\" { locale = \"de_DE.ISO-8859-15\" }\n":                           {"Locale and encoding mismatch", "LATIN9"},
		rule("local", "all", "all", "", "md5"):                                            {"Rule locks repltool out"},
		rule("host", "all", "/^app_.*$", "all", "md5"):                                    {"requires PostgreSQL 16"},
		rule("host", "all", "app", "all", "ldap"):                                         {"ldapserver"},
		rule("host", "all", "all", "all", "md5") + rule("host", "a", "b", "all", "trust"): {"never matches"},
	}
	for extra, words := range cases {
		if strings.Contains(extra, "/^app") && major >= 16 {
			continue
		}
		w.topology(attributes + extra)
		w.says(w.run("plan"), words...)
	}
	w.topology(attributes)
}

func rule(typ, database, user, address, method string) string {
	text := "  hba {\n    type = " + quoted(typ) + "\n    database = " + quoted(database) + "\n    user = " + quoted(user) + "\n    method = " + quoted(method) + "\n"
	if address != "" {
		text += "    address = " + quoted(address) + "\n"
	}
	return text + "  }\n"
}

// takenOut takes attributes out, and then the objects: what was there before stays.
func (w *world) takenOut() {
	w.t.Helper()
	w.topology(`  role "app" {
    createrole = true
    valid_until = "infinity"
    member_of = []
  }
  role "readers" {}
  role "extra" { parameters = { work_mem = "1MB" } }
  role "dated" {}
  database "shop" {}
  replication { role = "replicator" }
`)
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expect(1, roleAttributes, "t f f f t t f -1 infinity SCRAM")
	w.expect(1, "SELECT array_to_string(setconfig, ';') FROM pg_db_role_setting WHERE setrole = 'app'::regrole", "statement_timeout=1min")
	w.expect(1, "SELECT count(*) FROM pg_db_role_setting WHERE setdatabase <> 0", "0")
	w.expect(1, "SELECT rolvaliduntil AT TIME ZONE 'UTC' FROM pg_roles WHERE rolname = 'dated'", "2031-02-03 00:00:00")
	w.expect(1, "SELECT count(*) FROM pg_database WHERE datname = 'copy'", "0")
	w.settled()

	w.sql(1, "GRANT CREATE ON DATABASE postgres TO app") // goes with the role
	w.sql(1, "CREATE SCHEMA theirs AUTHORIZATION app")
	w.topology("")
	r := w.must(1, "plan")
	w.says(r, "Role with dependent objects", "REASSIGN OWNED BY")
	w.sql(1, "DROP SCHEMA theirs")
	w.must(1, "apply", "-auto-approve")
	w.must(0, "apply", "-auto-approve", "-allow=drop")
	w.expect(1, "SELECT string_agg(rolname, ',' ORDER BY rolname) FROM pg_roles WHERE rolname !~ '^pg_'", "boss,extra,postgres,replicator")
	w.expect(1, "SELECT count(*) FROM pg_db_role_setting", "0")
	w.settled()
}
