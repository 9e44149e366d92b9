package ssh

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// sshd is a real server on 127.0.0.1 that lets the caller in as himself.
type sshd struct {
	t      *testing.T
	dir    string
	port   int
	client string // private key that is let in
	hosts  string // known_hosts that the client uses
	config string // ssh_config that names the server "db"
	keys   map[string]ssh.Signer
	log    *bytes.Buffer
}

// startSSHD starts a server with keys of those types and further lines of
// sshd_config.
func startSSHD(t *testing.T, keyTypes []string, extra ...string) *sshd {
	t.Helper()
	program, err := exec.LookPath("sshd")
	if err != nil {
		program = "/usr/sbin/sshd"
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatal("no sshd on this machine")
	}
	if os.Geteuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755)
	}
	s := &sshd{t: t, dir: t.TempDir(), keys: map[string]ssh.Signer{}, log: &bytes.Buffer{}}
	s.client, s.hosts, s.config = s.path("id"), s.path("known_hosts"), s.path("ssh_config")
	lines := []string{
		"PidFile none", "StrictModes no", "UsePAM no", "PasswordAuthentication no", "KbdInteractiveAuthentication no",
		"AuthorizedKeysFile " + s.path("authorized_keys"), "PermitRootLogin yes", "Subsystem sftp internal-sftp", "UseDNS no",
	}
	for _, kind := range keyTypes {
		s.keys[kind] = writeKey(t, s.path("host_"+kind), kind)
		lines = append(lines, "HostKey "+s.path("host_"+kind))
	}
	public := writeKey(t, s.client, "ed25519").PublicKey()
	s.write("authorized_keys", string(ssh.MarshalAuthorizedKey(public)))
	s.start(program, append(extra, lines...))
	s.know(s.addr(), keyTypes...)
	s.writeConfig("")
	return s
}

func (s *sshd) start(program string, lines []string) {
	s.t.Helper()
	for range 5 {
		s.port = freePort(s.t)
		config := append([]string{fmt.Sprintf("ListenAddress 127.0.0.1:%d", s.port)}, lines...)
		s.write("sshd_config", strings.Join(config, "\n")+"\n")
		cmd := exec.Command(program, "-D", "-e", "-f", s.path("sshd_config"))
		log, err := os.Create(s.path("sshd.log"))
		if err != nil {
			s.t.Fatal(err)
		}
		cmd.Stderr = log
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		s.t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait(); log.Close() })
		for range 100 {
			conn, err := net.Dial("tcp", s.addr())
			if err == nil {
				conn.Close()
				return
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	text, _ := os.ReadFile(s.path("sshd.log"))
	s.t.Fatalf("sshd does not answer: %s", text)
}

func freePort(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func writeKey(t *testing.T, path, kind string) ssh.Signer {
	t.Helper()
	var key any
	var err error
	if kind == "rsa" {
		key, err = rsa.GenerateKey(rand.Reader, 2048)
	} else {
		_, key, err = ed25519.GenerateKey(rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (s *sshd) path(name string) string { return filepath.Join(s.dir, name) }
func (s *sshd) addr() string            { return fmt.Sprintf("127.0.0.1:%d", s.port) }

func (s *sshd) write(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// know records the server's keys under a name.
func (s *sshd) know(name string, kinds ...string) {
	var text strings.Builder
	for _, kind := range kinds {
		text.WriteString(knownLine(name, s.keys[kind].PublicKey()))
	}
	s.write("known_hosts", text.String())
}

func knownLine(name string, key ssh.PublicKey) string {
	h, p, err := net.SplitHostPort(name)
	if err == nil {
		name = fmt.Sprintf("[%s]:%s", h, p)
	}
	return name + " " + string(ssh.MarshalAuthorizedKey(key))
}

// writeConfig writes an ssh_config with further lines for the host.
func (s *sshd) writeConfig(extra string) {
	s.write("ssh_config", fmt.Sprintf(`Host db
  HostName 127.0.0.1
  Port %d
  IdentityFile %s
  IdentityAgent none
  UserKnownHostsFile %s
  GlobalKnownHostsFile /dev/null
  %s
`, s.port, s.client, s.hosts, strings.ReplaceAll(extra, "\n", "\n  ")))
}

func (s *sshd) node() *topology.Node {
	return &topology.Node{Name: "pg1", Host: "db", OSUser: localUser()}
}

func (s *sshd) dial() (host.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return Dial(ctx, s.node(), Options{ConfigFile: s.config})
}

func (s *sshd) mustDial() host.Conn {
	s.t.Helper()
	c, err := s.dial()
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { c.Close() })
	return c
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
