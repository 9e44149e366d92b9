package build

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/plan/build/draft"
	"github.com/repltool/repltool/plan/build/move"
	"github.com/repltool/repltool/plan/build/streaming"
	"github.com/repltool/repltool/topology"
)

// write writes a file as apply does, and has the server see it.
func (m *model) write(n *facts.Node, op plan.File) error {
	h := n.Host
	body, err := op.Content.Fill(m.reveal)
	if err != nil {
		return err
	}
	for _, secret := range m.passfiles(h) {
		if secret.Path == op.Path {
			text, err := edited(secret.Text.Reveal(), op, body)
			secret.Exists, secret.Mode, secret.Text = true, op.Mode, topology.NewSecret("", text)
			h.EarlierPassfiles = remove(h.EarlierPassfiles, func(f facts.SecretFile) bool {
				return !slices.Contains(conftext.BlockNames(f.Text.Reveal()), h.DataDir)
			})
			return err
		}
	}
	file := map[string]*facts.File{h.Conf.Path: &h.Conf, h.HBA.Path: &h.HBA}[op.Path]
	if file == nil {
		return unknown{"file " + path.Base(op.Path)}
	}
	if hash, err := plan.HashRest([]byte(file.Text), *op.Block); op.Replaces != "" && (err != nil || hash != op.Replaces) {
		return fmt.Errorf("%s has other content: %w", op.Path, err)
	}
	was := file.Text
	text, err := edited(was, op, body)
	if err != nil {
		return err
	}
	if same := text == was && file.Exists; !same {
		file.Text, file.Exists, file.Modified = text, true, m.tick()
	}
	if s := m.stopped[n.Name]; n.Server == nil && s != nil { // it reads the file when it starts
		n.Server = s
		defer func() { n.Server = nil }()
	}
	switch {
	case n.Server == nil:
	case file == &h.Conf:
		m.seeConf(n, was)
	default:
		n.Server.HBA = nil // read again from the text
	}
	return nil
}

func (m *model) passfiles(h *facts.Host) []*facts.SecretFile {
	all := []*facts.SecretFile{&h.Passfile, &h.SubscriptionPassfile}
	for i := range h.EarlierPassfiles {
		all = append(all, &h.EarlierPassfiles[i])
	}
	return all
}

// edited is the text with the block in its place.
func edited(text string, op plan.File, body string) (string, error) {
	if op.Block == nil {
		return body, nil
	}
	place := conftext.Last
	if op.Block.First {
		place = conftext.First
	}
	found, err := conftext.FindBlock(text, op.Block.Name)
	if err != nil {
		return "", err
	}
	return conftext.RenameBlock(conftext.DropLines(text, op.Block.Drop), op.Block.Earlier, op.Block.Name, body+found.KeptLines(op.Block.Keep), place)
}

// seeConf has the server see the lines of a rewritten postgresql.conf: those of the blocks
// that were there go, those of the blocks that are there come.
func (m *model) seeConf(n *facts.Node, was string) {
	h, s := n.Host, n.Server
	gone := map[string]bool{}
	for _, line := range conftext.ParseConf(blocksOf(was)) {
		gone[line.Name] = true
	}
	kept := s.FileSettings[:0:0]
	var auto []facts.FileSetting
	for _, fs := range s.FileSettings {
		switch {
		case fs.File == h.Conf.Path && gone[fs.Name] && fs.Line >= firstBlock(was):
		case path.Base(fs.File) == cluster.AutoConf:
			auto = append(auto, fs)
		case fs.File != "": // what is told of a line that is gone is told again
			kept = append(kept, fs)
		}
	}
	begin := firstBlock(h.Conf.Text)
	for _, line := range conftext.ParseConf(blocksOf(h.Conf.Text)) {
		kept = append(kept, facts.FileSetting{File: h.Conf.Path, Line: begin + line.Line, Name: strings.ToLower(line.Name), Value: line.Value})
	}
	s.FileSettings = append(kept, auto...)
	m.judge(n)
}

// firstBlock is the line where repltool's block begins; after the end where there is none.
func firstBlock(text string) int {
	line := 0
	for l := range strings.Lines(text) {
		line++
		if strings.HasPrefix(l, "# repltool ") && strings.HasSuffix(strings.TrimSpace(l), ": begin") {
			return line
		}
	}
	return line + 1
}

// blocksOf returns what stands in repltool's blocks.
func blocksOf(text string) string {
	var b strings.Builder
	for _, name := range conftext.BlockNames(text) {
		if found, err := conftext.FindBlock(text, name); err == nil {
			b.WriteString(found.Body)
		}
	}
	return b.String()
}

