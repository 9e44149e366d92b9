package plan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/repltool/repltool/providers/facts"
	"github.com/repltool/repltool/providers/scram"
	"github.com/repltool/repltool/topology"
)

// Roles are made before what they own and altered in place. A password reaches
// the server as a SCRAM verifier, made by apply; whether the stored one fits is
// told by computing it again (PostgreSQL docs, 21.5 "Password Authentication").

func roles(s *scope, out *findings) {
	for _, r := range s.cluster.Roles {
		out.put(s.role(r))
	}
	for _, m := range s.managed("role") {
		_, name, _ := parseObject(m.Object)
		if s.cluster.Role(name) == nil {
			s.dropRole(name, m.Address, out)
		}
	}
	s.strangeRoles(out)
}

// strangeRoles reports the roles that may replicate and that nobody declares.
// Other roles are the business of those who use the databases.
func (s *scope) strangeRoles(out *findings) {
	if s.live() == nil {
		return
	}
	for _, r := range s.live().Roles {
		if r.Replication && !r.Superuser && s.cluster.Role(r.Name) == nil && len(s.managedNamed("role", r.Name)) == 0 {
			out.unmanaged = append(out.unmanaged, Notice{
				Address: s.address("role", r.Name), Node: s.cluster.Primary.Name,
				Detail: "role " + ident(r.Name) + " has REPLICATION and is not in the topology",
			})
		}
	}
}

// foundRole answers the role as it is, or nil.
func (s *scope) foundRole(name string) *facts.Role {
	if s.live() == nil {
		return nil
	}
	for i := range s.live().Roles {
		if s.live().Roles[i].Name == name {
			return &s.live().Roles[i]
		}
	}
	return nil
}

func (s *scope) role(r *topology.Role) *draft {
	found := s.foundRole(r.Name)
	action := Update
	if found == nil {
		action = Create
	}
	d := newDraft(action, s.address("role", r.Name), s.cluster.Primary)
	d.after = []string{s.nodeAddress(s.cluster.Primary), s.ledgerAddress()}
	for _, member := range r.MemberOf {
		d.after = append(d.after, s.address("role", member))
	}
	if found == nil {
		s.createRole(d, r)
	} else {
		s.alterRole(d, r, found)
	}
	return d
}

func (s *scope) createRole(d *draft, r *topology.Role) {
	var b textBuilder
	b.write(intend(d.Address, object("role", r.Name, "")), "\nCREATE ROLE ", ident(r.Name))
	for _, o := range roleOptions(r) {
		if o.clause != o.byDefault {
			d.differ(o.name, nil, ptr(o.shown), "")
			b.write(" ", o.clause)
		}
	}
	if r.Password.IsSet() {
		d.differ("password", nil, ptr(topology.Redacted), "")
		b.write(" PASSWORD ").secret(r.Password, FormSCRAM)
	}
	b.write(";")
	for _, m := range r.MemberOf {
		d.differ("member_of", nil, ptr(m), "")
		b.write("\nGRANT ", ident(m), " TO ", ident(r.Name), ";")
	}
	for _, name := range r.Parameters.Names() {
		s.setParameter(d, &b, "ROLE "+ident(r.Name), name, r.Parameters[name], nil)
	}
	d.step(s.cluster.Primary, "create role", SQL{Database: maintenance, SQL: b.done()})
}

func (s *scope) alterRole(d *draft, r *topology.Role, found *facts.Role) {
	var b textBuilder
	var clauses []string
	now := roleOptions(&found.Role)
	for i, o := range roleOptions(r) {
		if o.shown == now[i].shown || o.says == "" || r.Lifecycle.Ignores(o.name) || s.cluster.Lifecycle.Ignores(o.name) {
			continue
		}
		d.differ(o.name, ptr(now[i].shown), ptr(o.shown), "")
		clauses = append(clauses, o.clause)
	}
	password := r.Password.IsSet() && !r.Lifecycle.Ignores("password") &&
		!scram.Matches(found.Verifier.Reveal(), r.Name, r.Password.Reveal())
	if len(clauses) > 0 || password {
		b.write("ALTER ROLE ", ident(r.Name))
		for _, c := range clauses {
			b.write(" ", c)
		}
		if password {
			d.differ("password", ptr(topology.Redacted), ptr(topology.Redacted), passwordNote(found))
			b.write(" PASSWORD ").secret(r.Password, FormSCRAM)
		}
		b.write(";\n")
	}
	s.alterMemberships(d, &b, r, found)
	for _, name := range r.Parameters.Names() {
		current, set := found.Parameters[name]
		if !set || !s.sameParameter(name, current.Value, r.Parameters[name]) {
			var before *string
			if set {
				before = &current.Value
			}
			s.setParameter(d, &b, "ROLE "+ident(r.Name), name, r.Parameters[name], before)
		}
	}
	d.alter(s.cluster.Primary, b.done())
}

func passwordNote(found *facts.Role) string {
	switch {
	case !found.Verifier.IsSet() || found.Verifier.Reveal() == "":
		return "there is none"
	case strings.HasPrefix(found.Verifier.Reveal(), "md5"):
		return "the stored one is md5 or another"
	default:
		return "the stored one is another"
	}
}

// roleOption is one attribute of a role as SQL. says is "" where a wanted role
// leaves it open.
type roleOption struct{ name, shown, clause, byDefault, says string }

