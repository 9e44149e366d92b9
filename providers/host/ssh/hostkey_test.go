package ssh

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

// hostKeyError dials and returns how the key was refused.
func hostKeyError(t *testing.T, s *sshd) *facts.ReadError {
	t.Helper()
	_, err := s.dial()
	e := host.ReadError(err)
	if e == nil || e.Kind != facts.HostKey {
		t.Fatalf("got %v", err)
	}
	return e
}

func contains(t *testing.T, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in: %s", part, text)
		}
	}
}

func TestHostKeyUnknown(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	s.write("known_hosts", "")
	e := hostKeyError(t, s)
	contains(t, e.Text, ssh.FingerprintSHA256(s.keys["ed25519"].PublicKey()), s.hosts)
	contains(t, e.Hint, "ssh-keyscan -p "+fmt.Sprint(s.port)+" 127.0.0.1 >> "+s.hosts, "ssh -F "+s.config)
	if text, _ := os.ReadFile(s.hosts); len(text) != 0 {
		t.Errorf("known_hosts was written: %q", text)
	}
}

func TestHostKeyChanged(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	other := writeKey(t, s.path("other"), "ed25519").PublicKey()
	s.write("known_hosts", "# first\n"+knownLine(s.addr(), other))
	for range 2 {
		e := hostKeyError(t, s)
		contains(t, e.Text, ssh.FingerprintSHA256(s.keys["ed25519"].PublicKey()), ssh.FingerprintSHA256(other), s.hosts+":2")
		contains(t, e.Hint, fmt.Sprintf("ssh-keygen -R '[127.0.0.1]:%d' -f %s", s.port, s.hosts))
		s.writeConfig("StrictHostKeyChecking accept-new") // does not help
	}
}

func TestHostKeyRevoked(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	key := s.keys["ed25519"].PublicKey()
	s.write("known_hosts", knownLine(s.addr(), key)+"@revoked * "+string(ssh.MarshalAuthorizedKey(key)))
	contains(t, hostKeyError(t, s).Text, "revoked", s.hosts+":2")
}

func TestHostKeyAcceptNew(t *testing.T) {
	s := startSSHD(t, []string{"rsa", "ed25519"})
	s.write("known_hosts", "# no line end")
	s.writeConfig("StrictHostKeyChecking accept-new")
	run(t, s.mustDial(), "true")
	s.writeConfig("")
	run(t, s.mustDial(), "true")
	out, err := exec.Command("ssh-keygen", "-F", fmt.Sprintf("[127.0.0.1]:%d", s.port), "-f", s.hosts).Output()
	if err != nil || !strings.Contains(string(out), "ssh-ed25519") {
		t.Errorf("ssh-keygen finds %q, %v", out, err)
	}
}

// Of several host keys, the one that is known is asked for.
func TestHostKeySeveral(t *testing.T) {
	s := startSSHD(t, []string{"rsa", "ed25519"})
	for _, known := range []string{"rsa", "ed25519"} {
		s.know(s.addr(), known)
		run(t, s.mustDial(), "true")
	}
}

func TestHostKeyHashed(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	if out, err := exec.Command("ssh-keygen", "-H", "-f", s.hosts).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	run(t, s.mustDial(), "true")
	if text, _ := os.ReadFile(s.hosts); !strings.HasPrefix(string(text), "|1|") {
		t.Errorf("not hashed: %s", text)
	}
}

func TestHostKeyAlias(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	s.know("db-alias", "ed25519")
	hostKeyError(t, s)
	s.writeConfig("HostKeyAlias db-alias")
	run(t, s.mustDial(), "true")
}

// Lines that x/crypto cannot read must not hide those that it can.
func TestHostKeyStrangeLines(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	text, _ := os.ReadFile(s.hosts)
	s.write("known_hosts", "old ssh-dss AAAAB3NzaC1kc3MAAACBAP\nold 1024 35 1234\n* nonsense !!!\n"+string(text))
	run(t, s.mustDial(), "true")
	other := writeKey(t, s.path("other"), "ed25519").PublicKey()
	s.write("known_hosts", "* nonsense !!!\n"+knownLine(s.addr(), other))
	contains(t, hostKeyError(t, s).Text, s.hosts+":2")
}

func TestHostKeyAuthority(t *testing.T) {
	dir := t.TempDir()
	ca := writeKey(t, dir+"/ca", "ed25519")
	key := writeKey(t, dir+"/host", "ed25519")
	cert := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.HostCert, ValidPrincipals: []string{"db-alias"}, ValidBefore: ssh.CertTimeInfinity}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(dir+"/host-cert.pub", ssh.MarshalAuthorizedKey(cert), 0o600)
	s := startSSHD(t, nil, "HostKey "+dir+"/host", "HostCertificate "+dir+"/host-cert.pub")
	s.write("known_hosts", "@cert-authority db-* "+string(ssh.MarshalAuthorizedKey(ca.PublicKey())))
	s.writeConfig("HostKeyAlias db-alias")
	run(t, s.mustDial(), "true")
	s.writeConfig("HostKeyAlias db-other") // the authority did not say that name
	hostKeyError(t, s)
}