// judge writes what pg_file_settings says of each line.
func (m *model) judge(n *facts.Node) {
	s := n.Server
	last := map[string]int{}
	for i, fs := range s.FileSettings {
		last[fs.Name] = i
	}
	for i := range s.FileSettings {
		fs := &s.FileSettings[i]
		setting, known := s.Settings[fs.Name]
		fs.Applied, fs.Error = last[fs.Name] == i, ""
		if fs.Applied && known && setting.Context == "postmaster" && !cluster.Same(setting, setting.Value, fs.Value) {
			fs.Applied, fs.Error = false, "setting could not be applied"
		}
	}
	s.FileSettings = remove(s.FileSettings, func(fs facts.FileSetting) bool { return fs.File == "" })
	for name, setting := range s.Settings {
		if _, there := last[name]; !there && setting.Context == "postmaster" && setting.Source == "configuration file" && !cluster.Same(setting, setting.Value, setting.Boot) {
			s.FileSettings = append(s.FileSettings, facts.FileSetting{Error: `parameter "` + name + `" cannot be changed without restarting the server`})
		}
	}
}

// load puts the files into force: a reload, or a start, which takes what a reload cannot.
func (m *model) load(n *facts.Node, start bool) {
	s := n.Server
	last := map[string]facts.FileSetting{}
	for _, fs := range s.FileSettings {
		if fs.Name != "" {
			last[fs.Name] = fs
		}
	}
	for name, setting := range s.Settings {
		if !slices.Contains([]string{"default", "configuration file"}, setting.Source) || setting.Context == "internal" {
			continue
		}
		fs, there := last[name]
		value, source := setting.Boot, "default"
		if there {
			source = "configuration file"
			if v, err := cluster.Normalise(setting, fs.Value); err == nil {
				value = v
			}
		}
		if setting.Context == "postmaster" && !start {
			setting.PendingRestart = !cluster.Same(setting, setting.Value, value)
		} else {
			setting.Value, setting.Source, setting.SourceFile, setting.SourceLine, setting.PendingRestart = value, source, fs.File, fs.Line, false
		}
		s.Settings[name] = setting
	}
	m.judge(n)
	s.ConfLoaded = m.tick()
	before, slot := s.ConnInfo.Reveal(), ""
	if s.Receiver != nil {
		slot = s.Receiver.SlotName
	}
	if s.PendingConnInfo != nil {
		s.ConnInfo, s.PendingConnInfo = *s.PendingConnInfo, nil
	}
	if s.InRecovery && s.Receiver != nil && (s.ConnInfo.Reveal() != before || slot != s.InForce("primary_slot_name")) {
		m.drop(n, before)
	}
	if s.InRecovery && s.InForce("recovery_min_apply_delay") == "0" && s.Receiver != nil {
		s.Receiver.ReplayDelay = nil
	}
}

// drop ends the receiver that connected with that text.
func (m *model) drop(n *facts.Node, conn string) {
	now := n.Server.ConnInfo
	n.Server.ConnInfo = topology.NewSecret("", conn)
	m.disconnect(n)
	n.Server.ConnInfo = now
}

// alterSystem changes postgresql.auto.conf; value nil takes the line out.
func (m *model) alterSystem(n *facts.Node, name string, value *string) {
	s := n.Server
	file := path.Join(n.Host.DataDir, cluster.AutoConf)
	s.FileSettings = remove(s.FileSettings, func(fs facts.FileSetting) bool { return fs.File == file && fs.Name == name })
	if value != nil {
		s.FileSettings = append(s.FileSettings, facts.FileSetting{File: file, Line: 3, Name: name, Value: *value})
	}
	if name == "primary_conninfo" {
		text := ""
		if value != nil {
			text = *value
		}
		s.PendingConnInfo = nil
		if text != s.ConnInfo.Reveal() {
			secret := topology.NewSecret("", text)
			s.PendingConnInfo = &secret
		}
	}
	m.judge(n)
}

// restart stops and starts a server.
func (m *model) restart(n *facts.Node) {
	m.stop(n)
	m.load(n, true)
	n.Host.Service.Outside = false
	m.settle()
}

// stop ends the connections of a server, its own and those to it. Clients that are no node
// come back by themselves.
func (m *model) stop(n *facts.Node) {
	m.disconnect(n)
	for _, other := range m.nodes() {
		if m.upstreamOf(other) == n {
			m.disconnect(other)
		}
	}
}

