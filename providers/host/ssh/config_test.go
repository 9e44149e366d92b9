package ssh

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const someConfig = `
Host db*
  HostName %h.example.net
  User deploy
  Port 2222
  IdentityFile ~/.ssh/%h-key
  IdentityFile "/keys/%r@%n"
  IdentitiesOnly yes
  IdentityAgent none
  CertificateFile /keys/cert
  ProxyJump ops@gate:2200,inner
  UserKnownHostsFile /k/one /k/two
  HostKeyAlias alias-of-db
  StrictHostKeyChecking accept-new
  ConnectTimeout 7
Host *
  User other
  GlobalKnownHostsFile /g/known
`

// The ssh program and repltool's own reading must agree.
func TestResolve(t *testing.T) {
	file := t.TempDir() + "/config"
	write(t, file, someConfig)
	want := &target{
		name: "db1", host: "db1.example.net", port: 2222, user: "deploy",
		identities:     []string{homeDir() + "/.ssh/db1.example.net-key", "/keys/deploy@db1"},
		identitiesOnly: true, certificates: []string{"/keys/cert"}, jumps: []string{"ops@gate:2200", "inner"},
		userKnown: []string{"/k/one", "/k/two"}, globalKnown: []string{"/g/known"}, hostKeyAlias: "alias-of-db",
		acceptNew: true, timeout: 7 * time.Second,
	}
	for _, program := range []string{"ssh", "/no/ssh"} {
		got, err := resolve(t.Context(), destination{host: "db1"}, Options{ConfigFile: file, Program: program})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(target{})); diff != "" {
			t.Errorf("%s: %s", program, diff)
		}
	}
}

func TestResolveCannotParse(t *testing.T) {
	file := t.TempDir() + "/config"
	write(t, file, "Match exec true\n  User x\n")
	_, err := resolve(t.Context(), destination{host: "db1"}, Options{ConfigFile: file, Program: "/no/ssh"})
	if err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
	write(t, file, "Nonsense yes\n")
	if _, err = resolve(t.Context(), destination{host: "db1"}, Options{ConfigFile: file}); err == nil {
		t.Fatal("ssh has taken nonsense")
	}
	contains(t, err.Error(), "onsense")
}

func TestParseDestination(t *testing.T) {
	for text, want := range map[string]destination{
		"h": {host: "h"}, "u@h": {host: "h", user: "u"}, "u@h:22": {host: "h", user: "u", port: 22}, "[::1]:2222": {host: "::1", port: 2222},
		"fe80::1": {host: "fe80::1"}, "ssh://u@h:1": {host: "h", user: "u", port: 1}, "[::1]": {host: "::1"}, "a@b@h": {host: "h", user: "a@b"},
	} {
		got, err := parseDestination(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "-x", "h:0", "h:x", "u@", "a b", "`x`"} {
		if _, err := parseDestination(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
