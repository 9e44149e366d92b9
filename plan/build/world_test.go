package build

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// A world is facts that fit a topology exactly: a plan of it is empty. Golden
// cases say in a few lines what is different from that.

const systemIdentifier = "7400000000000000001"

// converged answers the world that an apply of t leaves.
func converged(t testing.TB, top *topology.Topology) facts.Facts {
	t.Helper()
	f := facts.Facts{Nodes: map[string]*facts.Node{}}
	for _, c := range top.Clusters {
		for _, n := range c.Members() {
			f.Nodes[n.Name] = emptyNode(top, c, n)
		}
	}
	for _, c := range top.Clusters {
		for _, n := range c.Members() {
			fillNode(t, top, c, n, f)
		}
	}
	fillLogical(t, top, f)
	return f
}

// emptyNode is a Debian machine with PostgreSQL's binaries and no cluster.
func emptyNode(top *topology.Topology, c *topology.Cluster, n *topology.Node) *facts.Node {
	version := c.Version
	if version == 0 {
		version = 15
	}
	h := &facts.Host{
		Hostname: n.Name, OSUser: "postgres", StateDir: "/var/lib/postgresql/.repltool",
		Layout: facts.LayoutDebian, Instance: "main", Version: version,
		BinDir:    fmt.Sprintf("/usr/lib/postgresql/%d/bin", version),
		DataDir:   fmt.Sprintf("/var/lib/postgresql/%d/main", version),
		ConfigDir: fmt.Sprintf("/etc/postgresql/%d/main", version),
		SocketDir: "/var/run/postgresql",
		Data:      facts.DataDir{State: facts.DataAbsent},
		Service:   facts.Service{Kind: "pg_ctlcluster"},
		Resolved:  map[string][]string{},
	}
	if n.DataDir != "" {
		h.Layout, h.DataDir, h.ConfigDir, h.Instance, h.Service.Kind = facts.LayoutBare, n.DataDir, n.DataDir, "", "pg_ctl"
	}
	for _, dir := range []string{h.DataDir, c.BaseBackup.WALDir} {
		if dir != "" {
			h.Dirs = append(h.Dirs, facts.Dir{Path: dir, State: facts.DataAbsent, Disk: facts.Disk{Mount: "/", Free: 1 << 40, Total: 2 << 40}})
		}
	}
	h.Conf.Path, h.HBA.Path = h.ConfigDir+"/postgresql.conf", h.ConfigDir+"/pg_hba.conf"
	h.Passfile.Path = h.StateDir + "/" + n.Name + ".pass"
	h.SubscriptionPassfile.Path = h.StateDir + "/" + c.Name + ".subscriptions.pass"
	for i, m := range c.Members() {
		h.Resolved[m.Address] = []string{fmt.Sprintf("10.0.0.%d", i+1)}
	}
	for i, m := range top.Nodes {
		if h.Resolved[m.Address] == nil {
			h.Resolved[m.Address] = []string{fmt.Sprintf("10.0.1.%d", i+1)}
		}
	}
	return &facts.Node{Name: n.Name, Host: h}
}

