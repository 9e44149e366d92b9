package ssh

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

const defaultTimeout = 10 * time.Second

// target is one machine to log in to, with everything that configuration says.
type target struct {
	name string // as written by the user
	host string // what is dialled
	port int
	user string

	identities     []string // files, in order
	identitiesOnly bool
	agent          string // path of the agent's socket; "" for none
	certificates   []string

	jumps        []string // ProxyJump, first hop first
	userKnown    []string
	globalKnown  []string
	hostKeyAlias string
	acceptNew    bool
	timeout      time.Duration
}

func (t *target) addr() string { return joinHostPort(t.host, t.port) }

// login is how the target is called in messages.
func (t *target) login() string { return t.user + "@" + t.addr() }

// destination is what the user wrote: a host, perhaps with user and port.
type destination struct {
	host, user string
	port       int
}

// parseDestination reads [user@]host[:port], the form of ProxyJump.
func parseDestination(s string) (destination, error) {
	s = strings.TrimPrefix(s, "ssh://")
	var d destination
	if at := strings.LastIndexByte(s, '@'); at >= 0 {
		d.user, s = s[:at], s[at+1:]
	}
	d.host = s
	if h, p, ok := splitPort(s); ok {
		n, err := strconv.Atoi(p)
		if err != nil || n < 1 || n > 65535 {
			return d, fmt.Errorf("%q: not a port", p)
		}
		d.host, d.port = h, n
	}
	d.host = strings.Trim(d.host, "[]")
	return d, checkHost(d.host)
}

// splitPort splits host:port and [v6]:port; a bare IPv6 address has no port.
func splitPort(s string) (h, p string, ok bool) {
	colon := strings.LastIndexByte(s, ':')
	if colon < 0 {
		return s, "", false
	}
	if strings.HasPrefix(s, "[") {
		return s[:colon], s[colon+1:], s[colon-1] == ']'
	}
	return s[:colon], s[colon+1:], strings.Count(s, ":") == 1
}

// checkHost refuses what ssh would take for an option.
func checkHost(h string) error {
	if h == "" || strings.HasPrefix(h, "-") || strings.ContainsAny(h, " \t\r\n\x00'`\"$\\;&<>|(){}") {
		return fmt.Errorf("%q is not a host name", h)
	}
	return nil
}

// resolve returns what `ssh DEST` would use.
func resolve(ctx context.Context, d destination, o Options) (*target, error) {
	if err := checkHost(d.host); err != nil {
		return nil, configError(d, err, "")
	}
	settings, err := readSettings(ctx, d, o)
	if err != nil {
		return nil, err
	}
	t, err := settings.target(d)
	if err != nil {
		return nil, configError(d, err, "")
	}
	return t, nil
}

func configError(d destination, err error, hint string) error {
	return &host.Error{Kind: facts.Unreachable, Op: "ssh: configuration of " + d.host, Err: err, Hint: hint}
}

// override puts what the topology says over it.
func (t *target) override(s topology.SSH) {
	if s.IdentityFile != "" {
		// As if given alone: an agent full of other keys must not use up the
		// attempts that the server allows.
		t.identities, t.identitiesOnly = []string{expandHome(s.IdentityFile)}, true
	}
	switch s.ProxyJump {
	case "":
	case "none":
		t.jumps = nil
	default:
		t.jumps = strings.Split(s.ProxyJump, ",")
	}
	if s.KnownHosts != "" {
		t.userKnown = []string{expandHome(s.KnownHosts)}
	}
	if s.HostKeyChecking != "" {
		t.acceptNew = s.HostKeyChecking == "accept-new"
	}
	if s.ConnectTimeout > 0 {
		t.timeout = s.ConnectTimeout
	}
}

// settings are the words of ssh_config, in lower case, with their values.
type settings map[string][]string