// upstreamOf returns the node from which a standby streams now.
func (m *model) upstreamOf(n *facts.Node) *facts.Node {
	s := n.Server
	if s == nil || s.Receiver == nil || s.Receiver.Status != "streaming" {
		return nil
	}
	name := conninfo.Map(s.ConnInfo.Reveal())["application_name"]
	for _, up := range m.nodes() {
		if up.Server != nil && slices.ContainsFunc(up.Server.Senders, func(w facts.Sender) bool {
			return w.State == "streaming" && (w.SlotName == s.Receiver.SlotName && w.SlotName != "" || w.ApplicationName == name || w.ApplicationName == n.Name)
		}) {
			return up
		}
	}
	return nil
}

// command runs a program.
func (m *model) command(n *facts.Node, op plan.Command) error {
	verb := op.Argv[len(op.Argv)-1]
	if slices.Contains(op.Argv, "--mode") && op.Argv[0] == "pg_ctlcluster" {
		verb = op.Argv[4]
	}
	if op.Argv[0] == "systemctl" {
		verb = op.Argv[1]
	}
	control := op.Argv[0] == "systemctl" || op.Argv[0] == "pg_ctlcluster" || strings.HasSuffix(op.Argv[0], "/pg_ctl")
	switch {
	case len(op.Argv) > 2 && abbreviate(op.Argv[2]) == "START_CHECK":
		return nil
	case control && verb == "restart" && n.Server != nil:
		m.restart(n)
		return nil
	case control && verb == "stop" && n.Server != nil:
		m.shutDown(n)
		return nil
	case control && verb == "start" && n.Server == nil:
		return m.start(n)
	case op.Argv[0] == "sh" && op.Argv[2] == move.StopScript:
		m.shutDown(n)
		n.Host.StandbySignal = true
		return nil
	case path.Base(op.Argv[0]) == "psql" && (slices.Contains(op.Argv, "IDENTIFY_SYSTEM") || slices.Contains(op.Argv, "SELECT 1")):
		if conn := conninfo.Map(verb); m.at(conn) == nil || !m.admitted(n, conn) {
			return fmt.Errorf("%s cannot log in with %s", n.Name, verb)
		}
		return nil
	case path.Base(op.Argv[0]) == "psql" && slices.Contains(op.Argv, "SELECT pg_last_wal_replay_lsn()"):
		if n.Server == nil {
			return fmt.Errorf("%s does not run, and is asked what it has replayed", n.Name)
		}
		return nil
	case op.Argv[0] == "sh" && op.Argv[2] == move.SnapshotsScript, path.Base(op.Argv[0]) == "psql" && strings.HasPrefix(op.Argv[len(op.Argv)-2], "SELECT max(confirmed_flush_lsn)"):
		return nil
	case op.Argv[0] == "sh" && op.Argv[2] == move.EndedScript:
		n.Host.StandbySignal = n.Host.StandbySignal && op.Argv[6] != "primary"
		return nil
	case op.Argv[0] == "sh" && op.Argv[2] == draft.FenceScript():
		return m.fence(n, op.Argv[5:])
	case op.Argv[0] == "sh" && op.Argv[2] == streaming.SameWALScript:
		return nil
	case op.Argv[0] == "sh" && op.Argv[2] == streaming.KeepLostScript():
		if n.Server != nil {
			return fmt.Errorf("%s: a server was started in the data directory", n.Name)
		}
		return nil
	case op.Argv[0] == "sh" && op.Argv[2] == streaming.EditSettings:
		return m.editSettings(n, op)
	case op.Argv[0] == "sh" && op.Argv[2] == cluster.RemoveEmpty:
		for _, f := range m.passfiles(n.Host) {
			if f.Path == op.Argv[4] && strings.TrimSpace(f.Text.Reveal()) == "" {
				f.Exists, f.Text = false, topology.Secret{}
			}
		}
		n.Host.EarlierPassfiles = remove(n.Host.EarlierPassfiles, func(f facts.SecretFile) bool { return !f.Exists })
		return nil
	case control:
		return unknown{"command " + path.Base(op.Argv[0]) + " " + verb}
	case op.Argv[0] == "sh":
		return unknown{"command sh: " + strings.SplitN(abbreviate(op.Argv[2]), "\n", 2)[0][:min(40, len(abbreviate(op.Argv[2])))]}
	}
	return unknown{"command " + path.Base(op.Argv[0])}
}

