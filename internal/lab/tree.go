package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
)

// recipe is raised when a tree is built differently: old trees are then left
// alone (a lab may stand on them) and new ones are built beside them.
const recipe = "1"

// version is the PostgreSQL of a Debian suite.
func version(suite string) (int, error) {
	plain, layer := parts(suite)
	if layer != "" && len(packages(layer, 0)) == 0 {
		return 0, fmt.Errorf("suite %q: the lab knows the layers +systemd and +repmgr", suite)
	}
	switch plain {
	case "bullseye":
		return 13, nil
	case "bookworm":
		return 15, nil
	case "trixie":
		return 17, nil
	case "forky":
		return 18, nil
	}
	return 0, fmt.Errorf("suite %q: the lab knows bullseye, bookworm, trixie and forky, each also with +systemd or +repmgr", suite)
}

// Tree returns the directory of a suite's root file system, or two of them with a
// colon between: a layer and what it lies on, as overlay's lowerdir takes them. What
// is not there is built, which takes about a minute; progress gets a line a step.
func Tree(ctx context.Context, suite string, progress io.Writer) (string, error) {
	if err := usable(); err != nil {
		return "", err
	}
	major, err := version(suite)
	if err != nil {
		return "", err
	}
	b := build{suite: suite, major: major, progress: progress}
	if plain, layer := parts(suite); layer != "" {
		if b.base, err = Tree(ctx, plain, progress); err != nil {
			return "", err
		}
	}
	trees := filepath.Join(varDir(), "trees")
	unlock, err := lock(ctx, filepath.Join(trees, suite+".lock"))
	if err != nil {
		return "", fmt.Errorf("tree %s: %w", suite, err)
	}
	defer unlock()
	dir := filepath.Join(trees, suite+"-"+recipe)
	if _, err := os.Stat(dir); err == nil {
		return b.lower(dir), nil
	}
	b.dir = dir + ".new" // built aside and renamed: a tree that has its name is whole
	if err := b.run(ctx); err != nil {
		return "", fmt.Errorf("tree %s: %w", suite, err)
	}
	if err := os.Rename(b.dir, dir); err != nil {
		return "", fmt.Errorf("tree %s: %w", suite, err)
	}
	return b.lower(dir), nil
}

// build is a tree in the making.
type build struct {
	suite    string
	major    int
	dir      string
	base     string // the tree that a layer lies on; "" for a whole tree
	progress io.Writer
}

func (b build) run(ctx context.Context) error {
	if err := os.RemoveAll(b.dir); err != nil {
		return err
	}
	type step struct {
		name string
		do   func(context.Context) error
	}
	steps := []step{
		{"debootstrap", b.debootstrap},
		{"postgresql", b.postgresql},
		{"accounts", b.accounts},
		{"clean", b.clean},
	}
	if b.base != "" {
		steps = []step{{"packages", b.layer}}
	}
	for _, step := range steps {
		fmt.Fprintf(b.progress, "lab: tree %s: %s\n", b.suite, step.name)
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
	}
	return nil
}

func (b build) debootstrap(ctx context.Context) error {
	mirror, err := mirror(ctx)
	if err != nil {
		return err
	}
	argv := []string{
		// Alone, so that its mounts and programs end with it however it ends.
		"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc",
		tool("debootstrap"), "--variant=minbase", "--keyring=/usr/share/keyrings/debian-archive-keyring.gpg",
		"--include=openssh-server,sudo,iproute2,procps,ca-certificates", b.suite, b.dir, mirror,
	}
	// debootstrap learns of a suite late; all since sid's last change are built alike.
	if _, err := os.Stat("/usr/share/debootstrap/scripts/" + b.suite); err != nil {
		argv = append(argv, "sid")
	}
	return b.sh(ctx, argv...)
}

// mirror is the Debian archive this machine's apt uses.
func mirror(ctx context.Context) (string, error) {
	out, err := run(ctx, "", "apt-get", "indextargets", "--format", "$(LABEL) $(REPO_URI)")
	if err != nil {
		return "", fmt.Errorf("ask apt for its archives: %w", err)
	}
	for target := range strings.Lines(out) {
		if uri, ok := strings.CutPrefix(strings.TrimSpace(target), "Debian "); ok {
			return uri, nil
		}
	}
	return "", errors.New("apt knows no archive of Debian's own: has apt-get update been run?")
}

