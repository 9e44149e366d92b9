package build

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// call is one statement on one server, and what its pattern found.
type call struct {
	*model
	n        *facts.Node
	database string
	found    []string
	text     string
}

// sql runs one statement.
func (m *model) sql(n *facts.Node, database, text string) error {
	for _, s := range m.statements {
		if found := s.pattern.FindStringSubmatch(text); found != nil {
			for i := range found {
				found[i] = unquoted(found[i])
			}
			if err := s.does(call{m, n, database, found, text}); err != nil {
				return fmt.Errorf("%s: %w", text, err)
			}
			return nil
		}
	}
	return unknown{"statement " + text}
}

const (
	ident   = `("(?:[^"]|"")*"|[a-z_][a-z0-9_$]*)`
	literal = `('(?:[^']|'')*')`
)

// unquoted takes the quotes off an identifier or a literal.
func unquoted(word string) string {
	if len(word) >= 2 && word[0] == word[len(word)-1] && (word[0] == '"' || word[0] == '\'') {
		q := word[:1]
		return strings.ReplaceAll(word[1:len(word)-1], q+q, q)
	}
	return word
}

// split cuts a text into statements, without their semicolons.
func split(text string) []string {
	var all []string
	begin, quote, dollar := 0, byte(0), false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case strings.HasPrefix(text[i:], "$$"):
			dollar = !dollar
			i++
		case dollar:
		case c == '\'' || c == '"':
			quote = c
		case c == ';':
			all = append(all, strings.TrimSpace(text[begin:i]))
			begin = i + 1
		}
	}
	if rest := strings.TrimSpace(text[begin:]); rest != "" {
		all = append(all, rest)
	}
	return all
}

