package ssh

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
)

func refusedLogin(t *testing.T, s *sshd) *facts.ReadError {
	t.Helper()
	_, err := s.dial()
	e := host.ReadError(err)
	if e == nil || e.Kind != facts.AuthFailed {
		t.Fatalf("got %v", err)
	}
	return e
}

func TestWrongKey(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	wrong := writeKey(t, s.client, "ed25519")
	contains(t, refusedLogin(t, s).Hint, s.client, ssh.FingerprintSHA256(wrong.PublicKey()))
	os.Remove(s.client)
	contains(t, refusedLogin(t, s).Hint, "No key", s.client)
	os.WriteFile(s.client, []byte("no key at all"), 0o600)
	contains(t, refusedLogin(t, s).Hint, "Not used", s.client)
}

// lockedKey writes an encrypted key and lets its owner in.
func lockedKey(t *testing.T, s *sshd) ed25519.PrivateKey {
	t.Helper()
	public, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte("passphrase"))
	if err != nil {
		t.Fatal(err)
	}
	os.WriteFile(s.client, pem.EncodeToMemory(block), 0o600)
	p, _ := ssh.NewPublicKey(public)
	s.write("authorized_keys", string(ssh.MarshalAuthorizedKey(p)))
	return key
}

func TestEncryptedKey(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	key := lockedKey(t, s)
	contains(t, refusedLogin(t, s).Hint, "ssh-add "+s.client)
	s.writeConfig("")
	text, _ := os.ReadFile(s.config)
	socket := startAgent(t, key)
	for _, only := range []string{"IdentitiesOnly yes", "IdentitiesOnly no"} {
		s.write("ssh_config", "Host *\n IdentityAgent "+socket+"\n "+only+"\n"+string(text))
		run(t, s.mustDial(), "true")
	}
}

// startAgent serves keys as ssh-agent does, ten others among them.
func startAgent(t *testing.T, keys ...ed25519.PrivateKey) string {
	t.Helper()
	ring := agent.NewKeyring()
	for range 10 {
		_, other, _ := ed25519.GenerateKey(rand.Reader)
		ring.Add(agent.AddedKey{PrivateKey: other})
	}
	for _, key := range keys {
		if err := ring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("/tmp", "rt")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go agent.ServeAgent(ring, conn)
		}
	}()
	return socket
}

func TestCertificate(t *testing.T) {
	dir := t.TempDir()
	ca := writeKey(t, dir+"/ca", "ed25519")
	os.WriteFile(dir+"/ca.pub", ssh.MarshalAuthorizedKey(ca.PublicKey()), 0o600)
	s := startSSHD(t, []string{"ed25519"}, "TrustedUserCAKeys "+dir+"/ca.pub")
	key := writeKey(t, s.client, "ed25519") // the server does not know it
	refusedLogin(t, s)
	cert := &ssh.Certificate{Key: key.PublicKey(), CertType: ssh.UserCert, ValidPrincipals: []string{localUser()}, ValidBefore: ssh.CertTimeInfinity}
	cert.Permissions.Extensions = map[string]string{"permit-pty": ""}
	if err := cert.SignCert(rand.Reader, ca); err != nil {
		t.Fatal(err)
	}
	os.WriteFile(s.client+"-cert.pub", ssh.MarshalAuthorizedKey(cert), 0o600)
	run(t, s.mustDial(), "true")
	os.Rename(s.client+"-cert.pub", s.path("elsewhere"))
	s.writeConfig("CertificateFile " + s.path("elsewhere"))
	run(t, s.mustDial(), "true")
}
