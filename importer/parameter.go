package importer

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/topology"
)

// Which parameters are worth writing: those that a person has set, to another value than the
// one that PostgreSQL has without.

// parameters are those of the cluster, where all members have the same value, and of the nodes.
func (d *decider) parameters(g *group) {
	own := make([]topology.Parameters, len(g.members))
	var names []string
	for i, m := range g.members {
		own[i] = d.own(g, m)
		names = append(names, own[i].Names()...)
	}
	slices.Sort(names)
	shared := topology.Parameters{}
	for _, name := range slices.Compact(names) {
		if g.all(own, name) {
			shared[name] = own[0][name]
		}
	}
	g.cluster.Parameters = shared
	for i, m := range g.members {
		m.node.Parameters = topology.Parameters{}
		for name, p := range own[i] {
			if _, is := shared[name]; !is || !cluster.Same(m.server().Settings[name], p.Value, shared[name].Value) {
				m.node.Parameters[name] = p
			}
		}
	}
}

// all reports whether a parameter is the cluster's: every member has set it, and nobody
// otherwise than the primary.
func (g *group) all(own []topology.Parameters, name string) bool {
	for i, m := range g.members {
		p, is := own[i][name]
		if !is || !cluster.Same(m.server().Settings[name], p.Value, own[0][name].Value) {
			return false
		}
	}
	return true
}

// own are the parameters that a person has set on a server.
func (d *decider) own(g *group, m *member) topology.Parameters {
	all := topology.Parameters{}
	hidden := []string{}
	for _, name := range list.SortedKeys(m.server().Settings) {
		setting := m.server().Settings[name]
		switch setting.Source {
		case "configuration file":
		case "command line":
			if !elsewhere(name) {
				d.doc.Comment(m.node, "", fmt.Sprintf("%s is set on the command line of the server, which no file can change.", name))
			}
			continue
		default:
			continue
		}
		text := fromFile(m.server(), name)
		value := shown(setting, text)
		switch {
		case elsewhere(name), installed(m, name, setting), cluster.Same(setting, text, setting.Boot):
		case secret(name, text):
			hidden = append(hidden, name)
		case strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }):
			d.doc.Comment(m.node, "", fmt.Sprintf("%s has a control character in its value, and stays as it is in the file.", name))
		default:
			all[name] = topology.Parameter{Value: value}
		}
		if setting.PendingRestart && !elsewhere(name) {
			d.doc.Comment(m.node, "", fmt.Sprintf("%s waits for a restart: the value in use is another.", name))
		}
	}
	if len(hidden) > 0 {
		d.doc.Comment(m.node, "", fmt.Sprintf("Left as in the file, since a secret may be in it: %s.", strings.Join(hidden, ", ")))
	}
	return all
}

// fromFile is the value as the files write it, the last line that sets it.
func fromFile(s *facts.Server, name string) string {
	value := s.InForce(name)
	for _, f := range s.FileSettings {
		if f.Name == name && f.Error == "" {
			value = f.Value
		}
	}
	return value
}

// shown is a value as a person writes it: with its unit, and a switch as true or false.
func shown(setting facts.Setting, text string) string {
	normal, err := cluster.Normalise(setting, text)
	switch {
	case err != nil:
		return text
	case setting.VarType == "bool":
		return map[string]string{"on": "true", "off": "false"}[normal]
	case setting.VarType == "enum":
		return normal
	case setting.Unit != "":
		if _, unit, ok := pg.SplitNumber(text, setting.VarType == "integer"); ok && unit != "" {
			return strings.TrimSpace(text)
		}
		return cluster.WithUnit(setting, normal)
	case setting.VarType == "integer", setting.VarType == "real":
		return normal
	}
	return text
}

// elsewhere reports whether other parts of the topology say a parameter, or its own program.
func elsewhere(name string) bool {
	return slices.Contains([]string{
		"port", "config_file", "unix_socket_directories", "data_directory", "hba_file", "ident_file", "external_pid_file",
		"primary_conninfo", "primary_slot_name", "recovery_min_apply_delay", "synchronous_standby_names", "stats_temp_directory",
		"promote_trigger_file", "synchronized_standby_slots",
	}, name)
}

// installed reports whether a value is what initdb or a package writes.
func installed(m *member, name string, setting facts.Setting) bool {
	h := m.Facts.Host
	is := func(values ...string) bool {
		return slices.ContainsFunc(values, func(v string) bool { return cluster.Same(setting, setting.Value, v) })
	}
	switch name {
	case "lc_messages", "lc_monetary", "lc_numeric", "lc_time", "timezone", "log_timezone", "datestyle", "default_text_search_config",
		"TimeZone", "DateStyle", "dynamic_shared_memory_type":
		return true
	case "listen_addresses":
		return is("*")
	case "shared_buffers":
		return is("128MB")
	case "max_wal_size":
		return is("1GB")
	case "min_wal_size":
		return is("80MB")
	case "password_encryption": // initdb writes it for its --auth
		return m.server().Major() < 14 && is("scram-sha-256")
	case "cluster_name":
		return setting.Value == fmt.Sprintf("%d/%s", h.Version, h.Instance) || setting.Value == m.node.Name
	case "log_line_prefix":
		return h.Layout == facts.LayoutDebian && is("%m [%p] %q%u@%d ")
	case "ssl":
		return h.Layout == facts.LayoutDebian && path.Base(m.server().Settings["ssl_cert_file"].Value) == "ssl-cert-snakeoil.pem"
	case "ssl_cert_file", "ssl_key_file":
		return h.Layout == facts.LayoutDebian && strings.HasPrefix(path.Base(setting.Value), "ssl-cert-snakeoil.")
	case "log_destination", "logging_collector", "log_filename", "log_rotation_age", "log_rotation_size", "log_truncate_on_rotation":
		return h.Layout == facts.LayoutRPM && is("stderr", "on", "postgresql-%a.log", "1d", "0")
	}
	return false
}

var (
	secretName  = regexp.MustCompile(`(?i)passw|passphrase|secret|token|api_?key|credential`)
	secretValue = regexp.MustCompile(`(?i)passw|passphrase|pwd|secret|token|api_?key|credential|access_?key|bearer|authorization|AKIA[0-9A-Z]{12}|` +
		`://[^/\s:]+:[^/\s@]+@|\s-u\s*[^\s:]+:\S|\b(sig|signature|auth)=`)
)

// secret reports whether a value may have a secret in it.
func secret(name, value string) bool {
	return name != "password_encryption" && (secretName.MatchString(name) || secretValue.MatchString(value))
}
