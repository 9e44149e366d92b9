package check

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/words"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/topology"
)

// Roles, databases and rules, judged before the first of them is made.

// checkObjects refuses what the server would refuse in the middle of an apply.
func checkObjects(s *cluster.Cluster, out *draft.Findings) {
	if s.Live() == nil && !s.IsNew() {
		return
	}
	for _, r := range s.Cluster.Roles {
		checkObjectParameters(s, "role", r.Name, r.Parameters, out)
		for _, m := range r.MemberOf {
			if why := noRole(s, m); why != "" {
				out.Fail(r.Range, "Missing role", "Role %q would be a member of %q: %s", r.Name, m, why)
			}
		}
	}
	for _, db := range s.Cluster.Databases {
		checkObjectParameters(s, "database", db.Name, db.Parameters, out)
		if why := noRole(s, db.Owner); db.Owner != "" && why != "" {
			out.Fail(db.Range, "Missing role", "Database %q would be owned by %q: %s", db.Name, db.Owner, why)
		}
		if s.Live().Database(db.Name) == nil {
			checkRenamedDatabase(s, db, out)
			checkNewDatabase(s, db, out)
		}
	}
	checkDrops(s, out)
	checkRules(s, out)
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

// noRole returns why there is no role of that name, and none will be; or "".
func noRole(s *cluster.Cluster, name string) string {
	since, known := predefined()[name]
	switch {
	case known && since > s.Major() && s.Major() != 0:
		return fmt.Sprintf("PostgreSQL %d has no such role; it was added in PostgreSQL %d.", s.Major(), since)
	case s.Cluster.Role(name) == nil && s.IsOurs(cluster.Object{Kind: "role", Name: name}) && s.RoleUser(name) == nil:
		return fmt.Sprintf("that role is removed from the topology, and is dropped because repltool created it. Keep its block, role "+
			"%q, or remove it here.", name)
	case known, strings.HasPrefix(name, "pg_"), s.Cluster.Role(name) != nil, s.Live().Role(name) != nil:
		return ""
	case s.Live() == nil && s.Found(s.Goal.Primary).Host != nil && name == s.Found(s.Goal.Primary).Host.OSUser:
		return "" // initdb makes it
	}
	return fmt.Sprintf("there is no such role. Add a block role %q, or remove it here.", name)
}

// checkObjectParameters judges what ALTER ROLE or DATABASE … SET is to set.
func checkObjectParameters(s *cluster.Cluster, kind, name string, wanted topology.Parameters, out *draft.Findings) {
	if s.Live() == nil {
		return // there is no server to ask yet
	}
	for _, p := range wanted.Names() {
		if p == "role" {
			continue // pg_settings does not show it
		}
		fault := judge(s.Live(), p, wanted[p])
		if fault == nil {
			fault = judgeSession(kind, p, s.Live().Settings[p], wanted[p])
		}
		if fault != nil {
			out.Fail(fault.at, fault.summary, "%s %q: %s", kind, name, fault.text)
		}
	}
}

// judgeSession reports settings that no session has a value of its own of.
func judgeSession(kind, name string, setting facts.Setting, p topology.Parameter) *paramFault {
	if setting.Context != "postmaster" && setting.Context != "sighup" {
		return nil
	}
	return &paramFault{
		at: p.Range, summary: "Parameter cannot be set here",
		text: fmt.Sprintf("%s can be set only for the whole server, not for a %s: set it in the parameters of the cluster.", name, kind),
	}
}

// checkNewDatabase refuses what CREATE DATABASE would.
func checkNewDatabase(s *cluster.Cluster, db *topology.Database, out *draft.Findings) {
	template := s.Live().Database(db.Template)
	switch {
	case db.Template == db.Name:
		out.Fail(db.Range, "Missing template database", "Database %q is its own template.", db.Name)
	case db.Template != "" && template == nil && s.Live() != nil && s.Cluster.Database(db.Template) == nil:
		out.Fail(db.Range, "Missing template database", "Database %q would be a copy of %q, and there is no such database.", db.Name, db.Template)
	case template != nil && db.Template != "template0" && db.Encoding != "" && !cluster.SameEncoding(db.Encoding, template.Encoding):
		out.Fail(db.Range, "Template encoding mismatch",
			"Database %q would have encoding %s, but its template %s has %s. Only template0 can be copied with another "+
				"encoding: remove template.", db.Name, db.Encoding, db.Template, template.Encoding)
	case template != nil && db.Template != "template0" && db.Locale != "" && !pg.SameLocale(db.Locale, template.Locale):
		out.Fail(db.Range, "Template locale mismatch",
			"Database %q would have locale %s, but its template %s has %s. Only template0 can be copied with another "+
				"locale: remove template.", db.Name, db.Locale, db.Template, template.Locale)
	}
	encoding := db.Encoding
	if t1 := s.Live().Database("template1"); encoding == "" && t1 != nil {
		encoding = t1.Encoding
	} else if encoding == "" {
		encoding = s.Cluster.InitDB.Encoding
	}
	if of := localeEncoding(db.Locale); of != "" && !cluster.SameEncoding(of, encoding) && topology.Encoding(encoding) != "SQL_ASCII" {
		out.Fail(db.Range, "Locale and encoding mismatch",
			"Database %q would have locale %s, which is for encoding %s, and encoding %s. Set encoding = %q, or another "+
				"locale.", db.Name, db.Locale, of, encoding, of)
	}
}

// localeEncoding returns the encoding that a locale's name tells; "" for none.
func localeEncoding(locale string) string {
	_, codeset, _ := strings.Cut(locale, ".")
	codeset, _, _ = strings.Cut(codeset, "@")
	return topology.Encoding(codeset)
}

// checkDrops refuses to drop what the server would not let go, or what others still use.
func checkDrops(s *cluster.Cluster, out *draft.Findings) {
	for _, m := range s.Managed("role") {
		if s.Cluster.Role(m.Name) == nil && s.Live().Role(m.Name) != nil && s.RoleUser(m.Name) == nil {
			checkDropRole(s, s.Live().Role(m.Name), out)
		}
	}
	for _, m := range s.Managed("database") {
		if s.Drops(m.Name) && s.Live().Database(m.Name) != nil {
			checkDropDatabase(s, m.Name, out)
		}
	}
}

// checkDropRole refuses to drop a role that owns something. Its privileges alone are
// revoked with it.
func checkDropRole(s *cluster.Cluster, found *facts.Role, out *draft.Findings) {
	var where []string
	for _, db := range found.NeededBy {
		switch {
		case s.Drops(db), found.Owns[db] <= s.LetsGo(found.Name, db):
		case db == "":
			where = append(where, "objects that all databases share")
		default:
			where = append(where, "database "+pg.Ident(db))
		}
	}
	if where != nil {
		out.Fail(s.Cluster.Range, "Role with dependent objects",
			"Role %s is removed from the topology, but it still owns objects, or row security policies name it: %s. In "+
				"each of them run, as a superuser,\n"+
				"  REASSIGN OWNED BY %s TO postgres; DROP OWNED BY %s;\nor add the role to the topology again.",
			pg.Ident(found.Name), strings.Join(where, ", "), pg.Ident(found.Name), pg.Ident(found.Name))
	}
}

// checkDropDatabase refuses to drop a database that the topology still uses, or in which
// there is what repltool did not make and the server would refuse or drop along.
func checkDropDatabase(s *cluster.Cluster, name string, out *draft.Findings) {
	var users []string
	for _, p := range s.Publications() {
		if p.Database == name {
			users = append(users, p.ID)
		}
	}
	for _, sub := range s.Subscriptions() {
		if sub.Database == name {
			users = append(users, sub.ID)
		}
	}
	for _, slot := range s.Live().Slots {
		switch wanted := cluster.SlotWanted(s.WantedSlots(), s.Goal.Primary, slot.Name); {
		case slot.Database != name:
		case wanted:
			users = append(users, "slot "+pg.Ident(slot.Name))
		case !s.IsOurs(cluster.Object{Kind: "slot", Name: slot.Name, In: s.Leading().Name}):
			users = append(users, "replication slot "+pg.Ident(slot.Name)+", which is not defined in the topology")
		case slot.Active && !s.LeavesSlot(s.Now.Leader, slot.Name):
			users = append(users, fmt.Sprintf("replication slot %s, in use by process %d", pg.Ident(slot.Name), slot.ActivePID))
		}
	}
	if len(users) > 0 {
		out.Fail(s.Cluster.Range, "Database in use",
			"Database %s is removed from the topology, but it is still used by: %s. Remove them first, or add to %s\n"+
				"  database %q {}", pg.Ident(name), words.Few(users), s.Cluster.ID, name)
	}
}

// checkRules refuses rules that the server's version cannot read.
func checkRules(s *cluster.Cluster, out *draft.Findings) {
	major := s.Major()
	for _, r := range s.Cluster.HBA {
		for _, gate := range ruleGates(r) {
			if major != 0 && major < gate.since {
				out.Fail(r.Range, "Rule not supported by the server", "PostgreSQL %d does not support this rule: %s requires PostgreSQL %d.", major, gate.what, gate.since)
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
