package host

import (
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"fmt"
	"net/netip"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/internal/pg/conftext"
)

// Want is what a topology says of a node's PostgreSQL, and what it asks about the
// machine. Empty values are found out.
type Want struct {
	NodeName    string
	ClusterName string
	// EarlierNames are names that the cluster had.
	EarlierNames []string
	// Instance names a new instance where the layout's usual place is taken; Taken
	// reports that another node of the topology takes it.
	Instance string
	Taken    bool
	Port     int // 0: 5432
	// Others are the further nodes of the topology on the machine.
	Others  []Other
	Version int // 0: the newest that is there

	DataDir, ConfigDir, BinDir, SocketDir, Service string

	// Resolve are names to be resolved on the machine.
	Resolve []string
	// Routes are names and addresses that the machine connects to.
	Routes []string
	// Parameters are asked of the server's binary when no server runs. They are
	// seen in the machine's list of processes for a moment: leave secrets out.
	Parameters map[string]string
	// Libraries is a further list of libraries that the server is to load.
	Libraries string
	// Locale and Encoding are initdb's.
	Locale, Encoding string
	// Dirs are further directories that a copy fills: a WAL directory, tablespaces.
	Dirs []string
	// UpstreamHost and UpstreamPort are where a standby is to connect; "" and 0 are
	// not asked about.
	UpstreamHost string
	UpstreamPort int
	// Publishers are where the node's subscriptions are to connect.
	Publishers []Address
}

// Other is another node on the machine: by its data directory, or where none is said by
// its port.
type Other struct {
	Sibling bool // of the same cluster
	Port    int
	DataDir string
}

// Address is a port of a machine.
type Address struct {
	Host string
	Port int
}

var (
	//go:embed discover_layout.sh
	layoutText string
	//go:embed discover_files.sh
	filesText string
	//go:embed discover_clone.sh
	cloneText string
	//go:embed discover_trust.sh
	trustText string
	//go:embed discover.sh
	discoverText string
)

// Discover finds the instance that the node names, with one command: it costs one
// round trip whatever there is.
func Discover(ctx context.Context, c Conn, w Want) (*facts.Host, error) {
	if d := w.relative(); d != "" {
		return nil, &Error{Kind: facts.BadData, Node: w.NodeName, Op: "discover", Err: fmt.Errorf("%q is not an absolute path", d)}
	}
	boundary := newBoundary()
	out, err := c.Run(ctx, Command{
		Argv:  append(groupLimit(ctx), "sh", "-c", `eval "$(cat)"`, "sh"),
		Stdin: strings.NewReader(w.script(boundary, c.OSUser())),
	})
	if err != nil {
		return nil, fmt.Errorf("discover: %w", err)
	}
	return parseHost(out, boundary, w, c.OSUser())
}

// groupLimit ends, on the machine itself, a program and all that it has started: who has
// gone by then cannot. It comes after the limit of ctx, whose error says more.
func groupLimit(ctx context.Context) []string {
	at, limited := ctx.Deadline()
	if !limited {
		return nil
	}
	return []string{"timeout", "-k", "2", strconv.Itoa(int(time.Until(at).Seconds()) + 5)}
}

// relative returns a directory that is not told from the root; "" when all are.
func (w Want) relative() string {
	for _, d := range append([]string{w.DataDir, w.ConfigDir, w.BinDir, w.SocketDir}, w.Dirs...) {
		if d != "" && !path.IsAbs(d) {
			return d
		}
	}
	return ""
}

// newBoundary returns a text that no file of the machine holds.
func newBoundary() string {
	b := make([]byte, 16)
	rand.Read(b)
	return "--repltool-" + hex.EncodeToString(b)
}

// fileName makes a file's name of a node's or a cluster's: NODE.pass is never
// CLUSTER.subscriptions.pass.
func fileName(name string) string {
	if strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".subscriptions") || strings.ContainsAny(name, "/\x00\n") {
		return "x" + hex.EncodeToString([]byte(name))
	}
	return name
}

// script is the whole text that the machine's sh reads.
func (w Want) script(boundary, user string) string {
	var s strings.Builder
	port := w.Port
	if port == 0 {
		port = 5432
	}
	version := ""
	if w.Version > 0 {
		version = strconv.Itoa(w.Version)
	}
	var marks []string
	for _, name := range append([]string{w.ClusterName}, w.EarlierNames...) {
		if name != "" {
			marks = append(marks, conftext.MarkersOf(name).Begin)
		}
	}
	taken := ""
	if w.Taken {
		taken = "1"
	}
	for _, v := range [][2]string{
		{"B", boundary},
		{"W_USER", user},
		{"W_NODE", fileName(w.NodeName)},
		{"W_CLUSTER", fileName(w.ClusterName)},
		{"W_NAME", fileName(w.Instance)},
		{"W_TAKEN", taken},
		{"W_MARK", strings.Join(marks, "\n")},
		{"W_OTHERS", w.others()},
		{"W_PORT", strconv.Itoa(port)},
		{"W_VERSION", version},
		{"W_DATA", clean(w.DataDir)},
		{"W_CONF", clean(w.ConfigDir)},
		{"W_BIN", clean(w.BinDir)},
		{"W_SOCKET", clean(w.SocketDir)},
		{"W_SERVICE", w.Service},
	} {
		fmt.Fprintf(&s, "%s=%s\n", v[0], Quote(v[1]))
	}
	s.WriteString(layoutText + filesText + cloneText + trustText + discoverText)
	fmt.Fprintf(&s, "extra() {\n%s}\nmain </dev/null\n", w.extra())
	return s.String()
}