// postgresql installs the server's packages, without a cluster and without
// starting anything.
func (b build) postgresql(ctx context.Context) error {
	policy := filepath.Join(b.dir, "usr/sbin/policy-rc.d")
	dropIn := filepath.Join(b.dir, "etc/postgresql-common/createcluster.d/no-main.conf")
	if err := place(policy, "#!/bin/sh\nexit 101\n", 0o755); err != nil {
		return err
	}
	if err := place(dropIn, "create_main_cluster = false\n", 0o644); err != nil {
		return err
	}
	err := b.chroot(ctx, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y",
		"--no-install-recommends", "postgresql-"+strconv.Itoa(b.major))
	if err != nil {
		return err
	}
	if _, err := os.Stat(filepath.Join(b.dir, "etc/postgresql", strconv.Itoa(b.major))); err == nil {
		return fmt.Errorf("the package made a cluster in spite of create_main_cluster = false")
	}
	for _, f := range []string{policy, dropIn} {
		if err := os.Remove(f); err != nil {
			return err
		}
	}
	return nil
}

// accounts makes the users a person may have on a server: admin, who may do
// everything, dba, who may become postgres, and plain, who may do nothing. One
// file holds their keys: it is written for each lab, outside the homes.
func (b build) accounts(ctx context.Context) error {
	for i, user := range []string{"admin", "dba", "plain"} {
		if err := b.chroot(ctx, "useradd", "-m", "-u", strconv.Itoa(2000+i), "-s", "/bin/bash", user); err != nil {
			return err
		}
	}
	rules := "admin ALL=(ALL:ALL) NOPASSWD: ALL\ndba ALL=(postgres) NOPASSWD: ALL\n"
	if err := place(filepath.Join(b.dir, "etc/sudoers.d/lab"), rules, 0o440); err != nil {
		return err
	}
	// Tests open many connections at once; sshd's own limit would refuse some at random.
	sshd := "AuthorizedKeysFile .ssh/authorized_keys " + keysFile + "\nPasswordAuthentication no\nMaxStartups 200\n"
	return place(filepath.Join(b.dir, "etc/ssh/sshd_config.d/lab.conf"), sshd, 0o644)
}

// clean removes what a fresh host does not have: package lists, host keys (each
// host gets its own), the machine's resolver.
func (b build) clean(ctx context.Context) error {
	if err := b.chroot(ctx, "apt-get", "clean"); err != nil {
		return err
	}
	for _, glob := range []string{"var/lib/apt/lists/*", "etc/ssh/ssh_host_*", "etc/resolv.conf", "etc/hostname", "var/log/postgresql/*"} {
		found, err := filepath.Glob(filepath.Join(b.dir, glob))
		if err != nil {
			return err
		}
		for _, f := range found {
			if err := os.RemoveAll(f); err != nil {
				return err
			}
		}
	}
	return nil
}

// chroot runs a program in the tree. It has /proc: some packages' scripts fail without.
func (b build) chroot(ctx context.Context, argv ...string) error {
	return b.sh(ctx, append([]string{
		"unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc=" + filepath.Join(b.dir, "proc"),
		"chroot", b.dir, "/usr/bin/env", "LC_ALL=C.UTF-8",
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	}, argv...)...)
}

// sh runs a program; an error has the last lines it printed, wherever to.
func (b build) sh(ctx context.Context, argv ...string) error {
	var last tail
	cmd := exec.CommandContext(ctx, "/bin/sh", append([]string{"-c", `umask 022; exec "$@"`, "sh", tool(argv[0])}, argv[1:]...)...)
	cmd.Env = environment()
	cmd.Stdout, cmd.Stderr = &last, &last
	cmd.SysProcAttr = mortal()
	runtime.LockOSThread() // the thread is its parent
	defer runtime.UnlockOSThread()
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w: …%s", path.Base(argv[0]), err, strings.TrimSpace(string(last)))
	}
	return nil
}

// tail keeps the end of what is written to it.
type tail string

func (t *tail) Write(p []byte) (int, error) {
	const keep = 2000
	all := string(*t) + string(p)
	*t = tail(all[max(0, len(all)-keep):])
	return len(p), nil
}
