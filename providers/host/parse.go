package host

import (
	"errors"
	"fmt"
	"net/netip"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/topology"
)

// parseHost makes facts of the script's answer.
func parseHost(out []byte, boundary string, w Want, user string) (*facts.Host, error) {
	f, whole := parseFields(out, boundary)
	if !whole {
		return nil, &Error{Kind: facts.BadData, Node: w.NodeName, Op: "discover", Err: errors.New("the script's answer is not whole")}
	}
	if f.has("error.kind") {
		return nil, &Error{
			Kind: facts.ErrorKind(f.line("error.kind")), Node: w.NodeName, Op: "discover",
			Err: errors.New(f.line("error.text")), Hint: f.line("error.hint"),
		}
	}
	if e := f.unknown(); e != "" {
		return nil, &Error{Kind: facts.ReadFailed, Node: w.NodeName, Op: "discover", Err: errors.New(e), Hint: "Check the file system on that machine."}
	}
	h := &facts.Host{
		Hostname: f.line("hostname"), OSUser: user, StateDir: f.line("state_dir"),
		Layout: facts.Layout(f.line("layout")), Instance: f.line("instance"),
		BinDir: f.line("bin"), DataDir: f.line("data"), ConfigDir: f.line("config"), SocketDir: f.line("socket"),
		Data: facts.DataDir{State: facts.DataState(f.line("data.state"))},
		Service: facts.Service{
			Kind: f.line("service.kind"), Unit: f.line("service.unit"),
			Outside: f.has("service.outside"), Disabled: f.has("service.disabled"), StartConf: f.line("service.start_conf"),
		},
		Running: f.line("running") == "1", PortOwner: f.line("port_owner"),
		Conf: f.file("conf"), HBA: f.file("hba"), Passfile: f.secretFile("pass", w.NodeName),
		SubscriptionPassfile: f.secretFile("subscriptions", w.NodeName),
		StandbySignal:        f.has("standby_signal"),
		Aside:                f.has("aside"), UpstreamError: f.line("unreached"),
	}
	h.NewClusterConf = f.text["new_cluster"]
	for line := range strings.Lines(f.text["new_cluster.tls"]) {
		h.NewClusterTLS = append(h.NewClusterTLS, strings.TrimSpace(line))
	}
	h.AutoConf, h.AsideAutoConf = f.autoConf("auto", h.DataDir, w.NodeName), f.autoConf("aside_auto", h.DataDir+".repltool-old", w.NodeName)
	h.ConfigState, h.ServerLog = facts.DataState(f.line("config.state")), f.serverLog(h, w)
	h.Unmounted = f.unmounted()
	if is := f.stat(h.DataDir); is != nil {
		h.Data.Owner = is.owner
		if h.Data.State == facts.DataCluster {
			h.Data.Mode = is.mode
		}
	}
	h.Machine = f.machine(h.DataDir)
	h.WALTimeline, h.History = hexTimeline(f.line("wal.timeline")), parseHistory(f.text["wal.history"])
	h.WALEnd = parseWALEnd(h.WALTimeline, f.text["wal.end"])
	h.WALEnd.Sum = parseWALSum(f.line("wal.sum"))
	h.Version, _ = strconv.Atoi(f.line("version"))
	h.Port, _ = strconv.Atoi(f.line("port"))
	h.Data.Version, _ = strconv.Atoi(f.line("data.version"))
	h.EarlierPassfiles = f.earlierPassfiles(w.NodeName)
	h.Dirs, h.AsideDirs = f.parseDirs(), linked(f.text["aside"])
	h.Jobs, h.AsideJob = f.jobsOf(h.DataDir)
	h.Data.Unstarted, h.Data.Initdb, h.Data.Manifest = f.has("data.unstarted"), f.has("data.initdb"), f.has("data.manifest")
	h.Resolved = f.resolved(w.Resolve)
	h.Sources = parseSources(f.text["sources"])
	h.Created, h.SlotsCreated = f.created()
	h.PublisherErrors = f.publisherErrors()
	h.ParameterError = parameterError(f.text["parameters"])
	if managers := strings.Fields(f.line("managers")); len(managers) > 0 {
		slices.Sort(managers)
		h.Managers = managers
	}
	if lacked := strings.Fields(f.line("lacked")); len(lacked) > 0 {
		h.LackedLibraries = lacked
	}
	h.Locales = strings.Fields(f.text["locales"])
	h.LocaleMissing = h.Data.State != facts.DataCluster && !alwaysThere(w.Locale) && f.has("locales") && !hasLocale(f.text["locales"], w.Locale)
	if h.Version == 0 {
		return nil, &Error{Kind: facts.BadData, Node: w.NodeName, Op: "discover", Err: fmt.Errorf("%s/postgres does not print its version", h.BinDir)}
	}
	if err := f.control(h); err != nil {
		err.Node = w.NodeName
		return nil, err
	}
	return h, nil
}

