package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// Roles, databases and rules, judged before the first of them is made.

// checkObjects refuses what the server would refuse in the middle of an apply.
func (s *scope) checkObjects(out *findings) {
	if s.live() == nil && !s.fresh() {
		return
	}
	for _, r := range s.cluster.Roles {
		s.checkObjectParameters("role", r.Name, r.Parameters, out)
		for _, m := range r.MemberOf {
			if why := s.noRole(m); why != "" {
				out.fail(r.Range, "Role is missing", "Role %q is to be a member of %q: %s", r.Name, m, why)
			}
		}
	}
	for _, db := range s.cluster.Databases {
		s.checkObjectParameters("database", db.Name, db.Parameters, out)
		if why := s.noRole(db.Owner); db.Owner != "" && why != "" {
			out.fail(db.Range, "Role is missing", "Database %q is to be owned by %q: %s", db.Name, db.Owner, why)
		}
		if s.live().Database(db.Name) == nil {
			s.checkNewDatabase(db, out)
		}
	}
	s.checkDrops(out)
	s.checkRules(out)
}

// predefined are PostgreSQL's own roles that are newer than version 13 (PostgreSQL
// docs, 22.5 "Predefined Roles").
func predefined() map[string]int {
	return map[string]int{
		"pg_monitor": 10, "pg_read_all_settings": 10, "pg_read_all_stats": 10, "pg_stat_scan_tables": 10, "pg_signal_backend": 9,
		"pg_read_server_files": 11, "pg_write_server_files": 11, "pg_execute_server_program": 11,
		"pg_database_owner": 14, "pg_read_all_data": 14, "pg_write_all_data": 14, "pg_checkpoint": 15,
		"pg_use_reserved_connections": 16, "pg_create_subscription": 16, "pg_maintain": 17, "pg_signal_autovacuum_worker": 18,
	}
}

// noRole answers why there is no role of that name, and none will be; or "".
func (s *scope) noRole(name string) string {
	since, known := predefined()[name]
	switch {
	case known && since > s.major() && s.major() != 0:
		return fmt.Sprintf("PostgreSQL %d has no such role; it came with PostgreSQL %d.", s.major(), since)
	case s.cluster.Role(name) == nil && s.isOurs(object{kind: "role", name: name}):
		return fmt.Sprintf("that role left the topology, and is dropped since repltool made it. Keep its block, role %q, or take it out here.", name)
	case known, strings.HasPrefix(name, "pg_"), s.cluster.Role(name) != nil, s.live().Role(name) != nil:
		return ""
	case s.live() == nil && s.primary().Host != nil && name == s.primary().Host.OSUser:
		return "" // initdb makes it
	}
	return fmt.Sprintf("there is no such role. Add a block role %q, or take it out.", name)
}

// checkObjectParameters judges what ALTER ROLE or DATABASE … SET is to set.
func (s *scope) checkObjectParameters(kind, name string, wanted topology.Parameters, out *findings) {
	if s.live() == nil {
		return // there is no server to ask yet
	}
	for _, p := range wanted.Names() {
		if p == "role" {
			continue // pg_settings does not show it
		}
		fault := judge(s.live(), p, wanted[p])
		if fault == nil {
			fault = judgeSession(kind, p, s.live().Settings[p], wanted[p])
		}
		if fault != nil {
			out.fail(fault.at, fault.summary, "%s %q: %s", kind, name, fault.text)
		}
	}
}

// judgeSession tells of settings that no session has a value of its own of.
func judgeSession(kind, name string, setting facts.Setting, p topology.Parameter) *paramFault {
	if setting.Context != "postmaster" && setting.Context != "sighup" {
		return nil
	}
	return &paramFault{
		at: p.Range, summary: "Parameter cannot be set here",
		text: fmt.Sprintf("%s is one for the whole server, not for a %s: set it in the parameters of the cluster.", name, kind),
	}
}

// checkNewDatabase refuses what CREATE DATABASE would.
func (s *scope) checkNewDatabase(db *topology.Database, out *findings) {
	template := s.live().Database(db.Template)
	switch {
	case db.Template == db.Name:
		out.fail(db.Range, "Template is missing", "Database %q is its own template.", db.Name)
	case db.Template != "" && template == nil && s.live() != nil && s.cluster.Database(db.Template) == nil:
		out.fail(db.Range, "Template is missing", "Database %q is to be a copy of %q, and there is no such database.", db.Name, db.Template)
	case template != nil && db.Template != "template0" && db.Encoding != "" && !sameEncoding(db.Encoding, template.Encoding):
		out.fail(db.Range, "Template has another encoding",
			"Database %q is to have encoding %s, and its template %s has %s. Only template0 can be copied to another encoding: leave template out.", db.Name, db.Encoding, db.Template, template.Encoding)
	case template != nil && db.Template != "template0" && db.Locale != "" && !sameLocale(db.Locale, template.Locale):
		out.fail(db.Range, "Template has another locale",
			"Database %q is to have locale %s, and its template %s has %s. Only template0 can be copied to another locale: leave template out.", db.Name, db.Locale, db.Template, template.Locale)
	}
	encoding := db.Encoding
	if t1 := s.live().Database("template1"); encoding == "" && t1 != nil {
		encoding = t1.Encoding
	} else if encoding == "" {
		encoding = s.cluster.InitDB.Encoding
	}
	if of := localeEncoding(db.Locale); of != "" && !sameEncoding(of, encoding) && topology.Encoding(encoding) != "SQL_ASCII" {
		out.fail(db.Range, "Locale does not fit the encoding",
			"Database %q is to have locale %s, which is for encoding %s, and encoding %s. Set encoding = %q, or another locale.", db.Name, db.Locale, of, encoding, of)
	}
}

