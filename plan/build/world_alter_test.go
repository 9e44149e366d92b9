package build

import (
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/repltool/repltool/cluster"
	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
	"github.com/repltool/repltool/topology"
)

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
	switch {
	case alterNode(f, top, node, words, rest):
	case alterSetting(node, words, rest):
	case alterSlot(node.Server, words):
	case alterObject(t, node.Server, words):
	default:
		alterLogical(t, node, words, rest, directive)
	}
}

// alterNode changes a node, its files or its ledger; false for another directive.
func alterNode(f facts.Facts, top *topology.Topology, node *facts.Node, words []string, rest string) bool {
	switch words[0] {
	case "absent":
		absent(f, top, node)
	case "down":
		down(node)
	case "unreachable":
		*node = facts.Node{Name: node.Name, Error: &facts.ReadError{Kind: facts.Unreachable, Text: "ssh: dial " + node.Name + ": connection refused", Hint: "is the machine up?"}}
	case "promoted":
		node.Server.InRecovery, node.Server.Receiver = false, nil
	case "system":
		node.Server.SystemIdentifier, node.Host.Control.SystemIdentifier = words[1], words[1]
	case "timeline":
		node.Server.Timeline, _ = strconv.Atoi(words[1])
	case "no-conf":
		node.Host.Conf.Exists, node.Host.Conf.Text = false, ""
	case "by-hand": // its lines are there, and not in managed blocks
		for _, file := range []*facts.File{&node.Host.Conf, &node.Host.HBA} {
			file.Text = regexp.MustCompile(`(?m)^# repltool .*\n`).ReplaceAllString(file.Text, "")
		}
	case "rules": // the server has read pg_hba.conf
		node.Server.HBA = rulesOf(node.Host.HBA.Text)
	case "no-ledger":
		node.Server.Ledger = nil
	case "ledger":
		node.Server.Ledger.Managed = append(node.Server.Ledger.Managed, facts.Managed{Address: words[1], Object: strings.Join(words[2:], " "), Since: "2026-11-26 09:00:00.25+00"}.Parse())
	case "conf":
		node.Host.Conf.Text = replaceAll(node.Host.Conf.Text, rest[len("conf "):])
	case "hba":
		node.Host.HBA.Text = replaceAll(node.Host.HBA.Text, rest[len("hba "):])
	default:
		return false
	}
	return true
}

// rulesOf are the rules of a pg_hba.conf as the server shows them.
func rulesOf(text string) (rules []facts.HBARule) {
	for _, l := range conftext.ParseHBA(text) {
		r, err := l.Rule()
		if err != nil {
			continue
		}
		rules = append(rules, facts.HBARule{Line: l.Line, HBARule: topology.HBARule{Type: r.Type, Database: r.Database, User: r.User, Address: r.Address, Method: r.Method}})
	}
	return rules
}

// alterSetting changes what is set, or waits in the files.
func alterSetting(node *facts.Node, words []string, rest string) bool {
	switch words[0] {
	case "alter-system":
		setByFile(node.Server, words[1], strings.Join(words[2:], " "), node.Host.DataDir+"/"+cluster.AutoConf)
	case "waits": // a line of a file that the server read and has not taken
		setting := node.Server.Settings[words[1]]
		setting.PendingRestart = setting.Context == "postmaster"
		node.Server.Settings[words[1]] = setting
		node.Server.FileSettings = append(node.Server.FileSettings, facts.FileSetting{File: words[3], Line: 3, Name: words[1], Value: words[2]})
	case "went": // a line that is gone, of a parameter that keeps its value until a restart
		node.Server.FileSettings = append(node.Server.FileSettings, facts.FileSetting{Error: `parameter "` + words[1] + `" cannot be changed without restarting the server`})
	case "left": // a line of the block that is gone, of a parameter that keeps its value
		setting, block := node.Server.Settings[words[1]], cluster.BlockOf(node.Host.Conf.Text, &topology.Cluster{Name: "main"})
		setting.Value, setting.Source, setting.SourceFile, setting.SourceLine = words[2], "configuration file", node.Host.Conf.Path, block.FirstLine()+1
		node.Server.Settings[words[1]] = setting
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
	default:
		return false
	}
	return true
}