func (f *fields) file(name string) facts.File {
	path := f.line(name + ".path")
	is := f.stat(path)
	if is == nil {
		return facts.File{Path: path}
	}
	return facts.File{Path: path, Exists: true, Locked: f.line(name + ".locked"), Text: f.text[name+".text"], Mode: is.mode, Owner: is.owner, Modified: is.modified}
}

// serverLog returns the log that pg_ctl wrote for the instance's server; "" for none. An
// earlier version named it after the node: whose such a file is cannot be known, so that it
// counts as the instance's own.
func (f *fields) serverLog(h *facts.Host, w Want) string {
	for _, name := range []string{h.Key(), fileName(w.NodeName)} {
		if log := path.Join(h.StateDir, name+".log"); slices.Contains(strings.Split(f.text["logs"], "\n"), log) {
			return log
		}
	}
	return ""
}

type stat struct {
	id       string // device and inode
	mode     uint32
	owner    string
	modified float64
}

// machine returns what tells the machine, its network and the data directory from others.
func (f *fields) machine(dataDir string) facts.Machine {
	m := facts.Machine{Boot: f.line("boot")}
	if is := f.stat("/proc/self/ns/net"); is != nil {
		m.Network = is.id
	}
	up := f.line("data.up")
	if is := f.stat(up); is != nil && strings.HasPrefix(dataDir, up) {
		m.DataDir = is.id + dataDir[len(up):]
	}
	return m
}

// stat returns what is told of a path; nil for one that is not there.
func (f *fields) stat(path string) *stat {
	for line := range strings.Lines(f.text["stats"]) {
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 5) // device and inode, mode, seconds, owner, path
		if len(words) < 5 || words[4] != path {
			continue
		}
		bits, _ := strconv.ParseUint(words[1], 8, 32)
		seconds, _ := strconv.ParseFloat(words[2], 64)
		return &stat{id: words[0], mode: uint32(bits) & 0o777, owner: words[3], modified: seconds}
	}
	return nil
}

// unknown returns why it cannot be said whether a file exists; "" where it can for all.
func (f *fields) unknown() string {
	for line := range strings.Lines(f.text["stats"]) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "stat: ") && !strings.HasSuffix(line, "No such file or directory") && !strings.HasSuffix(line, "Not a directory") {
			return line
		}
	}
	return ""
}

func (f *fields) secretFile(name, node string) facts.SecretFile {
	file := f.file(name)
	secret := facts.SecretFile{Path: file.Path, Exists: file.Exists, Mode: file.Mode, Owner: file.Owner}
	if file.Exists {
		secret.Text = topology.NewSecret("node."+node+".passfile", file.Text)
	}
	return secret
}

func (f *fields) earlierPassfiles(node string) []facts.SecretFile {
	var all []facts.SecretFile
	for _, file := range f.earlier {
		path, text, _ := strings.Cut(file, "\n")
		all = append(all, facts.SecretFile{Path: path, Exists: true, Text: topology.NewSecret("node."+node+".passfile", text)})
	}
	return all
}

