package build

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg"
	"github.com/repltool/repltool/internal/pg/conninfo"
	"github.com/repltool/repltool/internal/pg/scram"
	"github.com/repltool/repltool/plan"
	"github.com/repltool/repltool/topology"
)

// A world is facts that fit a topology exactly: a plan of it is empty. Golden
// cases say in a few lines what is different from that.

const systemIdentifier = "7400000000000000001"

// converged returns the world that an apply of t leaves.
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

// addEmpty adds an empty machine for each node of a cluster that the world lacks.
func addEmpty(top *topology.Topology, f facts.Facts) {
	for _, n := range top.Nodes {
		if c := top.Cluster(n); f.Nodes[n.Name] == nil && c != nil {
			f.Nodes[n.Name] = emptyNode(top, c, n)
		}
	}
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
	if n == s.Goal.Primary {
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
full_page_writes          bool    sighup     on        - - -
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

func testVerifier(t testing.TB, password string) string {
	t.Helper()
	v, err := scram.Verifier(password, strings.NewReader("sixteen bytes...."))
	if err != nil {
		t.Fatal(err)
	}
	return v
}