func (s settings) first(key string) string {
	if v := s[key]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// readSettings asks the ssh program, which knows every word of its own files;
// without one, the files are read here.
func readSettings(ctx context.Context, d destination, o Options) (settings, error) {
	program, err := exec.LookPath(o.program())
	if err != nil {
		return parseFiles(d, o)
	}
	args := []string{"-G"}
	if o.ConfigFile != "" {
		args = append(args, "-F", o.ConfigFile)
	}
	if d.user != "" {
		args = append(args, "-l", d.user)
	}
	if d.port != 0 {
		args = append(args, "-p", strconv.Itoa(d.port))
	}
	cmd := exec.CommandContext(ctx, program, append(args, d.host)...)
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if err != nil {
		return nil, configError(d, sshGError(ctx, err), "To see the same error, run: "+program+" "+host.QuoteAll(args)+" "+d.host)
	}
	return parseSettings(out), nil
}

func sshGError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && len(exit.Stderr) > 0 {
		return errors.New(host.LastLines(string(exit.Stderr), 5))
	}
	return err
}

func parseSettings(out []byte) settings {
	s := settings{}
	for line := range bytes.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(string(line)), " ")
		s[strings.ToLower(key)] = append(s[strings.ToLower(key)], value)
	}
	return s
}

// target makes a target of the settings.
func (s settings) target(d destination) (*target, error) {
	if p := s.first("proxycommand"); p != "" && p != "none" {
		return nil, errors.New("ProxyCommand is not supported yet; ProxyJump is")
	}
	t := &target{name: d.host, host: d.host, port: d.port, user: d.user, timeout: defaultTimeout}
	if h := s.first("hostname"); h != "" {
		t.host = strings.ReplaceAll(h, "%h", d.host)
	}
	if err := checkHost(t.host); err != nil {
		return nil, err
	}
	if err := s.setLogin(t); err != nil {
		return nil, err
	}
	t.hostKeyAlias = s.first("hostkeyalias")
	x := newExpander(t)
	t.identities = expandAll(x, s["identityfile"])
	t.certificates = expandAll(x, s["certificatefile"])
	t.identitiesOnly = s.first("identitiesonly") == "yes"
	t.agent = agentSocket(x.expand(s.first("identityagent")))
	t.userKnown = expandAll(x, strings.Fields(s.first("userknownhostsfile")))
	t.globalKnown = expandAll(x, strings.Fields(s.first("globalknownhostsfile")))
	t.acceptNew = s.first("stricthostkeychecking") == "accept-new"
	if j := s.first("proxyjump"); j != "" && j != "none" {
		t.jumps = strings.Split(j, ",")
	}
	return t, nil
}

func (s settings) setLogin(t *target) error {
	if t.user == "" {
		t.user = s.first("user")
	}
	if t.user == "" {
		t.user = localUser()
	}
	if p := s.first("port"); t.port == 0 && p != "" {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil || n == 0 {
			return fmt.Errorf("port %q is not a port", p)
		}
		t.port = int(n)
	}
	if t.port == 0 {
		t.port = 22
	}
	if n, err := strconv.ParseUint(s.first("connecttimeout"), 10, 31); err == nil && n > 0 {
		t.timeout = time.Duration(n) * time.Second
	}
	return nil
}

// agentSocket returns the agent's path for what IdentityAgent says.
func agentSocket(value string) string {
	switch {
	case value == "none":
		return ""
	case value == "", value == "SSH_AUTH_SOCK":
		return os.Getenv("SSH_AUTH_SOCK")
	case strings.HasPrefix(value, "$"):
		return os.Getenv(strings.Trim(value[1:], "{}"))
	}
	return value
}

func expandAll(x expander, values []string) []string {
	var all []string
	for _, v := range values {
		if v = strings.Trim(v, `"`); v != "" && v != "none" {
			all = append(all, x.expand(v))
		}
	}
	return all
}

func expandHome(path string) string {
	if rest, ok := strings.CutPrefix(path, "~/"); ok {
		return filepath.Join(homeDir(), rest)
	}
	return path
}

func homeDir() string {
	if h, err := os.UserHomeDir(); err == nil {
		return h
	}
	return "/"
}

func localUser() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return os.Getenv("USER")
}