// control reads what pg_controldata said. A cluster whose control file does not
// say what it is is not touched.
func (f *fields) control(h *facts.Host) *Error {
	text, ok := f.text["control"]
	if !ok {
		return nil
	}
	c := &facts.Control{}
	for line := range strings.Lines(text) {
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch name {
		case "Database system identifier":
			c.SystemIdentifier = value
		case "Database cluster state":
			c.State = value
		case "Latest checkpoint's TimeLineID":
			c.Timeline, _ = strconv.Atoi(value)
		case "Minimum recovery ending location":
			if value != "0/0" {
				c.Reached.LSN = value
			}
		case "Min recovery ending loc's timeline":
			c.Reached.Timeline, _ = strconv.Atoi(value)
		}
		if name == "Bytes per WAL segment" {
			size, _ := strconv.ParseUint(value, 10, 32)
			h.OldestWAL = segmentStart(f.line("wal.oldest"), size)
		}
		if parameter := controlLimits()[name]; parameter != "" {
			if c.Limits == nil {
				c.Limits = map[string]int{}
			}
			c.Limits[parameter], _ = strconv.Atoi(value)
		}
	}
	if c.SystemIdentifier == "" || c.Timeline == 0 {
		return &Error{
			Kind: facts.BadData, Op: "discover: pg_controldata " + h.DataDir,
			Err: errors.New(LastLines(text, 3)), Hint: "The directory says that it is PostgreSQL " + strconv.Itoa(h.Data.Version) + "'s.",
		}
	}
	h.Control = c
	return nil
}

// parseHistory reads the name of a history file and what it has. A line that is none is
// left out: of a timeline that is not there nothing is concluded.
func parseHistory(text string) facts.History {
	name, text, _ := strings.Cut(text, "\n")
	h := facts.History{Timeline: hexTimeline(strings.TrimSuffix(name, ".history"))}
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) < 2 || strings.HasPrefix(words[0], "#") {
			continue
		}
		t, err := strconv.Atoi(words[0])
		if _, known := facts.LSN(words[1]); err == nil && known {
			h.Left = append(h.Left, facts.Branch{Timeline: t, LSN: words[1]})
		}
	}
	return h
}

// endOfWAL is what pg_waldump says where WAL ends: where the last record begins, and mostly also
// where the next one would.
var endOfWAL = regexp.MustCompile(`error in WAL record at ([0-9A-F]+/[0-9A-F]+): (?:.* at ([0-9A-F]+/[0-9A-F]+))?`)

// walRecord is a line of pg_waldump: how long a record is in all, and where it begins.
var walRecord = regexp.MustCompile(`^rmgr: .*?len \(rec/tot\): *[0-9]+/ *([0-9]+), .*?lsn: ([0-9A-F]+/[0-9A-F]+)`)

// parseWALEnd reads the last line of pg_waldump; zero for one that names no record.
func parseWALEnd(timeline int, line string) facts.WALEnd {
	if found := endOfWAL.FindStringSubmatch(line); found != nil {
		at, known := facts.LSN(found[1])
		end, _ := facts.LSN(found[2])
		if !known || at == 0 {
			return facts.WALEnd{}
		}
		return facts.WALEnd{Timeline: timeline, Last: formatLSN(at), LSN: formatLSN(max(at, end))}
	}
	found := walRecord.FindStringSubmatch(line)
	if found == nil {
		return facts.WALEnd{}
	}
	length, _ := strconv.ParseUint(found[1], 10, 64)
	at, known := facts.LSN(found[2])
	if !known {
		return facts.WALEnd{}
	}
	end := at + (length+7)&^7 // records are aligned; headers of pages between are left out
	return facts.WALEnd{Timeline: timeline, Last: formatLSN(at), LSN: formatLSN(end)}
}

// parseWALSum reads a segment, a length and a checksum; zero for anything else.
func parseWALSum(line string) facts.WALSum {
	words := strings.Fields(line)
	if len(words) < 3 {
		return facts.WALSum{}
	}
	bytes, _ := strconv.Atoi(words[1])
	return facts.WALSum{Segment: words[0], Bytes: bytes, SHA256: words[2]}
}

func formatLSN(at uint64) string { return fmt.Sprintf("%X/%X", at>>32, at&0xFFFFFFFF) }

// segmentStart returns where a WAL segment begins, of the name that it has without its timeline;
// "" for none.
func segmentStart(name string, size uint64) string {
	if len(name) != 16 {
		return ""
	}
	high, err := strconv.ParseUint(name[:8], 16, 32)
	number, err2 := strconv.ParseUint(name[8:], 16, 32)
	if err != nil || err2 != nil || size == 0 {
		return ""
	}
	return fmt.Sprintf("%X/%X", high, number*size)
}