// conditions are the queries of waits, by their shape.
func conditions() map[string]func(n *facts.Node, found []string, query string) bool {
	return map[string]func(n *facts.Node, found []string, query string) bool{
		`^SELECT NOT pg_is_in_recovery\(\)$`: func(n *facts.Node, _ []string, _ string) bool { return !n.Server.InRecovery },
		`^SELECT pg_is_in_recovery\(\)$`:     func(n *facts.Node, _ []string, _ string) bool { return n.Server.InRecovery },
		`^SELECT EXISTS \(SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming'`: func(n *facts.Node, _ []string, query string) bool {
			return receives(n.Server, query)
		},
		`^SELECT EXISTS \(SELECT FROM pg_stat_replication WHERE application_name = '([^']*)' AND state = 'streaming'`: func(n *facts.Node, found []string, _ string) bool {
			return slices.ContainsFunc(n.Server.Senders, func(w facts.Sender) bool { return w.ApplicationName == found[1] && w.State == "streaming" })
		},
		`^SELECT count\(\*\) >= (\d+) FROM pg_stat_replication\s+WHERE lower\(application_name\) IN \(([^)]*)\)`: func(n *facts.Node, found []string, _ string) bool {
			count := 0
			for _, w := range n.Server.Senders {
				if w.State == "streaming" && strings.Contains(found[2], pg.Literal(strings.ToLower(w.ApplicationName))) {
					count++
				}
			}
			return fmt.Sprint(count) >= found[1]
		},
		`^SELECT count\(\*\) = \d+ FROM pg_settings\s+WHERE \(name, setting\) IN \((.*)\) AND NOT pending_restart`: func(n *facts.Node, _ []string, query string) bool {
			for _, pair := range regexp.MustCompile(`\('([^']*)', '((?:[^']|'')*)'\)`).FindAllStringSubmatch(query, -1) {
				setting, known := n.Server.Settings[pair[1]]
				if known && (setting.PendingRestart || !cluster.Same(setting, setting.Value, strings.ReplaceAll(pair[2], "''", "'"))) {
					return false
				}
			}
			return true
		},
		`^SELECT setting = '((?:[^']|'')*)' FROM pg_settings WHERE name = '(\w+)'$`: func(n *facts.Node, found []string, _ string) bool {
			return n.Server.Settings[found[2]].Value == strings.ReplaceAll(found[1], "''", "'")
		},
		`^SELECT NOT EXISTS \(SELECT FROM pg_replication_slots WHERE active AND slot_name = '([^']*)'\)$`: func(n *facts.Node, found []string, _ string) bool {
			slot := n.Server.Slot(found[1])
			return slot == nil || !slot.Active
		},
		`^SELECT EXISTS \(SELECT FROM repltool\.managed WHERE address = '([^']*)'\s+AND object LIKE 'intent at %' AND right\(object, \d+\) = '((?:[^']|'')*)'\)$`: intended,
		`^SELECT EXISTS \(SELECT FROM repltool\.managed WHERE address = '([^']*)'\s+AND starts_with\(object, '((?:[^']|'')*)'\)\)$`:                               confirmed,
		`^SELECT current_setting\('(\w+)'\) = '((?:[^']|'')*)'$`: func(n *facts.Node, found []string, _ string) bool {
			return n.Server.InForce(found[1]) == strings.ReplaceAll(found[2], "''", "'")
		},
		`^SELECT EXISTS \(SELECT FROM pg_stat_activity WHERE backend_type = 'startup'`:                                                                func(n *facts.Node, _ []string, _ string) bool { return n.Server.InRecovery },
		`^SELECT pg_last_wal_replay_lsn\(\) >= :'replayed'$`:                                                                                          func(n *facts.Node, _ []string, _ string) bool { return n.Server.InRecovery },
		`^SELECT CASE WHEN pg_last_wal_replay_lsn\(\) >= :'replayed' THEN`:                                                                            func(n *facts.Node, _ []string, _ string) bool { return n.Server.InRecovery },
		`^SELECT CASE WHEN pg_last_wal_replay_lsn\(\) > :'shutdown_checkpoint' THEN`:                                                                  func(n *facts.Node, _ []string, _ string) bool { return n.Server.InRecovery },
		`^SELECT CASE WHEN NOT pg_is_in_recovery\(\) THEN true ELSE NOT pg_reload_conf\(\) END$`:                                                      func(n *facts.Node, _ []string, _ string) bool { return !n.Server.InRecovery },
		`^SELECT CASE WHEN NOT pg_is_in_recovery\(\) OR \(pg_stat_file\('promote', true\)\)\.modification`:                                            func(n *facts.Node, _ []string, _ string) bool { return n.Server.InRecovery },
		`^SELECT CASE WHEN EXISTS \(SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming' AND received_tli > (\d+)\) THEN`:                      onTimeline,
		`^SELECT count\(\*\) = \d+ FROM repltool\.managed WHERE address IN \(`:                                                                        comesTrue,
		`^SELECT count\(\*\) = (\d+) FROM pg_replication_slots WHERE slot_name IN \(([^)]*)\)( AND confirmed_flush_lsn IS NOT NULL)?(\s+AND synced)?`: hasSlots,
		`^SELECT bool_and\(confirmed_flush_lsn >= :'slots_begin'\) FROM`:                                                                              comesTrue,
		`^SELECT NOT EXISTS \(SELECT FROM pg_replication_slots WHERE slot_type = 'logical' AND active`:                                                comesTrue,
		`^SELECT NOT EXISTS \(SELECT FROM pg_subscription s WHERE s\.oid IN`:                                                                          func(n *facts.Node, _ []string, _ string) bool { return !n.Server.InRecovery },
		`^SELECT NOT EXISTS \(SELECT FROM pg_stat_replication WHERE state = 'backup'\)`:                                                               noBackup,
		`^SELECT count\(\*\) >= (\d+) FROM pg_stat_replication\s+WHERE application_name <> 'pg_basebackup' AND state = 'streaming'`:                   someStream,
		`^SELECT coalesce\(bool_and\(age\(s\.catalog_xmin\) < age\(p\.xmin\)\), false\)`:                                                              comesTrue,
		`^SELECT count\(\*\) = 0 FROM pg_replication_slots WHERE active AND slot_name ~`:                                                              comesTrue,
		`^SELECT count\(\*\) = 0 FROM pg_replication_slots WHERE active AND slot_name = '([^']*)'`: func(n *facts.Node, found []string, query string) bool {
			return !sends(n, found, query)
		},
		`^SELECT CASE WHEN NOT s\.subenabled THEN 'failed'\s+WHEN .* AND s\.subname = '([^']*)'`:                                                  applies,
		`^SELECT EXISTS \(SELECT FROM pg_replication_slots s JOIN pg_stat_replication r ON r\.pid = s\.active_pid WHERE s\.slot_name = '([^']*)'`: sends,
		`^SELECT CASE WHEN EXISTS \(HBA_ERRORS\)\s+OR EXISTS \(CONF_ERRORS\)`:                                                                     comesTrue,
		`^SELECT CASE WHEN EXISTS \(HBA_ERRORS\) THEN 'failed'`:                                                                                   rulesRead,
		`^SELECT bool_and\(replay_lsn > checkpoint_lsn\) FROM pg_stat_replication`:                                                                comesTrue,
		`^SELECT \(SELECT count\(\*\) >= \d+ FROM pg_stat_replication.*pg_postmaster_start_time`:                                                  comesTrue, // in time
	}
}

