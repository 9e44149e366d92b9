package lab

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// A suite NAME+systemd boots the real systemd as pid 1, for what is true only
// there: units, and processes that belong to them. Its tree is a layer on the plain
// one. The host has a control group of its own, in a control group namespace.

// withSystemd parts a suite's name.
func withSystemd(suite string) (plain string, systemd bool) {
	return strings.CutSuffix(suite, "+systemd")
}

func (h *Host) systemd() bool {
	_, yes := withSystemd(h.Suite)
	return yes
}

// shutdown is the signal that tells pid 1 to stop the host in order: systemd's is
// SIGRTMIN+4.
func (h *Host) shutdown() syscall.Signal {
	if h.systemd() {
		return 38
	}
	return syscall.SIGTERM
}

// systemdLayer installs systemd on base; what changes lies in b.dir/upper.
func (b build) systemdLayer(ctx context.Context) error {
	for _, dir := range []string{"upper", "work", "root"} {
		if err := directory(filepath.Join(b.dir, dir)); err != nil {
			return err
		}
	}
	const script = `set -eu
cd "$1"
mount --make-rprivate /
mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" layer root
mount -t proc proc root/proc
cp /etc/resolv.conf root/etc/resolv.conf
printf '#!/bin/sh\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
chroot root apt-get update -q
chroot root apt-get install -y -q --no-install-recommends systemd systemd-sysv dbus
chroot root apt-get clean
rm -rf root/usr/sbin/policy-rc.d root/etc/resolv.conf root/var/lib/apt/lists/*`
	return b.sh(ctx, "unshare", "--mount", "--pid", "--fork", "--kill-child",
		"env", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", script, "sh", b.dir, b.base)
}

// lower is what an overlay stands on: the layer, then the plain tree.
func (b build) lower(dir string) string {
	if b.base == "" {
		return dir
	}
	return filepath.Join(dir, "upper") + ":" + b.base
}

// group is the host's control group; systemd makes those of its units below it.
func (h *Host) group() string {
	root := "/sys/fs/cgroup"
	if !exists(filepath.Join(root, "cgroup.procs")) {
		root = filepath.Join(root, "unified")
	}
	return filepath.Join(root, "repltool-lab-systemd", h.netns())
}

// dropGroup removes the control groups of a host that is down.
func (h *Host) dropGroup(ctx context.Context) error {
	dir := h.group()
	if !h.systemd() || !exists(dir) {
		return nil
	}
	err := poll(ctx, func() bool {
		var dirs []string
		_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, d := range slices.Backward(dirs) {
			_ = os.Remove(d)
		}
		return !exists(dir)
	})
	if err != nil {
		return fmt.Errorf("remove control group %s: %w", dir, err)
	}
	_ = os.Remove(filepath.Dir(dir)) // the last one out
	return nil
}