// hexTimeline reads a timeline as file names have it; 0 for none.
func hexTimeline(text string) int {
	t, _ := strconv.ParseUint(text, 16, 32)
	return int(t)
}

// controlLimits are the names that pg_controldata has for parameters.
func controlLimits() map[string]string {
	return map[string]string{
		"max_connections setting": "max_connections", "max_worker_processes setting": "max_worker_processes",
		"max_wal_senders setting": "max_wal_senders", "max_prepared_xacts setting": "max_prepared_transactions",
		"max_locks_per_xact setting": "max_locks_per_transaction",
	}
}

// autoConf is postgresql.auto.conf of a data directory, where it was read.
func (f *fields) autoConf(name, dir, node string) facts.SecretFile {
	file := facts.SecretFile{Path: dir + "/postgresql.auto.conf", Exists: f.has(name)}
	if !file.Exists {
		return facts.SecretFile{}
	}
	file.Stamp = f.line(name + ".stamp")
	file.Text = topology.NewSecret("node."+node+".auto_conf", f.text[name])
	return file
}

// jobsOf returns the detached commands that make this data directory, and the one that
// moved another out of its place.
func (f *fields) jobsOf(dataDir string) (all []facts.Job, aside *facts.Job) {
	for _, id := range f.jobs {
		j := facts.Job{ID: id, Running: f.line("job."+id+".running") == "1", Refused: f.has("job." + id + ".refused")}
		j.Argv, j.Absent = words(f.text["job."+id+".argv"]), words(f.text["job."+id+".absent"])
		if !names(j.Argv, dataDir) && (j.Argv != nil || !slices.Contains(j.Absent, dataDir)) {
			continue // another instance's, which may have used the same name once
		}
		if code, err := strconv.Atoi(f.line("job." + id + ".status")); err == nil && !j.Running {
			j.ExitCode = &code
		}
		if j.Running {
			j.PID, _ = strconv.Atoi(f.line("job." + id + ".pid"))
		}
		if strings.HasSuffix(id, ".aside") {
			aside = &j
			continue
		}
		all = append(all, j)
	}
	return all, aside
}

// words parts texts that end with a zero byte.
func words(text string) []string {
	if text == "" {
		return nil
	}
	return strings.Split(strings.TrimSuffix(text, "\x00"), "\x00")
}

// names reports whether a command's words name the directory.
func names(argv []string, dir string) bool {
	return slices.ContainsFunc(argv, func(word string) bool {
		return word == dir || strings.HasSuffix(word, "="+dir) || word == "-D"+dir
	})
}

// resolved reads what the machine's resolver said; addresses stand for themselves.
// publisherErrors reads why publishers do not answer, by "host port".
func (f *fields) publisherErrors() map[string]string {
	var all map[string]string
	for line := range strings.Lines(f.text["publishers"]) {
		words := strings.SplitN(strings.TrimSpace(line), " ", 3)
		if len(words) == 3 {
			if all == nil {
				all = map[string]string{}
			}
			all[words[0]+" "+words[1]] = words[2]
		}
	}
	return all
}

func (f *fields) resolved(asked []string) map[string][]string {
	if len(asked) == 0 {
		return nil
	}
	all := map[string][]string{}
	for line := range strings.Lines(f.text["resolved"]) {
		words := strings.Fields(line)
		if len(words) > 1 {
			slices.Sort(words[1:])
			all[words[0]] = slices.Compact(words[1:])
		}
	}
	for _, name := range asked {
		if a, err := netip.ParseAddr(name); err == nil {
			all[name] = []string{a.String()}
		}
	}
	return all
}

// parameterError returns the first complaint of the server's binary and its hint.
func parameterError(text string) string {
	var said []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		_, fatal, isFatal := strings.Cut(line, "FATAL:  ")
		_, hint, isHint := strings.Cut(line, "HINT:  ")
		switch {
		case isFatal && len(said) == 0:
			said = append(said, fatal)
		case isHint && len(said) == 1:
			said = append(said, "HINT: "+hint)
		}
	}
	if len(said) == 0 {
		return LastLines(text, 1)
	}
	return strings.Join(said, "\n")
}

func hasLocale(all, want string) bool {
	for line := range strings.Lines(all) {
		if normalLocale(strings.TrimSpace(line)) == normalLocale(want) {
			return true
		}
	}
	return false
}
