package importer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
)

// Who else decides what runs on a server. Each is known by its process, or by what it leaves in
// the server's files.

// manager is a program that promotes, demotes or configures servers by itself.
type manager struct {
	name      string
	processes []string
	// conf and includes are what postgresql.conf says: in a comment, as an included file.
	conf, includes string
	slots          string // what its slots begin with
	says           string
}

func managers() []manager {
	return []manager{
		{name: "Patroni", processes: []string{"patroni"}, conf: "overwritten by Patroni", says: "it writes postgresql.conf, pg_hba.conf and slots itself, and decides which server is the primary"},
		{name: "pg_auto_failover", processes: []string{"pg_autoctl"}, includes: "postgresql-auto-failover", slots: "pgautofailover_standby_", says: "it decides which server is the primary, and makes the standbys' slots and connections"},
		{name: "repmgrd", processes: []string{"repmgrd"}, says: "it may promote a standby by itself"},
		{name: "Stolon", processes: []string{"stolon-keeper"}, says: "it writes the servers' files and decides which server is the primary"},
		{name: "Pacemaker", processes: []string{"pacemakerd"}, says: "it may stop and promote servers by itself"},
		{name: "Pgpool-II", processes: []string{"pgpool"}, says: "it may promote a standby by its failover command"},
		{name: "CloudNativePG", conf: "override.conf", includes: "custom.conf", says: "its operator writes the servers' files and decides which server is the primary"},
	}
}

// managersOf returns what manages a server, by what was found.
func managersOf(m *member) []manager {
	var all []manager
	for _, x := range managers() {
		process := slices.ContainsFunc(x.processes, func(p string) bool {
			// Of those that can be told apart by their arguments, the reading says which instance is theirs.
			if slices.Contains([]string{"pacemakerd", "pgpool"}, p) {
				return slices.Contains(m.Programs, p)
			}
			return slices.Contains(m.Facts.Host.Managers, p)
		})
		if process || x.inFiles(m) {
			all = append(all, x)
		}
	}
	return all
}

// inFiles reports whether the manager has left its marks in the server's files.
func (x manager) inFiles(m *member) bool {
	text := m.Facts.Host.Conf.Text
	included := x.includes != "" && slices.ContainsFunc(conftext.ParseConf(text), func(s conftext.Setting) bool {
		return conftext.SameName(s.Name, "include") && strings.Contains(s.Value, x.includes)
	})
	switch {
	case x.includes != "" && x.conf != "":
		return included && strings.Contains(text, x.conf)
	case x.slots != "" && slices.ContainsFunc(m.server().Slots, func(s facts.Slot) bool { return strings.HasPrefix(s.Name, x.slots) }):
		return true
	case x.conf != "":
		return strings.Contains(text, x.conf)
	}
	return included
}

// managers says of each manager where it is and what that means.
func (d *decider) managers(groups []*group) {
	for _, x := range managers() {
		var on []string
		for _, g := range groups {
			for _, m := range g.members {
				if slices.ContainsFunc(managersOf(m), func(y manager) bool { return y.name == x.name }) {
					on = append(on, m.node.Name)
				}
			}
		}
		if len(on) == 0 {
			continue
		}
		d.d.Managers = append(d.d.Managers, x.name)
		d.doc.Head = append(d.doc.Head, fmt.Sprintf("%s manages %s: %s. Use this topology to look (plan, drift, status, graph), and do not apply it as long as %s does.",
			x.name, strings.Join(on, ", "), x.says, x.name))
	}
}
