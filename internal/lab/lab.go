// Package lab boots several hosts on one Linux machine, for tests and `make lab`.
//
// A host is a network, mount, pid, uts and ipc namespace with a root of its own,
// an sshd on port 22 of its own address, the users admin (sudo: all), dba (sudo:
// postgres) and plain (no sudo), and PostgreSQL's packages without a cluster. One
// key opens the doors of these and of postgres.
//
// Rules: a lab needs Linux and root. It shares nothing with other labs but the
// trees its hosts stand on, which are never written. All it has is under its
// directory or carries its number in its name, so that Down, in this process or
// another, finds everything; Down may be called again. A lab ends with its
// process unless it is kept: the next Up sweeps what a killed one left. Faults
// are the real thing, seen from the host's neighbors; what a namespace cannot
// show (a lost page cache, clocks apart) is not imitated.
package lab

import (
	"context"
	"crypto/ed25519"
	_ "embed"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

//go:embed init.sh
var initScript string

// keysFile is where sshd of a host finds the lab's key, for every user.
const keysFile = "/etc/ssh/lab_keys"

// maxHosts is what fits in a subnet with room for the machine's own address.
const maxHosts = 200

// Options say what lab to make.
type Options struct {
	Hosts  int      // how many
	Suites []string // Debian suites, host by host; the last one repeats; none is bookworm
	DiskMB int      // size of a disk of its own for /var/lib/postgresql; 0 is none
	Keep   bool     // the lab outlives the process
}

// Lab is a running lab.
type Lab struct {
	Dir        string  // all its files
	SSHConfig  string  // for ssh -F: the hosts by name
	KnownHosts string  // the hosts' keys
	Key        string  // the private key that opens them
	Hosts      []*Host // host1 is Hosts[0]
	Kept       bool    // it outlives the process that made it

	number int
	id     string // of this lab alone: numbers are used again
	owner  process
}

// Name is what the command calls the lab.
func (l *Lab) Name() string { return filepath.Base(l.Dir) }

// Up makes a lab and boots its hosts. It first removes labs whose process is
// gone, and builds the trees that are missing: a minute each, once.
func Up(ctx context.Context, o Options) (*Lab, error) {
	if err := usable(); err != nil {
		return nil, err
	}
	hosts, err := o.hosts(ctx)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := Sweep(ctx); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l, err := claim(ctx, o.Keep, hosts)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := l.furnish(ctx, o.DiskMB); err != nil {
		return nil, errors.Join(fmt.Errorf("lab: %w", err), l.Down(context.WithoutCancel(ctx)))
	}
	return l, nil
}

// usable says why there can be no lab here.
func usable() error {
	if runtime.GOOS != "linux" {
		return fmt.Errorf("lab: needs Linux: its hosts are namespaces; this is %s", runtime.GOOS)
	}
	if os.Geteuid() != 0 {
		return errors.New("lab: needs root, to make namespaces, bridges and mounts: run it as root or through sudo")
	}
	return nil
}

// varDir is where labs and trees are kept.
func varDir() string {
	if dir := os.Getenv("REPLTOOL_LAB_DIR"); dir != "" {
		return dir
	}
	return "/var/lib/repltool-lab"
}

// hosts are the hosts the options ask for, each with its tree.
func (o Options) hosts(ctx context.Context) ([]*Host, error) {
	if o.Hosts < 1 || o.Hosts > maxHosts {
		return nil, fmt.Errorf("%d hosts: a lab has 1 to %d", o.Hosts, maxHosts)
	}
	suites := o.Suites
	if len(suites) == 0 {
		suites = []string{"bookworm"}
	}
	var hosts []*Host
	for i := range o.Hosts {
		suite := suites[min(i, len(suites)-1)]
		major, err := version(suite)
		if err != nil {
			return nil, err
		}
		tree, err := Tree(ctx, suite, io.Discard)
		if err != nil {
			return nil, err
		}
		hosts = append(hosts, &Host{Name: fmt.Sprintf("host%d", i+1), Suite: suite, Version: major, Tree: tree, index: i + 1})
	}
	return hosts, nil
}

// furnish writes the lab's files and boots its hosts.
func (l *Lab) furnish(ctx context.Context, diskMB int) error {
	if err := place(filepath.Join(l.Dir, "init.sh"), initScript, 0o755); err != nil {
		return err
	}
	public, err := newKey(l.Key)
	if err != nil {
		return err
	}
	var config, known, names strings.Builder
	names.WriteString("127.0.0.1 localhost\n")
	for _, h := range l.Hosts {
		fmt.Fprintf(&names, "%s %s\n", h.Addr, h.Name)
	}
	for _, h := range l.Hosts {
		hostKey, err := h.furnish(public, names.String())
		if err != nil {
			return err
		}
		if diskMB > 0 {
			if err := h.makeDisk(ctx, diskMB); err != nil {
				return err
			}
		}
		fmt.Fprintf(&known, "%s,%s %s", h.Name, h.Addr, hostKey)
		fmt.Fprintf(&config, "Host %s\n  HostName %s\n  User admin\n  IdentityFile %s\n  IdentitiesOnly yes\n"+
			"  UserKnownHostsFile %s\n  StrictHostKeyChecking yes\n", h.Name, h.Addr, l.Key, l.KnownHosts)
	}
	err = errors.Join(place(l.KnownHosts, known.String(), 0o644), place(l.SSHConfig, config.String(), 0o644))
	if err != nil {
		return err
	}
	return l.each(func(h *Host) error { return h.Boot(ctx) })
}

// furnish makes the host's files: what its root has over the tree.
func (h *Host) furnish(public, names string) (hostKey string, err error) {
	for _, dir := range []string{"root", "work", "upper/etc/ssh"} {
		if err := directory(h.file(dir)); err != nil {
			return "", err
		}
	}
	for name, text := range map[string]string{"/etc/hostname": h.Name + "\n", "/etc/hosts": names, keysFile: public} {
		if err := place(h.file("upper"+name), text, 0o644); err != nil {
			return "", err
		}
	}
	return newKey(h.file("upper/etc/ssh/ssh_host_ed25519_key"))
}

// newKey writes an ed25519 key pair as ssh-keygen does and returns the public line.
func newKey(path string) (string, error) {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		return "", fmt.Errorf("make key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(private, "repltool lab")
	if err != nil {
		return "", fmt.Errorf("make key: %w", err)
	}
	pub, err := ssh.NewPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("make key: %w", err)
	}
	line := string(ssh.MarshalAuthorizedKey(pub))
	return line, errors.Join(place(path, string(pem.EncodeToMemory(block)), 0o600), place(path+".pub", line, 0o644))
}

// each does something to all hosts at once.
func (l *Lab) each(do func(*Host) error) error {
	errs := make([]error, len(l.Hosts))
	var wg sync.WaitGroup
	for i, h := range l.Hosts {
		wg.Go(func() { errs[i] = do(h) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

// Down removes the lab: processes, networks, mounts, files. What is gone already
// is no error, and a later lab of the same number is not touched. It continues past
// failures and returns them all.
func (l *Lab) Down(ctx context.Context) error {
	if now, err := open(l.Name()); errors.Is(err, os.ErrNotExist) || err == nil && now.id != l.id {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute) // what cannot be killed is not waited for
	defer cancel()
	err := l.each(func(h *Host) error {
		if err := h.Crash(ctx); err != nil {
			return err
		}
		return errors.Join(h.dropFreezer(ctx), h.dropGroup(ctx))
	})
	if err = errors.Join(err, delLink(ctx, bridge(l.number))); err != nil {
		return fmt.Errorf("%s: down: %w", l.Name(), err) // its files say what is left
	}
	// From here on another lab may have the name, so the files go under one of their own.
	gone := filepath.Join(goneDir(), l.Name()+"-"+l.id)
	err = errors.Join(directory(goneDir()), os.Rename(l.Dir, gone))
	if errors.Is(err, os.ErrNotExist) {
		return nil // another took it down meanwhile
	}
	if err == nil {
		err = removeAll(ctx, gone)
	}
	if err != nil {
		return fmt.Errorf("%s: down: %w", l.Name(), err)
	}
	return nil
}

// removeAll removes a directory into which a process that was just killed may still
// have written a last file.
func removeAll(ctx context.Context, dir string) error {
	for {
		err := os.RemoveAll(dir)
		if err == nil || !errors.Is(err, syscall.ENOTEMPTY) {
			return err
		}
		select {
		case <-time.After(100 * time.Millisecond):
		case <-ctx.Done():
			return err
		}
	}
}

// Host finds a host by its name.
func (l *Lab) Host(name string) (*Host, error) {
	i := slices.IndexFunc(l.Hosts, func(h *Host) bool { return h.Name == name })
	if i < 0 {
		return nil, fmt.Errorf("%s has no host %q: it has host1 to host%d", l.Name(), name, len(l.Hosts))
	}
	return l.Hosts[i], nil
}

// record is what a lab's directory says of it.
type record struct {
	ID    string  `json:"id"`
	Owner process `json:"owner"`
	Kept  bool    `json:"kept"`
	Hosts []*Host `json:"hosts"`
}

func (l *Lab) save() error {
	text, err := json.MarshalIndent(record{l.id, l.owner, l.Kept, l.Hosts}, "", "  ")
	if err != nil {
		return err
	}
	file := filepath.Join(l.Dir, "lab.json")
	// Others read it without the lock: they see all of it or nothing.
	return errors.Join(place(file+".new", string(text), 0o644), os.Rename(file+".new", file))
}
