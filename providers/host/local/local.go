// Package local reaches this machine, without SSH.
//
// Rules:
//   - a caller who is root becomes the OS user for each program, file and socket;
//     any other caller is the OS user, and asking for another one is refused;
//   - a program sees nothing of the caller's PG* variables, stands in / and is
//     ended with all its children when it is canceled;
//   - root is asked for by sudo -n where the caller is not root.
package local

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/repltool/repltool/facts"
	"github.com/repltool/repltool/providers/host"
	"github.com/repltool/repltool/topology"
)

// account is an OS user.
type account struct {
	name   string
	home   string
	uid    uint32
	gid    uint32
	groups []uint32
}

// conn is a host.Conn to this machine.
type conn struct {
	node string
	as   account
	// other: as is not the caller, who is root then.
	other bool
}

// Open returns a connection to this machine. Without os_user it is the caller, or
// for root the owner of the data directory, or else postgres.
func Open(node *topology.Node) (host.Conn, error) {
	c, err := open(node, uint32(os.Geteuid()))
	if err != nil {
		return nil, err
	}
	return c, nil
}

func open(node *topology.Node, caller uint32) (*conn, error) {
	name := node.OSUser
	if name == "" && caller == 0 {
		name = ownerOf(node.DataDir)
	}
	if name == "" {
		name = strconv.Itoa(int(caller))
	}
	as, err := lookup(name)
	if err != nil {
		return nil, &host.Error{
			Kind: facts.NoPrivilege, Node: node.Name, Op: "become " + name, Err: err,
			Hint: "Install PostgreSQL, which creates the user, or set os_user.",
		}
	}
	if as.uid != caller && caller != 0 {
		return nil, &host.Error{
			Kind: facts.NoPrivilege, Node: node.Name, Op: "become " + as.name,
			Err:  errors.New("only root can become another user on this host"),
			Hint: fmt.Sprintf("Run repltool as %s or as root:\n  sudo -u %s repltool …", as.name, as.name),
		}
	}
	return &conn{node: node.Name, as: as, other: as.uid != caller}, nil
}

// ownerOf returns who owns the data directory or, where it is still to be made,
// postgres.
func ownerOf(dir string) string {
	if dir != "" {
		if info, err := os.Stat(dir); err == nil {
			if stat, ok := info.Sys().(*syscall.Stat_t); ok && stat.Uid != 0 {
				return strconv.Itoa(int(stat.Uid))
			}
		}
	}
	return "postgres"
}

// lookup finds a user by name or number. A number without a name is one, too: that
// is what a container's user may be.
func lookup(name string) (account, error) {
	u, err := user.Lookup(name)
	if err != nil {
		u, err = user.LookupId(name)
	}
	if err != nil {
		if id, e := strconv.ParseUint(name, 10, 32); e == nil && int(id) == os.Geteuid() {
			return account{name: name, home: "/", uid: uint32(id), gid: uint32(os.Getegid())}, nil
		}
		return account{}, fmt.Errorf("no such user: %w", err)
	}
	return accountOf(u)
}

func accountOf(u *user.User) (account, error) {
	a := account{name: u.Username, home: u.HomeDir}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err, err2); err != nil {
		return a, err
	}
	a.uid, a.gid = uint32(uid), uint32(gid)
	ids, err := u.GroupIds()
	if err != nil {
		return a, fmt.Errorf("groups of %s: %w", u.Username, err)
	}
	for _, id := range ids {
		if n, err := strconv.ParseUint(id, 10, 32); err == nil {
			a.groups = append(a.groups, uint32(n))
		}
	}
	return a, nil
}

// OSUser is the user that commands run as.
func (c *conn) OSUser() string { return c.as.name }

// Lost is nil: this machine is not lost.
func (c *conn) Lost() <-chan struct{} { return nil }

// Close does nothing: there is nothing open between two calls.
func (c *conn) Close() error { return nil }

// home returns a directory that exists, for programs that want one.
func (a account) homeDir() string {
	if filepath.IsAbs(a.home) {
		return a.home
	}
	return "/"
}
