package plan

import (
	"slices"
	"strings"

	"github.com/repltool/repltool/topology"
)

// Parameters of a role or a database (ALTER ROLE, ALTER DATABASE … SET). Each that
// repltool sets has a row of its own in the ledger: one that leaves the topology is
// reset then, and one that somebody else set is left alone.

// ownParameters are the wanted parameters of one role or database.
type ownParameters struct {
	kind, name string // of the object: "role" or "database"
	wanted     topology.Parameters
}

func roleParameters(r *topology.Role) ownParameters {
	return ownParameters{"role", r.Name, r.Parameters}
}

func databaseParameters(db *topology.Database) ownParameters {
	return ownParameters{"database", db.Name, db.Parameters}
}

// alter begins the statement that changes the object.
func (o ownParameters) alter() string {
	return "ALTER " + strings.ToUpper(o.kind) + " " + ident(o.name)
}

func (s *scope) parameterRow(o ownParameters, parameter string) row {
	kind := o.kind + "_parameter"
	return row{s.address(kind, parameter+" "+o.name), object{kind, parameter, o.name}}
}

// rowsOf are the ledger's rows of a new object, first, and of its parameters.
func (s *scope) rowsOf(address topology.Address, o ownParameters) []row {
	rows := []row{{address, object{kind: o.kind, name: o.name}}}
	for _, name := range o.wanted.Names() {
		rows = append(rows, s.parameterRow(o, name))
	}
	return rows
}

// withParameters answers the keys of the ledger's rows of an object and its parameters.
func (s *scope) withParameters(of row) []topology.Address {
	addresses := []topology.Address{of.address}
	for _, m := range s.managed(of.kind + "_parameter") {
		if m.in == of.name {
			addresses = append(addresses, m.address)
		}
	}
	return addresses
}

// setParameters adds the parameters of an object that is new; its rows are written.
func (s *scope) setParameters(d *draft, b *textBuilder, o ownParameters) {
	for _, name := range o.wanted.Names() {
		setParameter(d, b, o, name, nil)
	}
}

// alterParameters adds what sets and resets the parameters of an object as found.
func (s *scope) alterParameters(d *draft, b *textBuilder, o ownParameters, found topology.Parameters) {
	var ours []row
	var set []string
	for _, name := range o.wanted.Names() {
		if current, is := found[name]; !is || !s.sameParameter(name, current.Value, o.wanted[name]) {
			ours, set = append(ours, s.parameterRow(o, name)), append(set, name)
		}
	}
	if ours != nil {
		b.statement(record(ours...))
	}
	for _, name := range set {
		var before *string
		if current, is := found[name]; is {
			before = &current.Value
		}
		setParameter(d, b, o, name, before)
	}
	s.resetParameters(d, b, o, found)
}

// resetParameters takes back what repltool set and the topology no longer has.
func (s *scope) resetParameters(d *draft, b *textBuilder, o ownParameters, found topology.Parameters) {
	var gone []topology.Address
	for _, m := range s.managed(o.kind + "_parameter") {
		if _, wanted := o.wanted[m.name]; wanted || m.in != o.name {
			continue
		}
		gone = append(gone, m.address)
		if current, set := found[m.name]; set {
			d.differ("parameters."+m.name, &current.Value, nil, "no longer in the topology")
			b.statement(o.alter(), " RESET ", parameterName(m.name), ";")
		}
	}
	if gone != nil {
		b.statement(forget(gone...))
	}
}

// leftParameters takes back parameters of objects that left the topology and stay,
// since they were there before repltool.
func (s *scope) leftParameters(kind string, out *findings) {
	done := map[string]bool{}
	for _, m := range s.managed(kind + "_parameter") {
		name := m.in
		if done[name] || s.wants(kind, name) || s.isOurs(object{kind: kind, name: name}) {
			continue
		}
		done[name] = true
		d := newDraft(Update, s.address(kind, name), s.cluster.Primary)
		d.after = []topology.Address{s.ledgerAddress()}
		d.Reason = "no longer in the topology; it was there before repltool, which takes back what it set"
		if s.parametersFound(kind, name) == nil {
			d.Reason = "it is gone already; the ledger still has it"
		}
		var b textBuilder
		s.resetParameters(d, &b, ownParameters{kind: kind, name: name}, s.parametersFound(kind, name))
		d.alter(s.cluster.Primary, b.done())
		out.put(d)
	}
}

func (s *scope) wants(kind, name string) bool {
	if kind == "role" {
		return s.cluster.Role(name) != nil
	}
	return s.cluster.Database(name) != nil
}

func (s *scope) parametersFound(kind, name string) topology.Parameters {
	if r := s.live().Role(name); kind == "role" && r != nil {
		return r.Parameters
	}
	if db := s.live().Database(name); kind == "database" && db != nil {
		return db.Parameters
	}
	return nil
}

// setParameter adds one ALTER … SET.
func setParameter(d *draft, b *textBuilder, o ownParameters, name string, before *string) {
	p := o.wanted[name]
	after := p.Value
	if p.Secret.IsSet() {
		after = topology.Redacted
		if before != nil {
			before = ptr(topology.Redacted)
		}
	}
	d.differ("parameters."+name, before, &after, "")
	b.statement(o.alter(), " SET ", parameterName(name), " = ")
	if p.Secret.IsSet() {
		b.secret(p.Secret, FormLiteral)
	} else {
		b.write(setValue(name, p.Value))
	}
	b.write(";")
}

// isWordList tells of parameters that are a list of words, the case and blanks of
// which mean nothing, and which ALTER … SET stores as they were written.
func isWordList(name string) bool {
	return slices.Contains([]string{"createrole_self_grant", "datestyle", "log_destination", "restrict_nonsystem_relation_kind", "wal_consistency_checking"}, name)
}

func sameWords(a, b string) bool {
	words := func(text string) []string {
		all := strings.Split(strings.ToLower(text), ",")
		for i := range all {
			all[i] = strings.TrimSpace(all[i])
		}
		return all
	}
	return slices.Equal(words(a), words(b))
}

// ignores tells whether changes of an object's attribute are left alone: by its own
// lifecycle, or by that of the cluster, which names kinds.
func (s *scope) ignores(l topology.Lifecycle, kind, attribute string) bool {
	return l.Ignores(attribute) || s.cluster.Lifecycle.Ignores(kind)
}

// setValue writes the value of ALTER … SET. Of a parameter that is a list of
// names, each is a literal of its own: one literal would be one name.
func setValue(name, value string) string {
	if !isNameList(name) {
		return literal(value)
	}
	return literals(splitNames(name, value))
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

// splitNames parts a list of names as the server does: outside double quotes a name
// is folded to small letters, unless it is that of a file.
func splitNames(setting, value string) []string {
	fold := strings.ToLower
	if setting != "search_path" && setting != "temp_tablespaces" {
		fold = func(s string) string { return s }
	}
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
			name = fold(strings.TrimSpace(name))
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
		return slices.Equal(splitNames(name, current), splitNames(name, value))
	}
	if isWordList(name) && sameWords(current, value) {
		return true
	}
	return same(s.live().Settings[name], current, value)
}