// fillNode gives the node a running server that has all that the topology wants.
func fillNode(t testing.TB, top *topology.Topology, c *topology.Cluster, n *topology.Node, f facts.Facts) {
	t.Helper()
	node := f.Nodes[n.Name]
	h := node.Host
	h.Data = facts.DataDir{State: facts.DataCluster, Version: h.Version, Owner: "postgres"}
	h.Running, h.Port, h.Control = true, n.Port, &facts.Control{SystemIdentifier: systemIdentifier, Timeline: 1}
	server := &facts.Server{
		FileSettings: []facts.FileSetting{{File: h.Conf.Path, Line: 1, Name: "port", Value: strconv.Itoa(n.Port), Applied: true}}, // pg_createcluster's
		VersionNum:   h.Version*10000 + 4, Version: fmt.Sprintf("%d.4", h.Version), SystemIdentifier: systemIdentifier, Timeline: 1,
		InRecovery: n != c.Primary, LSN: "0/5000000", DataBytes: 25 << 20, ConfLoaded: 2000,
		Settings: defaultSettings(), Databases: []facts.Database{{Database: topology.Database{Name: "postgres", Owner: "postgres", Encoding: "UTF8", Locale: "C.UTF-8"}, Bytes: 8 << 20}},
		Ledger: &facts.Ledger{},
	}
	node.Server = server
	setSetting(server, "port", strconv.Itoa(n.Port), h.Conf.Path)
	for _, r := range c.Roles {
		found := facts.Role{Role: *r}
		if r.Password.IsSet() {
			found.Verifier = topology.NewSecret("", testVerifier(t, r.Password.Reveal()))
		}
		server.Roles = append(server.Roles, found)
	}
	for _, db := range c.Databases {
		server.Databases = append(server.Databases, facts.Database{Database: *db, Bytes: 8 << 20})
	}
	s := cluster.New(top, f, cluster.Options{}).Of(c)
	for _, w := range s.WantedSlots() {
		if w.On == n {
			server.Slots = append(server.Slots, facts.Slot{Slot: w.Slot, Active: true, ActivePID: 100, WALStatus: "reserved"})
		}
	}
	if wanted := s.WantedSyncedSlots(); wanted != "" && n == c.Primary {
		setByFile(server, cluster.SyncedSlots, wanted, h.DataDir+"/"+cluster.AutoConf)
	}
	for i, sb := range c.Standbys {
		if sb.Upstream == n {
			server.Senders = append(server.Senders, facts.Sender{PID: 200 + i, ApplicationName: sb.Node.Name, State: "streaming", SlotName: sb.Slot})
		}
	}
	if sb := c.Standby(n); sb != nil {
		h.StandbySignal = true
		server.ConnInfo = topology.NewSecret("", pg.FormatConnInfo(s.ConnInfo(sb)))
		server.Receiver = &facts.Receiver{PID: 300, Status: "streaming", SlotName: sb.Slot}
		setByFile(server, "primary_slot_name", sb.Slot, h.DataDir+"/"+cluster.AutoConf)
		setByFile(server, "recovery_min_apply_delay", pg.Milliseconds(sb.ApplyDelay), h.DataDir+"/"+cluster.AutoConf)
		text, err := s.StandbyPasswords(sb).Fill(func(plan.SecretUse) (string, error) {
			return conninfo.PassField(c.Replication.Role.Password.Reveal()), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		h.Passfile.Exists, h.Passfile.Mode, h.Passfile.Text = true, 0o600, topology.NewSecret("", cluster.Marked(h.DataDir, text))
	}
	writeBlocks(t, s, n)
}

// writeBlocks puts the wanted blocks into the node's files and their values in force.
func writeBlocks(t testing.TB, s *cluster.Cluster, n *topology.Node) {
	t.Helper()
	node := s.Facts.Nodes[n.Name]
	h := node.Host
	h.Conf.Text = cluster.Marked(s.Cluster.Name, "listen_addresses = '*'\n") // as a clone has it
	lines := s.Lines(n)
	if n == s.Cluster.Primary {
		lines = cluster.WithLine(lines, cluster.Line{Name: cluster.SyncNames, Value: s.SyncWanted()})
	}
	h.Conf.Exists, h.HBA.Exists, h.Conf.Modified, h.HBA.Modified = true, true, 1000, 1000
	h.Conf.Text = "# the user's own\n" + cluster.Marked(s.Cluster.Name, cluster.ConfRevealed(lines))
	h.HBA.Text = cluster.Marked(s.Cluster.Name, s.HBAText(n).Text) + "local  all  all  peer\n"
	for i, l := range lines {
		if setting, ok := node.Server.Settings[l.Name]; ok {
			value, err := cluster.Normalise(setting, l.Reveal())
			if err == nil { // a bad value is what some cases are about
				setSetting(node.Server, l.Name, value, h.Conf.Path)
			}
		}
		node.Server.FileSettings = append(node.Server.FileSettings, facts.FileSetting{File: h.Conf.Path, Line: 3 + i, Name: l.Name, Value: l.Reveal(), Applied: true})
	}
}

// setByFile puts a line into a file, and its value in force.
func setByFile(server *facts.Server, name, value, file string) {
	setSetting(server, name, value, file)
	server.FileSettings = append(server.FileSettings, facts.FileSetting{File: file, Line: 3, Name: name, Value: value, Applied: true})
}

func setSetting(server *facts.Server, name, value, file string) {
	setting := server.Settings[name]
	setting.Value, setting.Source, setting.SourceFile, setting.SourceLine = value, "configuration file", file, 3
	server.Settings[name] = setting
}

// defaultSettings is a part of pg_settings of a fresh PostgreSQL 15.
func defaultSettings() map[string]facts.Setting {
	all := map[string]facts.Setting{}
	for _, row := range strings.Split(strings.TrimSpace(`
max_connections           integer postmaster 100       - 1 262143
max_worker_processes      integer postmaster 8         - 0 262143
max_wal_senders           integer postmaster 10        - 0 262143
max_prepared_transactions integer postmaster 0         - 0 262143
max_locks_per_transaction integer postmaster 64        - 10 2147483647
max_replication_slots     integer postmaster 10        - 0 262143
max_logical_replication_workers integer postmaster 4   - 0 262143
shared_buffers            integer postmaster 16384     8kB 16 1073741823
work_mem                  integer user       4096      kB 64 2147483647
max_slot_wal_keep_size    integer sighup     -1        MB -1 2147483647
checkpoint_timeout        integer sighup     300       s 30 86400
recovery_min_apply_delay  integer sighup     0         ms 0 2147483647
wal_level                 enum    postmaster replica   - minimal,replica,logical -
synchronous_commit        enum    user       on        - local,remote_write,remote_apply,on,off -
hot_standby_feedback      bool    sighup     off       - - -
fsync                     bool    sighup     on        - - -
random_page_cost          real    user       4         - 0 1.79769e+308
listen_addresses          string  postmaster localhost - - -
statement_timeout         integer user       0         ms 0 2147483647
search_path               string  user       -         - - -
datestyle                 string  user       -         - - -
log_line_prefix           string  sighup     %m        - - -
ssl_passphrase_command    string  sighup     -         - - -
synchronous_standby_names string  sighup     -         - - -
primary_slot_name         string  sighup     -         - - -
promote_trigger_file      string  sighup     -         - - -
recovery_target_lsn       string  postmaster -         - - -
default_transaction_read_only bool user      off       - - -
cluster_name              string  postmaster -         - - -
port                      integer postmaster 5432      - 1 65535
unix_socket_directories   string  postmaster /var/run/postgresql - - -
synchronized_standby_slots string sighup     -         - - -
sync_replication_slots    bool    sighup     off       - - -
server_version_num        integer internal   150004    - 150004 150004
`), "\n") {
		c := strings.Fields(row)
		for i := range c {
			if c[i] == "-" {
				c[i] = ""
			}
		}
		s := facts.Setting{VarType: c[1], Context: c[2], Value: c[3], Boot: c[3], Unit: c[4], Source: "default"}
		if s.VarType == "enum" {
			s.Enum = strings.Split(c[5], ",")
		} else {
			s.Min, s.Max = c[5], c[6]
		}
		all[c[0]] = s
	}
	return all
}

// alter changes the world by one line of a golden case.
func alter(t testing.TB, f facts.Facts, top *topology.Topology, directive string) {
	t.Helper()
	name, rest, _ := strings.Cut(directive, " ")
	node := f.Nodes[name]
	if node == nil {
		t.Fatalf("directive %q: no node %q", directive, name)
	}
	if strings.HasPrefix(rest, "{") {
		if err := json.Unmarshal([]byte(rest), node); err != nil {
			t.Fatalf("directive %q: %v", directive, err)
		}
		return
	}
	words := strings.Fields(rest)
	switch words[0] {
	case "absent":
		c := top.Cluster(top.Node(name))
		*node = *emptyNode(top, c, top.Node(name))
		if sb := c.Standby(top.Node(name)); sb != nil && sb.Slot != "" { // an apply made its slot
			if live := f.Nodes[c.Primary.Name].Server; live != nil && live.Ledger != nil {
				up := sb.Upstream.Name
				live.Ledger.Managed = append(live.Ledger.Managed, facts.Managed{Address: c.ID + ".node." + up + ".slot." + sb.Slot, Object: "slot " + sb.Slot + " on " + up})
			}
		}
	case "down":
		down(node)
	case "unreachable":
		*node = facts.Node{Name: name, Error: &facts.ReadError{Kind: facts.Unreachable, Text: "ssh: dial " + name + ": connection refused", Hint: "is the machine up?"}}
	case "promoted":
		node.Server.InRecovery, node.Server.Receiver = false, nil
	case "system":
		node.Server.SystemIdentifier, node.Host.Control.SystemIdentifier = words[1], words[1]
	case "timeline":
		node.Server.Timeline, _ = strconv.Atoi(words[1])
	case "alter-system":
		setByFile(node.Server, words[1], strings.Join(words[2:], " "), node.Host.DataDir+"/"+cluster.AutoConf)
	case "waits": // a line of a file that the server read and has not taken
		setting := node.Server.Settings[words[1]]
		setting.PendingRestart = setting.Context == "postmaster"
		node.Server.Settings[words[1]] = setting
		node.Server.FileSettings = append(node.Server.FileSettings, facts.FileSetting{File: words[3], Line: 3, Name: words[1], Value: words[2]})
	case "went": // a line that is gone, of a parameter that keeps its value until a restart
		node.Server.FileSettings = append(node.Server.FileSettings, facts.FileSetting{Error: `parameter "` + words[1] + `" cannot be changed without restarting the server`})
	case "command-line":
		setting := node.Server.Settings[words[1]]
		setting.Value, setting.Source, setting.SourceFile, setting.SourceLine = words[2], "command line", "", 0
		node.Server.Settings[words[1]] = setting
	case "in-force":
		setting := node.Server.Settings[words[1]]
		setting.Value = words[2]
		node.Server.Settings[words[1]] = setting
	case "conninfo": // NODE conninfo KEY=VALUE…
		node.Server.ConnInfo = topology.NewSecret("", rest[len("conninfo "):])
	case "conninfo-waits": // NODE conninfo-waits KEY=VALUE…: the files have it, the server has not taken it
		text := topology.NewSecret("", rest[len("conninfo-waits "):])
		node.Server.PendingConnInfo = &text
	case "sender": // NODE sender STANDBY NAME: its application_name, or - for none
		node.Server.Senders = remove(node.Server.Senders, func(w facts.Sender) bool { return w.ApplicationName == words[1] && words[2] == "-" })
		for i := range node.Server.Senders {
			if w := &node.Server.Senders[i]; w.ApplicationName == words[1] {
				w.ApplicationName = words[2]
			}
		}
	case "expired": // NODE expired ROLE: its password is no longer accepted
		for i := range node.Server.Roles {
			if r := &node.Server.Roles[i]; r.Name == words[1] {
				r.ValidUntil, r.Expired = "2020-01-01 00:00:00+00", true
			}
		}
	case "no-role":
		node.Server.Roles = remove(node.Server.Roles, func(r facts.Role) bool { return r.Name == words[1] })
	case "no-database":
		node.Server.Databases = remove(node.Server.Databases, func(d facts.Database) bool { return d.Name == words[1] })
	case "lost-slot":
		for i := range node.Server.Slots {
			if slot := &node.Server.Slots[i]; slot.Name == words[1] {
				slot.Active, slot.RestartLSN, slot.WALStatus = false, "", "lost"
			}
		}
	case "no-slot":
		node.Server.Slots = remove(node.Server.Slots, func(s facts.Slot) bool { return s.Name == words[1] })
	case "add-slot":
		node.Server.Slots = append(node.Server.Slots, facts.Slot{Slot: topology.Slot{Name: words[1], Type: "physical"}, Active: len(words) > 2})
	case "add-role":
		node.Server.Roles = append(node.Server.Roles, facts.Role{Role: topology.Role{Name: words[1], Login: true, Inherit: true, ConnectionLimit: -1}})
	case "oid": // NODE oid KIND NAME N
		setOID(t, node.Server, words[1], words[2], words[3])
	case "add-database":
		node.Server.Databases = append(node.Server.Databases, facts.Database{Database: topology.Database{Name: words[1], Owner: "postgres", Encoding: "UTF8", Locale: "C.UTF-8"}})
		node.Server.Logical[words[1]] = &facts.Logical{Access: map[string]facts.Access{}}
	case "database-renamed": // NODE database-renamed NAME NAME: by hand
		renameDatabase(node.Server, words[1], words[2])
	case "renamed": // NODE renamed subscription NAME NAME: by hand
		for _, l := range node.Server.Logical {
			if sub := l.Subscription(words[2]); sub != nil {
				sub.Name = words[3]
			}
		}
	case "no-conf":
		node.Host.Conf.Exists, node.Host.Conf.Text = false, ""
	case "no-ledger":
		node.Server.Ledger = nil
	case "ledger":
		node.Server.Ledger.Managed = append(node.Server.Ledger.Managed, facts.Managed{Address: words[1], Object: strings.Join(words[2:], " "), Since: "2026-11-26 09:00:00.25+00"}.Parse())
	case "conf":
		node.Host.Conf.Text = replaceAll(node.Host.Conf.Text, rest[len("conf "):])
	case "hba":
		node.Host.HBA.Text = replaceAll(node.Host.HBA.Text, rest[len("hba "):])
	default:
		alterLogical(t, node, words, rest, directive)
	}
}

// down stops a node's server: what it starts with stands in its files.
func down(node *facts.Node) {
	h, server := node.Host, node.Server
	var text string
	if server.InRecovery {
		text = conftext.FormatSetting("primary_conninfo", server.ConnInfo.Reveal()) + "\n" +
			conftext.FormatSetting("primary_slot_name", server.InForce("primary_slot_name")) + "\n"
	}
	h.AutoConf = facts.SecretFile{Path: h.DataDir + "/" + cluster.AutoConf, Exists: true, Stamp: "STAMP", Text: topology.NewSecret("", text)}
	node.Server, h.Running = nil, false
}

// renameDatabase takes along what is in the database.
func renameDatabase(server *facts.Server, was, now string) {
	for i := range server.Databases {
		if db := &server.Databases[i]; db.Name == was {
			db.Name = now
		}
	}
	for i := range server.Slots {
		if slot := &server.Slots[i]; slot.Database == was {
			slot.Database = now
		}
	}
	server.Logical[now] = server.Logical[was]
	delete(server.Logical, was)
}

// setOID gives a database, role or subscription an OID.
func setOID(t testing.TB, server *facts.Server, kind, name, text string) {
	t.Helper()
	oid, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	for i := range server.Databases {
		if db := &server.Databases[i]; kind == "database" && db.Name == name {
			db.OID = oid
		}
	}
	for i := range server.Roles {
		if r := &server.Roles[i]; kind == "role" && r.Name == name {
			r.OID = oid
		}
	}
	for _, l := range server.Logical {
		if sub := l.Subscription(name); kind == "subscription" && sub != nil {
			sub.OID = oid
		}
	}
}

// replaceAll does s/OLD/NEW/ with \n for a new line; an empty OLD puts NEW in front.
func replaceAll(text, expr string) string {
	old, new, _ := strings.Cut(strings.ReplaceAll(expr, `\n`, "\n"), " => ")
	if old == "" {
		return new + text
	}
	return strings.ReplaceAll(text, old, new)
}

func remove[T any](list []T, gone func(T) bool) []T {
	var kept []T
	for _, x := range list {
		if !gone(x) {
			kept = append(kept, x)
		}
	}
	return kept
}

func testVerifier(t testing.TB, password string) string {
	t.Helper()
	v, err := scram.Verifier(password, strings.NewReader("sixteen bytes...."))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