// alterSlot changes slots and those that stream.
func alterSlot(server *facts.Server, words []string) bool {
	switch words[0] {
	case "sender": // NODE sender STANDBY NAME: its application_name, or - for none
		server.Senders = remove(server.Senders, func(w facts.Sender) bool { return w.ApplicationName == words[1] && words[2] == "-" })
		for i := range server.Senders {
			if w := &server.Senders[i]; w.ApplicationName == words[1] {
				w.ApplicationName = words[2]
			}
		}
	case "lost-slot":
		for i := range server.Slots {
			if slot := &server.Slots[i]; slot.Name == words[1] {
				slot.Active, slot.RestartLSN, slot.WALStatus = false, "", "lost"
			}
		}
	case "no-slot":
		server.Slots = remove(server.Slots, func(s facts.Slot) bool { return s.Name == words[1] })
	case "add-logical-slot":
		server.Slots = append(server.Slots, facts.Slot{Slot: topology.Slot{Name: words[1], Type: "logical"}})
	case "add-slot":
		server.Slots = append(server.Slots, facts.Slot{Slot: topology.Slot{Name: words[1], Type: "physical"}, Active: len(words) > 2})
	default:
		return false
	}
	return true
}

// alterObject changes roles, databases and what is in them.
func alterObject(t testing.TB, server *facts.Server, words []string) bool {
	switch words[0] {
	case "expired": // NODE expired ROLE: its password is no longer accepted
		for i := range server.Roles {
			if r := &server.Roles[i]; r.Name == words[1] {
				r.ValidUntil, r.Expired = "2020-01-01 00:00:00+00", true
			}
		}
	case "in-database": // NODE in-database ROLE DATABASE PARAMETER VALUE
		for i := range server.Roles {
			if r := &server.Roles[i]; r.Name == words[1] {
				r.InDatabase = map[string]topology.Parameters{words[2]: {words[3]: {Value: words[4]}}}
			}
		}
	case "no-role":
		server.Roles = remove(server.Roles, func(r facts.Role) bool { return r.Name == words[1] })
	case "no-database":
		server.Databases = remove(server.Databases, func(d facts.Database) bool { return d.Name == words[1] })
	case "add-role":
		server.Roles = append(server.Roles, facts.Role{Role: topology.Role{Name: words[1], Login: true, Inherit: true, ConnectionLimit: -1}})
	case "oid": // NODE oid KIND NAME N
		setOID(t, server, words[1], words[2], words[3])
	case "add-database":
		server.Databases = append(server.Databases, facts.Database{Database: topology.Database{Name: words[1], Owner: "postgres", Encoding: "UTF8", Locale: "C.UTF-8"}})
		server.Logical[words[1]] = &facts.Logical{Access: map[string]facts.Access{}}
	case "database-renamed": // NODE database-renamed NAME NAME: by hand
		renameDatabase(server, words[1], words[2])
	case "renamed": // NODE renamed subscription NAME NAME: by hand
		for _, l := range server.Logical {
			if sub := l.Subscription(words[2]); sub != nil {
				sub.Name = words[3]
			}
		}
	default:
		return false
	}
	return true
}

// absent takes a node's cluster away; an apply made its slot.
func absent(f facts.Facts, top *topology.Topology, node *facts.Node) {
	n := top.Node(node.Name)
	c := top.Cluster(n)
	*node = *emptyNode(top, c, n)
	sb, live := c.Standby(n), f.Nodes[c.Primary.Name].Server
	if sb == nil || sb.Slot == "" || live == nil || live.Ledger == nil {
		return
	}
	up := sb.Upstream.Name
	live.Ledger.Managed = append(live.Ledger.Managed, facts.Managed{Address: c.ID + ".node." + up + ".slot." + sb.Slot, Object: "slot " + sb.Slot + " on " + up})
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