func roleOptions(r *topology.Role) []roleOption {
	flag := func(name, word string, on, byDefault bool) roleOption {
		clause := map[bool]string{true: word, false: "NO" + word}
		return roleOption{name, fmt.Sprint(on), clause[on], clause[byDefault], name}
	}
	limit := fmt.Sprint(r.ConnectionLimit)
	until := validUntil(r.ValidUntil)
	return []roleOption{
		flag("login", "LOGIN", r.Login, false),
		flag("replication", "REPLICATION", r.Replication, false),
		flag("superuser", "SUPERUSER", r.Superuser, false),
		flag("createdb", "CREATEDB", r.CreateDB, false),
		flag("createrole", "CREATEROLE", r.CreateRole, false),
		flag("inherit", "INHERIT", r.Inherit, true),
		flag("bypassrls", "BYPASSRLS", r.BypassRLS, false),
		{"connection_limit", limit, "CONNECTION LIMIT " + limit, "CONNECTION LIMIT -1", limit},
		{"valid_until", until, "VALID UNTIL " + literal(until), "VALID UNTIL 'infinity'", r.ValidUntil},
	}
}

// validUntil writes a time in one form, UTC where the text names no zone.
// "infinity" is the same as none.
func validUntil(text string) string {
	if text == "" || strings.EqualFold(text, "infinity") {
		return "infinity"
	}
	for _, form := range []string{time.RFC3339, "2006-01-02 15:04:05Z07", "2006-01-02 15:04:05Z07:00", "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC().Format("2006-01-02 15:04:05Z07:00")
		}
	}
	return text
}

func (s *scope) alterMemberships(d *draft, b *textBuilder, r *topology.Role, found *facts.Role) {
	if r.MemberOf == nil || r.Lifecycle.Ignores("member_of") {
		return
	}
	for _, m := range r.MemberOf {
		if !slices.Contains(found.MemberOf, m) {
			d.differ("member_of", nil, ptr(m), "")
			b.write("GRANT ", ident(m), " TO ", ident(r.Name), ";\n")
		}
	}
	for _, m := range found.MemberOf {
		if !slices.Contains(r.MemberOf, m) {
			d.differ("member_of", ptr(m), nil, "")
			b.write("REVOKE ", ident(m), " FROM ", ident(r.Name), ";\n")
		}
	}
}

// setParameter adds ALTER ROLE or DATABASE … SET.
func (s *scope) setParameter(d *draft, b *textBuilder, of, name string, p topology.Parameter, before *string) {
	after := p.Value
	if p.Secret.IsSet() {
		after = topology.Redacted
		if before != nil {
			before = ptr(topology.Redacted)
		}
	}
	d.differ("parameters."+name, before, &after, "")
	b.write("\nALTER ", of, " SET ", parameterName(name), " = ")
	if p.Secret.IsSet() {
		b.secret(p.Secret, FormLiteral)
	} else {
		b.write(setValue(name, p.Value))
	}
	b.write(";")
}

// setValue writes the value of ALTER … SET. Of a parameter that is a list of
// names, each is a literal of its own: one literal would be one name.
func setValue(name, value string) string {
	if !isNameList(name) {
		return literal(value)
	}
	return literals(splitNames(value))
}

// isNameList tells whether the server quotes the parameter's elements (its
// GUC_LIST_QUOTE).
func isNameList(name string) bool {
	switch name {
	case "local_preload_libraries", "search_path", "session_preload_libraries", "shared_preload_libraries", "temp_tablespaces", "unix_socket_directories":
		return true
	}
	return false
}

// splitNames parts a list of names as the server does: a name outside double
// quotes is folded to small letters.
func splitNames(value string) []string {
	var names []string
	for rest := strings.TrimSpace(value); rest != ""; {
		var name string
		if strings.HasPrefix(rest, `"`) {
			end := 1
			for end < len(rest) && (rest[end] != '"' || end+1 < len(rest) && rest[end+1] == '"') {
				if rest[end] == '"' {
					end++
				}
				end++
			}
			name, rest = strings.ReplaceAll(rest[1:min(end, len(rest))], `""`, `"`), rest[min(end+1, len(rest)):]
			_, rest, _ = strings.Cut(rest, ",")
		} else {
			name, rest, _ = strings.Cut(rest, ",")
			name = strings.ToLower(strings.TrimSpace(name))
		}
		names, rest = append(names, name), strings.TrimSpace(rest)
	}
	if names == nil {
		return []string{""}
	}
	return names
}

// parameterName quotes each part of a name with dots.
func parameterName(name string) string {
	parts := strings.Split(name, ".")
	for i := range parts {
		parts[i] = ident(parts[i])
	}
	return strings.Join(parts, ".")
}

func (s *scope) sameParameter(name, current string, wanted topology.Parameter) bool {
	value := wanted.Value
	if wanted.Secret.IsSet() {
		value = wanted.Secret.Reveal()
	}
	if isNameList(name) {
		return slices.Equal(splitNames(current), splitNames(value))
	}
	return same(s.live().Settings[name], current, value)
}

// dropRole removes a role that repltool made and that left the topology.
func (s *scope) dropRole(name, address string, out *findings) {
	d := newDraft(Delete, address, s.cluster.Primary)
	d.after = []string{s.ledgerAddress()}
	for _, db := range s.cluster.Databases {
		d.after = append(d.after, s.address("database", db.Name)) // its owner may change first
	}
	if s.foundRole(name) == nil {
		d.Reason = "it is gone already; the ledger still has it"
		d.sql(s.cluster.Primary, "strike out", forget(address))
	} else {
		d.Reason = "no longer in the topology, and repltool made it"
		d.worsen(Drop)
		d.sql(s.cluster.Primary, "drop role", "DROP ROLE "+ident(name)+";", forget(address))
	}
	out.put(d)
}