// statementTable is what the builder's statements do, by their form.
func statementTable() map[string]func(c call) error {
	nothing := func(call) error { return nil }
	return map[string]func(c call) error{
		`^SELECT pg_(backup_start|start_backup|backup_stop|stop_backup)\(.*\)$`:   nothing,
		`^SELECT pg_reload_conf\(\)$`:                                             func(c call) error { c.load(c.n, false); return nil },
		`^ALTER SYSTEM SET (\w+) = ` + literal + `$`:                              func(c call) error { c.alterSystem(c.n, c.found[1], &c.found[2]); return nil },
		`^ALTER SYSTEM RESET (\w+)$`:                                              func(c call) error { c.alterSystem(c.n, c.found[1], nil); return nil },
		`^(SET LOCAL lock_timeout = |CHECKPOINT$|SELECT pg_current_xact_id\(\)$)`: nothing,
		`^INSERT INTO repltool.applies `:                                          nothing,
		`^CREATE SCHEMA repltool$`:                                                func(c call) error { c.n.Server.Ledger = &facts.Ledger{}; return nil },
		`^CREATE TYPE `:                                                           nothing,
		`^CREATE TABLE repltool\.`:                                                nothing,
		`^INSERT INTO repltool\.managed \(address, object\) VALUES `:              record,
		`^DELETE FROM repltool\.managed WHERE address (?:= |IN )(.*)$`:            forget,

		`^REASSIGN OWNED BY ` + ident + ` TO CURRENT_USER$`:                                                                                    nothing,
		`^DROP OWNED BY ` + ident + `$`:                                                                                                        dropOwned,
		`^GRANT (CONNECT ON DATABASE|USAGE ON SCHEMA|SELECT ON TABLE) (.*) TO (.*)$`:                                                           grantAccess,
		`^UPDATE repltool\.managed m SET address = v\.address, object = v\.object\s+FROM \(VALUES `:                                            readdress,
		`^CREATE PUBLICATION ` + ident + `(.*)$`:                                                                                               createPublication,
		`^ALTER PUBLICATION ` + ident + ` (ADD|DROP|SET|OWNER TO|RENAME TO) (.*)$`:                                                             alterPublication,
		`^DROP PUBLICATION ` + ident + `$`:                                                                                                     dropPublication,
		`^CREATE SUBSCRIPTION ` + ident + `\s+CONNECTION ` + literal + `\s+PUBLICATION (.*?)(?:\s+WITH \((.*)\))?$`:                            createSubscription,
		`^ALTER SUBSCRIPTION ` + ident + ` (DISABLE|ENABLE|SET \(|CONNECTION |RENAME TO |OWNER TO |SET PUBLICATION |REFRESH PUBLICATION)(.*)$`: alterSubscription,
		`^DROP SUBSCRIPTION ` + ident + `$`:                                                                                                    dropSubscription,
		`^SELECT pg_drop_replication_slot\(slot_name\) FROM pg_replication_slots WHERE slot_name ~ `:                                           nothing, // of table copies
		`^COMMENT ON (PUBLICATION|SUBSCRIPTION) `:                                                                                              nothing,
		`^DO \$\$DECLARE worker int;`:                                                                                                          nothing,
		`^CREATE TABLE (` + ident + `\.` + ident + `) \(`:                                                                                      createTable,
		`^CREATE ROLE ` + ident + `(.*)$`:                                                                                                      createRole,
		`^ALTER (ROLE|DATABASE) ` + ident + `(?: IN DATABASE ` + ident + `)? (RESET|SET) ("?[\w.]+"?)(?: (?:=|TO) (.*))?$`:                     setParameter,
		`^ALTER ROLE ` + ident + `( .*)$`:                                                                                                      alterRole,
		`^DROP ROLE ` + ident + `$`:                                                                                                            dropRole,
		`^GRANT ` + ident + ` TO ` + ident + `$`:                                                                                               grant,
		`^REVOKE ` + ident + ` FROM ` + ident:                                                                                                  revoke,
		`^CREATE DATABASE ` + ident + `(.*)$`:                                                                                                  createDatabase,
		`^DROP DATABASE ` + ident + `$`:                                                                                                        dropDatabase,
		`^ALTER DATABASE ` + ident + ` OWNER TO ` + ident + `$`:                                                                                databaseOwner,

		`^SELECT pg_create_physical_replication_slot\(` + literal + `, true\)$`: func(c call) error {
			return c.createSlot(topology.Slot{Name: c.found[1], Type: "physical"})
		},
		`^SELECT pg_create_logical_replication_slot\(` + literal + `, ` + literal + `, (false|true)(?:, (false|true))?(?:, (false|true))?\)$`: func(c call) error {
			return c.createSlot(topology.Slot{
				Name: c.found[1], Type: "logical", Plugin: c.found[2], Database: c.database, TwoPhase: c.found[4] == "true", Failover: c.found[5] == "true",
			})
		},
		`^SELECT pg_drop_replication_slot\(` + literal + `\)$`:                                                                         dropSlot,
		`^SELECT pg_drop_replication_slot\(slot_name\) FROM pg_replication_slots WHERE slot_name = ` + literal + `( AND NOT active)?$`: dropSlotIfThere,
		`^SELECT pg_drop_replication_slot\(slot_name\) FROM pg_replication_slots WHERE slot_name IN \(.*\)$`:                           dropSlots,
		`^DO \$\$BEGIN\s+WHILE EXISTS \(SELECT FROM pg_replication_slots s WHERE slot_name IN \(([^)]*)\)`:                             dropLeftovers,
		`^SELECT pg_promote\(false\) WHERE pg_is_in_recovery\(\)$`:                                                                     promote,
		`^SELECT pg_wal_replay_resume\(\)$`: func(c call) error {
			if r := c.n.Server.Receiver; r != nil {
				r.ReplayPaused = false
			}
			return nil
		},
	}
}

// record writes rows of the ledger.
func record(c call) error {
	if c.n.Server.Ledger == nil {
		return fmt.Errorf("there is no ledger")
	}
	rows := regexp.MustCompile(`\(`+literal+`, (?:'intent at ' \|\| (pg_current_wal_insert_lsn\(\)) \|\| ' ((?:[^']|'')*)'|concat\(`+literal+`, ' oid ' \|\| \(.*?\)\)|concat\(`+literal+`, ' at ', pg_current_wal_insert_lsn\(\)\)|`+literal+`)\)`).FindAllStringSubmatch(c.text, -1)
	if len(rows) == 0 {
		return unknown{"rows of the ledger"}
	}
	for _, r := range rows {
		row := facts.Managed{Address: unquoted(r[1]), Since: "2026-11-26 10:00:00+00"}
		switch {
		case r[2] != "":
			row.Object, row.Intent = strings.ReplaceAll(r[3], "''", "'"), "0/5000000"
		case r[4] != "":
			row.Object = unquoted(r[4])
			row.OID = c.oidOf(row.Object)
		case r[5] != "":
			row.Object, row.At = unquoted(r[5]), "0/5000000"
		default:
			row.Object = unquoted(r[6])
		}
		l := c.n.Server.Ledger
		l.Managed = append(remove(l.Managed, func(m facts.Managed) bool { return m.Address == row.Address }), row)
	}
	return nil
}