// others is a line for each of them.
func (w Want) others() string {
	var s strings.Builder
	for _, o := range w.Others {
		whose := "other"
		if o.Sibling {
			whose = "sibling"
		}
		fmt.Fprintf(&s, "%s\t%d\t-%s\n", whose, o.Port, clean(o.DataDir))
	}
	return s.String()
}

// extra are the questions that the topology adds.
func (w Want) extra() string {
	var s strings.Builder
	var dirs []string
	for _, d := range w.Dirs {
		dirs = append(dirs, clean(d))
	}
	fmt.Fprintf(&s, "put_dirs %s\n", QuoteAll(dirs))
	if w.UpstreamHost != "" {
		fmt.Fprintf(&s, "put_reach %s %d\n", Quote(w.UpstreamHost), w.UpstreamPort)
	}
	if len(w.Publishers) > 0 {
		s.WriteString("put_publishers")
		for _, p := range w.Publishers {
			fmt.Fprintf(&s, " %s %d", Quote(p.Host), p.Port)
		}
		s.WriteString("\n")
	}
	s.WriteString("resolved=''\n")
	if names := w.names(); len(names) > 0 {
		fmt.Fprintf(&s, "put resolved\nresolved=$(resolve %s)\nprintf '%%s\\n' \"$resolved\"\n", QuoteAll(names))
	}
	if len(w.Routes) > 0 {
		fmt.Fprintf(&s, "put_sources %s\n", QuoteAll(w.Routes))
	}
	if len(w.Parameters) > 0 {
		fmt.Fprintf(&s, "[ $RUNNING = 1 ] || p=$(%s 2>&1 >/dev/null) || put parameters \"$p\"\n", w.ask())
	}
	if names := libraries(w.Parameters["shared_preload_libraries"] + "," + w.Libraries); len(names) > 0 {
		fmt.Fprintf(&s, "put_lacked %s\n", QuoteAll(names))
	}
	s.WriteString("[ ! -d \"$DATA/pg_replslot\" ] || { put created && (cd \"$DATA\" && stat -c '%W %n' PG_VERSION pg_replslot/*/ 2>/dev/null); }\n")
	s.WriteString("! command -v locale >/dev/null || { put locales && locale -a; }\n")
	return s.String()
}

// libraries returns the names in a list of libraries: those that are looked for in
// PostgreSQL's own directory.
func libraries(list string) []string {
	var names []string
	for name := range strings.SplitSeq(list, ",") {
		name = strings.TrimPrefix(strings.Trim(strings.TrimSpace(name), `"`), "$libdir/")
		if name != "" && !strings.ContainsAny(name, "/\x00\n ") {
			names = append(names, strings.TrimSuffix(name, ".so"))
		}
	}
	return names
}

// ask is the command that has the server's binary check the parameters.
func (w Want) ask() string {
	words := []string{"-C", "port", "-c", "config_file=/dev/null", "-c", "hba_file=/dev/null", "-c", "ident_file=/dev/null"}
	line := `"$BIN/postgres" ` + QuoteAll(words) + ` -c "data_directory=$DATA"`
	var names []string
	for name := range w.Parameters {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		line += " -c " + Quote(name+"="+w.Parameters[name])
	}
	return line
}

// names are those that need a resolver.
func (w Want) names() []string {
	var names []string
	for _, n := range w.Resolve {
		if _, err := netip.ParseAddr(n); err != nil && n != "" && !strings.ContainsAny(n, " \t\r\n\x00") && n[0] != '-' {
			names = append(names, n)
		}
	}
	return names
}

func clean(dir string) string {
	if dir == "" {
		return ""
	}
	return path.Clean(dir)
}

// alwaysThere recognizes locales that need no asking.
func alwaysThere(locale string) bool {
	switch normalLocale(locale) {
	case "", "c", "posix", "c.utf8":
		return true
	}
	return false
}

// normalLocale folds the spellings of one locale: en_US.UTF-8 is en_US.utf8.
func normalLocale(locale string) string {
	return strings.ReplaceAll(strings.ToLower(locale), "-", "")
}