func comesTrue(*facts.Node, []string, string) bool { return true }

func rulesRead(n *facts.Node, _ []string, _ string) bool {
	return n.Host.HBA.Modified <= n.Server.ConfLoaded
}

// receives reports whether the standby's receiver is connected as the query wants it.
func receives(s *facts.Server, query string) bool {
	r := s.Receiver
	if r == nil || r.Status != "streaming" {
		return false
	}
	shown := " " + r.ConnInfo + " "
	if r.ConnInfo == "" { // it may not be seen
		shown = " " + shownConn(conninfo.Map(s.ConnInfo.Reveal())) + " "
	}
	for _, found := range regexp.MustCompile(`strpos\(' ' \|\| conninfo \|\| ' ', '((?:[^']|'')*)'\) > 0`).FindAllStringSubmatch(query, -1) {
		if !strings.Contains(shown, strings.ReplaceAll(found[1], "''", "'")) {
			return false
		}
	}
	if found := regexp.MustCompile(`slot_name = '([^']*)'`).FindStringSubmatch(query); found != nil && found[1] != r.SlotName {
		return false
	}
	return true
}

// await asks the query of a wait.
func (m *model) await(n *facts.Node, op plan.Wait) error {
	if n.Server == nil {
		return errors.New(n.Name + " does not run, and is waited for: " + op.What)
	}
	query := abbreviate(op.Query)
	for _, s := range m.conditions {
		if found := s.pattern.FindStringSubmatch(query); found != nil {
			if !s.does(n, found, query) {
				return fmt.Errorf("never comes true: %s (%s)", op.What, query)
			}
			return nil
		}
	}
	return unknown{"wait " + query}
}