// oidOf returns the OID of an object as the ledger names it.
func (c call) oidOf(object string) int64 {
	kind, name, _ := strings.Cut(object, " ")
	switch kind {
	case "role":
		if r := c.n.Server.Role(name); r != nil {
			return r.OID
		}
	case "database":
		if db := c.n.Server.Database(name); db != nil {
			return db.OID
		}
	case "subscription":
		database, name, _ := strings.Cut(name, ".")
		if sub := c.n.Server.Logical[database].Subscription(name); sub != nil {
			return sub.OID
		}
	}
	return 0
}

func forget(c call) error {
	_, condition, _ := strings.Cut(c.text, "WHERE address ")
	addresses, object, _ := strings.Cut(condition, " AND ")
	for _, address := range regexp.MustCompile(literal).FindAllString(addresses, -1) {
		l := c.n.Server.Ledger
		l.Managed = remove(l.Managed, func(m facts.Managed) bool {
			return m.Address == unquoted(address) && (object == "" || m.Intent == "" && strings.Contains(object, "'"+strings.ReplaceAll(m.Object, "'", "''")+"'"))
		})
	}
	return nil
}

// attributes changes a role by the words of CREATE or ALTER ROLE.
func attributes(c call, r *facts.Role, text string) error {
	flags := map[string]*bool{
		"LOGIN": &r.Login, "SUPERUSER": &r.Superuser, "CREATEDB": &r.CreateDB, "CREATEROLE": &r.CreateRole,
		"REPLICATION": &r.Replication, "BYPASSRLS": &r.BypassRLS, "INHERIT": &r.Inherit,
	}
	words := regexp.MustCompile(literal+`|[^\s]+`).FindAllString(text, -1)
	for i := 0; i < len(words); i++ {
		word, next := words[i], ""
		if i+1 < len(words) {
			next = words[i+1]
		}
		switch {
		case flags[word] != nil:
			*flags[word] = true
		case flags[strings.TrimPrefix(word, "NO")] != nil:
			*flags[strings.TrimPrefix(word, "NO")] = false
		case word == "PASSWORD" && next == "NULL":
			r.Verifier = topology.Secret{}
			i++
		case word == "PASSWORD":
			r.Verifier = topology.NewSecret("", unquoted(next))
			i++
		case word == "CONNECTION" && next == "LIMIT":
			limit, err := strconv.Atoi(words[i+2])
			if err != nil {
				return err
			}
			r.ConnectionLimit = limit
			i += 2
		case word == "VALID" && next == "UNTIL":
			r.ValidUntil = unquoted(words[i+2])
			if r.ValidUntil == "infinity" {
				r.ValidUntil = ""
			}
			r.Expired = false
			i += 2
		default:
			return unknown{"role attribute " + word}
		}
	}
	return nil
}

func createRole(c call) error {
	if c.n.Server.Role(c.found[1]) != nil {
		return fmt.Errorf("role %s exists", c.found[1])
	}
	c.oid++
	r := facts.Role{Role: topology.Role{Name: c.found[1], Inherit: true, ConnectionLimit: -1}, OID: c.oid}
	err := attributes(c, &r, c.found[2])
	c.n.Server.Roles = append(c.n.Server.Roles, r)
	return err
}

func (c call) role(name string) (*facts.Role, error) {
	if r := c.n.Server.Role(name); r != nil {
		return r, nil
	}
	return nil, fmt.Errorf("role %s does not exist", name)
}

func alterRole(c call) error {
	r, err := c.role(c.found[1])
	if err != nil {
		return err
	}
	return attributes(c, r, c.found[2])
}

func dropRole(c call) error {
	r, err := c.role(c.found[1])
	if err != nil {
		return err
	}
	if len(r.NeededBy) > 0 {
		return unknown{"DROP ROLE of one that owns something"}
	}
	c.n.Server.Roles = remove(c.n.Server.Roles, func(r facts.Role) bool { return r.Name == c.found[1] })
	for i := range c.n.Server.Roles {
		r := &c.n.Server.Roles[i]
		r.MemberOf = remove(r.MemberOf, func(g string) bool { return g == c.found[1] })
	}
	return nil
}

func grant(c call) error {
	r, err := c.role(c.found[2])
	if err == nil && !slices.Contains(r.MemberOf, c.found[1]) {
		r.MemberOf = append(slices.Clone(r.MemberOf), c.found[1])
		slices.Sort(r.MemberOf)
	}
	return err
}