// localeEncoding answers the encoding that a locale's name tells; "" for none.
func localeEncoding(locale string) string {
	_, codeset, _ := strings.Cut(locale, ".")
	codeset, _, _ = strings.Cut(codeset, "@")
	return topology.Encoding(codeset)
}

// checkDrops refuses to drop what the server would not let go, or what others still use.
func (s *scope) checkDrops(out *findings) {
	for _, m := range s.managed("role") {
		if s.cluster.Role(m.name) == nil && s.live().Role(m.name) != nil {
			s.checkDropRole(s.live().Role(m.name), out)
		}
	}
	for _, m := range s.managed("database") {
		if s.drops(m.name) && s.live().Database(m.name) != nil {
			s.checkDropDatabase(m.name, out)
		}
	}
}

// checkDropRole refuses to drop a role that owns something. Its privileges alone are
// revoked with it.
func (s *scope) checkDropRole(found *facts.Role, out *findings) {
	var where []string
	for _, db := range found.NeededBy {
		switch {
		case s.drops(db), found.Owns[db] <= s.letsGo(found.Name, db):
		case db == "":
			where = append(where, "objects that all databases share")
		default:
			where = append(where, "database "+ident(db))
		}
	}
	if where != nil {
		out.fail(s.cluster.Range, "Role cannot be dropped",
			"Role %s left the topology, and it still owns objects, or row security policies name it: %s. In each of them run, as a superuser,\n  REASSIGN OWNED BY %s TO postgres; DROP OWNED BY %s;\nor take the role into the topology again.",
			ident(found.Name), strings.Join(where, ", "), ident(found.Name), ident(found.Name))
	}
}

// checkDropDatabase refuses to drop a database that the topology still uses, or in which
// there is what repltool did not make and the server would refuse or drop along.
func (s *scope) checkDropDatabase(name string, out *findings) {
	var users []string
	for _, p := range s.publications() {
		if p.Database == name {
			users = append(users, p.ID)
		}
	}
	for _, sub := range s.subscriptions() {
		if sub.Database == name {
			users = append(users, sub.ID)
		}
	}
	for _, sub := range s.live().Applying {
		if o := (object{"subscription", sub.Name, sub.Database}); sub.Database == name && !s.isOurs(o) && !s.wantsSubscription(sub.Database, sub.Name) {
			users = append(users, "subscription "+ident(sub.Name)+", which is not defined in the topology")
		}
	}
	for _, slot := range s.live().Slots {
		switch wanted := slotWanted(s.wantedSlots(), s.cluster.Primary, slot.Name); {
		case slot.Database != name:
		case wanted:
			users = append(users, "slot "+ident(slot.Name))
		case !s.isOurs(object{"slot", slot.Name, s.cluster.Primary.Name}):
			users = append(users, "replication slot "+ident(slot.Name)+", which is not defined in the topology")
		case slot.Active && !s.leavesSlot(s.cluster.Primary, slot.Name):
			users = append(users, fmt.Sprintf("replication slot %s, in use by process %d", ident(slot.Name), slot.ActivePID))
		}
	}
	if len(users) > 0 {
		out.fail(s.cluster.Range, "Database is in use",
			"Database %s left the topology, and these still use it: %s. Remove them first, or add to %s\n  database %q {}", ident(name), few(users), s.cluster.ID, name)
	}
}

// drops tells whether the plan drops a database.
func (s *scope) drops(database string) bool {
	return s.isOurs(object{kind: "database", name: database}) && s.cluster.Database(database) == nil
}

// changesOwner tells whether the plan takes a database from its owner. What else the
// role has there is then the server's to tell.
func (s *scope) changesOwner(database, owner string) bool {
	wanted, found := s.cluster.Database(database), s.live().Database(database)
	return wanted != nil && wanted.Owner != "" && wanted.Owner != owner && found != nil && found.Owner == owner
}

// checkRules refuses rules that the server's version cannot read.
func (s *scope) checkRules(out *findings) {
	major := s.major()
	for _, r := range s.cluster.HBA {
		for _, gate := range ruleGates(r) {
			if major != 0 && major < gate.since {
				out.fail(r.Range, "Rule needs a newer version", "PostgreSQL %d cannot read this rule: %s came with PostgreSQL %d.", major, gate.what, gate.since)
			}
		}
	}
}

type gate struct {
	what  string
	since int
}

func ruleGates(r topology.HBARule) []gate {
	var gates []gate
	for _, name := range slices.Concat(r.Database, r.User) {
		if strings.HasPrefix(name, "/") {
			gates = append(gates, gate{fmt.Sprintf("a regular expression (%s) for names", name), 16})
		}
	}
	if r.Method == "oauth" {
		gates = append(gates, gate{"method oauth", 18})
	}
	for _, o := range r.Options {
		if o.Name == "clientname" {
			gates = append(gates, gate{"option clientname", 14})
		}
	}
	return gates
}
