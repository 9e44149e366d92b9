package ssh

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

func TestJump(t *testing.T) {
	first, second, db := startSSHD(t, []string{"ed25519"}), startSSHD(t, []string{"ed25519"}), startSSHD(t, []string{"rsa", "ed25519"})
	config := func(jumpOfFirst, jumpOfDB string) string {
		text := fmt.Sprintf("Host *\n  IdentityAgent none\n  GlobalKnownHostsFile /dev/null\n"+
			"Host one\n  HostName 127.0.0.1\n  Port %d\n  IdentityFile %s\n  UserKnownHostsFile %s\n%s"+
			"Host two\n  HostName 127.0.0.1\n  Port %d\n  IdentityFile %s\n  UserKnownHostsFile %s\n  ProxyJump nowhere\n"+
			"Host db\n  HostName localhost\n  Port %d\n  IdentityFile %s\n  UserKnownHostsFile %s\n  ProxyJump %s\n",
			first.port, first.client, first.hosts, jumpOfFirst, second.port, second.client, second.hosts, db.port, db.client, db.hosts, jumpOfDB)
		db.write("ssh_config", text)
		return db.config
	}
	db.know(fmt.Sprintf("localhost:%d", db.port), "rsa")
	config("", "one,two")
	c := db.mustDial()
	run(t, c, "true")
	if n := len(c.(*conn).chain.hops); n != 2 {
		t.Errorf("%d hops", n)
	}
	first.write("known_hosts", "")
	_, err := db.dial()
	if e := host.ReadError(err); e == nil || e.Kind != facts.HostKey {
		t.Errorf("an unknown jump host: %v", err)
	}
	first.know(first.addr(), "ed25519")
	config("  ProxyJump db\n", "one")
	_, err = db.dial()
	if e := host.ReadError(err); e == nil || e.Kind != facts.Unreachable {
		t.Errorf("a circle: %v", err)
	}
}

// The topology's own values win over the configuration.
func TestTopologyWins(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	s.write("ssh_config", "Host *\n  User nobody\n  Port 1\n  IdentityFile /none\n  ProxyJump nowhere\n  UserKnownHostsFile /dev/null\n")
	node := &topology.Node{Name: "pg1", Host: "127.0.0.1", OSUser: localUser(), SSH: topology.SSH{
		User: localUser(), Port: s.port, IdentityFile: s.client, ProxyJump: "none", KnownHosts: s.hosts, HostKeyChecking: "yes",
	}}
	c, err := Dial(t.Context(), node, Options{ConfigFile: s.config})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	run(t, c, "true")
}

// A server above MaxStartups drops connections before it says anything.
func TestDropsAreTransient(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var dials atomic.Int32
	behind := s.addr()
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			if dials.Add(1) <= 3 {
				conn.Close()
				continue
			}
			go join(conn, behind)
		}
	}()
	s.know(l.Addr().String(), "ed25519")
	s.port = l.Addr().(*net.TCPAddr).Port
	s.writeConfig("")
	run(t, s.mustDial(), "true")
	if dials.Load() != 4 {
		t.Errorf("%d dials", dials.Load())
	}
}

func join(a net.Conn, addr string) {
	b, err := net.Dial("tcp", addr)
	if err != nil {
		a.Close()
		return
	}
	go func() { io.Copy(a, b); a.Close() }()
	io.Copy(b, a)
	b.Close()
}

func TestUnreachable(t *testing.T) {
	s := startSSHD(t, []string{"ed25519"})
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tc := range []struct {
		port int
		kind facts.ErrorKind
	}{{freePort(t), facts.Unreachable}, {silent.Addr().(*net.TCPAddr).Port, facts.TimedOut}} {
		s.port = tc.port
		s.writeConfig("ConnectTimeout 1")
		begin := time.Now()
		_, err := s.dial()
		e := host.ReadError(err)
		if e == nil || e.Kind != tc.kind || time.Since(begin) > 15*time.Second {
			t.Errorf("after %s: %+v", time.Since(begin), e)
		}
	}
	s.writeConfig("ProxyCommand nc %h %p")
	_, err = s.dial()
	contains(t, fmt.Sprint(err), "ProxyCommand is not supported yet")
	_, err = Dial(context.Background(), &topology.Node{Name: "pg1", Host: "-oProxyCommand=x"}, Options{})
	contains(t, fmt.Sprint(err), "not a host name")
}

// A host that stands still answers nothing, and its kernel still takes what is sent.
func TestKeepAlive(t *testing.T) {
	t.Parallel()
	s := startSSHD(t, []string{"ed25519"})
	c := s.mustDial()
	begin := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), 40*time.Second)
	defer cancel()
	// The sshd process of this connection is the parent of its programs.
	_, err := c.Run(ctx, host.Command{Argv: []string{"sh", "-c", "kill -STOP $(ps -o ppid= -p $PPID); sleep 35"}})
	if e := host.ReadError(err); e == nil || e.Kind != facts.Unreachable || time.Since(begin) > 33*time.Second {
		t.Errorf("after %s: %v", time.Since(begin), err)
	}
}