func revoke(c call) error {
	r, err := c.role(c.found[2])
	if err == nil {
		r.MemberOf = remove(r.MemberOf, func(g string) bool { return g == c.found[1] })
		r.Grants = remove(r.Grants, func(g facts.Grant) bool { return g.Role == c.found[1] })
	}
	return err
}

func createDatabase(c call) error {
	if c.n.Server.Database(c.found[1]) != nil {
		return fmt.Errorf("database %s exists", c.found[1])
	}
	db := topology.Database{Name: c.found[1], Owner: "postgres", Encoding: "UTF8", Locale: "C.UTF-8"}
	rest := c.found[2]
	if found := regexp.MustCompile(`^ OWNER ` + ident).FindStringSubmatch(rest); found != nil {
		db.Owner, rest = unquoted(found[1]), rest[len(found[0]):]
	}
	if rest != "" {
		return unknown{"CREATE DATABASE with" + rest}
	}
	c.oid++
	c.n.Server.Databases = append(c.n.Server.Databases, facts.Database{Database: db, OID: c.oid, Bytes: 8 << 20})
	for _, of := range c.top.Publications {
		if of.Database == db.Name && of.Cluster == c.top.Cluster(c.top.Node(c.n.Name)) {
			c.readDatabase(db.Name)
		}
	}
	for _, of := range c.top.Subscriptions {
		if of.Database == db.Name && of.Cluster == c.top.Cluster(c.top.Node(c.n.Name)) {
			c.readDatabase(db.Name)
		}
	}
	return nil
}

// readDatabase has the next reading look into a new database.
func (c call) readDatabase(name string) {
	if c.n.Server.Logical == nil {
		c.n.Server.Logical = map[string]*facts.Logical{}
	}
	if c.n.Server.Logical[name] == nil {
		c.n.Server.Logical[name] = &facts.Logical{Access: map[string]facts.Access{}}
	}
}

func dropDatabase(c call) error {
	if c.n.Server.Database(c.found[1]) == nil {
		return fmt.Errorf("database %s does not exist", c.found[1])
	}
	if slices.ContainsFunc(c.n.Server.Slots, func(s facts.Slot) bool { return s.Database == c.found[1] }) {
		return fmt.Errorf("database %s is used by a logical replication slot", c.found[1])
	}
	if l := c.n.Server.Logical[c.found[1]]; l != nil && len(l.Subscriptions) > 0 {
		return fmt.Errorf("database %s is being used by a subscription", c.found[1])
	}
	c.n.Server.Databases = remove(c.n.Server.Databases, func(d facts.Database) bool { return d.Name == c.found[1] })
	delete(c.n.Server.Logical, c.found[1])
	for i := range c.n.Server.Roles {
		r := &c.n.Server.Roles[i]
		r.NeededBy = remove(r.NeededBy, func(d string) bool { return d == c.found[1] })
		delete(r.Owns, c.found[1])
	}
	c.n.Server.Subscribing = remove(c.n.Server.Subscribing, func(d string) bool { return d == c.found[1] })
	return nil
}

func databaseOwner(c call) error {
	db := c.n.Server.Database(c.found[1])
	if db == nil || c.n.Server.Role(c.found[2]) == nil && c.found[2] != "postgres" {
		return fmt.Errorf("no such database or role")
	}
	db.Owner = c.found[2]
	return nil
}

func (c call) createSlot(s topology.Slot) error {
	if c.n.Server.Slot(s.Name) != nil {
		return fmt.Errorf("slot %s exists", s.Name)
	}
	c.n.Server.Slots = append(c.n.Server.Slots, facts.Slot{Slot: s, RestartLSN: "0/5000000", WALStatus: "reserved"})
	if c.n.Host.SlotsCreated == nil {
		c.n.Host.SlotsCreated = map[string]int64{}
	}
	c.n.Host.SlotsCreated[s.Name] = time.Date(2026, 11, 26, 10, 0, 0, 0, time.UTC).Unix()
	return nil
}

func dropSlot(c call) error {
	s := c.n.Server.Slot(c.found[1])
	switch {
	case s == nil:
		return fmt.Errorf("slot %s does not exist", c.found[1])
	case s.Active:
		return fmt.Errorf("slot %s is active", c.found[1])
	}
	return dropSlotIfThere(c)
}

func dropSlotIfThere(c call) error {
	if s := c.n.Server.Slot(c.found[1]); s != nil && s.Active {
		return fmt.Errorf("slot %s is active", c.found[1])
	}
	c.n.Server.Slots = remove(c.n.Server.Slots, func(s facts.Slot) bool { return s.Name == c.found[1] })
	return nil
}
