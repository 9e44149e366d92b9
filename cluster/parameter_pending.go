package cluster

import (
	"fmt"
	"slices"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/list"
	"github.com/repltool/repltool/topology"
)

// A reload puts into force every value that stands in the files, whoever wrote it, and a
// restart those besides that the server takes at its start only. A value is pending while
// the files have it and the running server does not use it (PostgreSQL docs, 20.1.2, 54.8
// "pg_file_settings").

// Pending is such a value.
type Pending struct {
	Name    string
	Value   string // REDACTED for primary_conninfo, which may hold a password
	Where   string // "set in /etc/…/p.conf, line 3"
	Restart bool   // a reload does not put it into force
}

// Pending returns what is pending on n; none where no server can be asked.
func (s *Cluster) Pending(n *topology.Node) []Pending {
	return compute(s, "pending", n, func() []Pending { return slices.Clip(s.findPending(n)) })
}

func (s *Cluster) findPending(n *topology.Node) []Pending {
	server := s.Found(n).Server
	if server == nil || s.Recloned(n) {
		return nil
	}
	var all []Pending
	for _, fs := range server.FileSettings {
		p := Pending{Name: fs.Name, Value: fs.Value, Where: fmt.Sprintf("set in %s, line %d", fs.File, fs.Line), Restart: server.Settings[fs.Name].Context == "postmaster"}
		if name, removed := removedName(fs); removed {
			p = Pending{Name: name, Value: server.Settings[name].Boot, Where: "removed from the files", Restart: true}
		}
		all = slices.DeleteFunc(all, func(earlier Pending) bool { return earlier.Name == p.Name }) // the last line counts
		if waits(server, fs, p) {
			all = append(all, p)
		}
	}
	return append(append(all, removedFromFiles(server, all)...), pendingConnInfo(server)...)
}

func waits(server *facts.Server, fs facts.FileSetting, p Pending) bool {
	setting, known := server.Settings[p.Name]
	switch {
	case !known || setting.Context == "internal":
		return false
	case p.Restart:
		return WaitsForRestart(server, fs) || setting.PendingRestart && !Same(setting, setting.Value, p.Value)
	case fs.Error != "" || !fromFiles(setting) || Same(setting, setting.Value, p.Value):
		return false
	}
	return shownAsWritten(setting, p) || setting.SourceFile != fs.File || setting.SourceLine != fs.Line
}

// fromFiles reports whether the value read is the one that a reload would change: not one of the
// session, of the command line or of the environment.
func fromFiles(setting facts.Setting) bool {
	return slices.Contains([]string{"default", "configuration file"}, setting.Source)
}

// shownAsWritten is false where pg_settings shows another text than the file has for one and
// the same value: the socket's own, an abbreviation spelled out, a hidden word.
func shownAsWritten(setting facts.Setting, p Pending) bool {
	rewritten := []string{
		"datestyle", "timezone", "log_timezone", "default_text_search_config", "archive_command",
		"tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_keepalives_count", "tcp_user_timeout",
	}
	_, err := Normalise(setting, p.Value)
	return err == nil && !slices.Contains(rewritten, p.Name)
}

// removedFromFiles returns values in force of which no file has a line any more, and that are not
// known: of what a restart changes, pg_file_settings has a row only after a reload.
func removedFromFiles(server *facts.Server, known []Pending) []Pending {
	last := LastLines(server)
	var all []Pending
	for name, setting := range server.Settings {
		_, there := last[name]
		there = there || slices.ContainsFunc(known, func(p Pending) bool { return p.Name == name })
		if there || setting.Source != "configuration file" || Same(setting, setting.Value, setting.Boot) {
			continue
		}
		all = append(all, Pending{Name: name, Value: setting.Boot, Where: "removed from the files", Restart: setting.Context == "postmaster"})
	}
	slices.SortFunc(all, func(a, b Pending) int { return strings.Compare(a.Name, b.Name) })
	return all
}

func pendingConnInfo(server *facts.Server) []Pending {
	if server.PendingConnInfo == nil {
		return nil
	}
	p := Pending{Name: "primary_conninfo", Value: topology.Redacted, Where: "removed from the files"}
	if fs, there := LastLines(server)["primary_conninfo"]; there {
		p.Where = fmt.Sprintf("set in %s, line %d", fs.File, fs.Line)
	}
	return []Pending{p}
}

// LeftBlock returns those that wait because an apply was killed after it had taken a line out of
// the block: the value in force is from a line where the block is, and nothing else stands there,
// since it is the last in its file. Where the wanted lines have none of them, they are the
// topology's to put into force.
func (s *Cluster) LeftBlock(n *topology.Node, lines []Line) []Pending {
	f := s.Found(n)
	if f.Server == nil || f.Host == nil {
		return nil
	}
	block := s.ConfBlock(f.Host)
	return list.Kept(s.Pending(n), func(p Pending) bool {
		setting := f.Server.Settings[p.Name]
		_, stays := block.Value(p.Name)
		from := setting.SourceFile == f.Host.Conf.Path && block.Found() && setting.SourceLine > block.FirstLine()
		return from && !stays && !HasLine(lines, p.Name) && p.Name != SyncNames && !Same(setting, setting.Value, p.Value)
	})
}

// MayBeSecret reports whether the value in force of a parameter must not be shown, though the
// topology does not say so any more: its line of the block is marked, or is gone with its mark.
func (s *Cluster) MayBeSecret(n *topology.Node, name string) bool {
	f := s.Found(n)
	left := slices.ContainsFunc(s.LeftBlock(n, nil), func(p Pending) bool { return p.Name == name })
	return s.ConfBlock(f.Host).Sensitive(name) || left && f.Server.Settings[name].VarType == "string"
}

// PendingValue returns the pending value of that name, or nil.
func (s *Cluster) PendingValue(n *topology.Node, name string) *Pending {
	all := s.Pending(n)
	if i := slices.IndexFunc(all, func(p Pending) bool { return p.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// AtStart returns the value of a parameter with which the server of n would start.
func (s *Cluster) AtStart(n *topology.Node, name string) string {
	if p := s.PendingValue(n, name); p != nil {
		return p.Value
	}
	return s.Found(n).Server.InForce(name)
}
