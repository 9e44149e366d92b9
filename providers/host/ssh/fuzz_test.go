package ssh

import (
	"path/filepath"
	"testing"
)

// FuzzDestination: what is taken for [user@]host[:port] has a host that ssh cannot take for
// an option, and a port that there is.
func FuzzDestination(f *testing.F) {
	for _, v := range []string{"h", "u@h:22", "[::1]:2222", "fe80::1", "ssh://u@h:1", "[", "]:1", "[:", "@:", "a@-oProxyCommand=x", "h:0", "h:65536", ":::"} {
		f.Add(v)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := parseDestination(text)
		if err == nil && (checkHost(d.host) != nil || d.port < 0 || d.port > 65535) {
			t.Errorf("%q is %+v", text, d)
		}
	})
}

// FuzzSettings: nothing that `ssh -G` prints, and no file where there is no ssh, breaks the
// reader; the host that comes of it is one.
func FuzzSettings(f *testing.F) {
	for _, v := range []string{
		"hostname db\nport 22\nuser u\n", "hostname -x\n", "hostname %h.example\nport x\n", "port 99999\n", "proxyjump a,b\n", "identityagent $X\nidentityfile %d/%%\n", "connecttimeout 1x\n",
		"Host *\n  HostName ${X}\n", "Match exec true\n", "Include /dev/null\n", "\x00", " \n\t=\n", "userknownhostsfile a b\nstricthostkeychecking accept-new\n", "serveraliveinterval -1\n", "connecttimeout 99999999999\n",
	} {
		f.Add([]byte(v))
	}
	file := filepath.Join(f.TempDir(), "config")
	f.Fuzz(func(t *testing.T, text []byte) {
		d := destination{host: "db1"}
		if to, err := parseSettings(text).target(d); err == nil && (checkHost(to.host) != nil || to.port < 1 || to.port > 65535 || to.timeout <= 0) {
			t.Errorf("%q is %+v", text, to)
		}
		write(t, file, string(text))
		s := settings{}
		if s.addFile(file, "db1", true) != nil {
			return
		}
		s.addDefaults()
		if to, err := s.target(d); err == nil && checkHost(to.host) != nil {
			t.Errorf("%q is %+v", text, to)
		}
	})
}
