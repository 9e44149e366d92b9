package lab

import (
	"context"
	"path/filepath"
	"strconv"
	"strings"
)

// A suite NAME+LAYER is the plain one with more packages, in a layer on its tree.

// parts parts a suite's name; layer is "" for a plain one.
func parts(suite string) (plain, layer string) {
	plain, layer, _ = strings.Cut(suite, "+")
	return plain, layer
}

// packages are those of a layer; none for one that is not known.
func packages(layer string, major int) []string {
	switch layer {
	case "systemd":
		return []string{"systemd", "systemd-sysv", "dbus"}
	case "repmgr":
		return []string{"repmgr", "postgresql-" + strconv.Itoa(major) + "-repmgr"}
	}
	return nil
}

// layer installs the layer's packages on base; what changes lies in b.dir/upper.
func (b build) layer(ctx context.Context) error {
	for _, dir := range []string{"upper", "work", "root"} {
		if err := directory(filepath.Join(b.dir, dir)); err != nil {
			return err
		}
	}
	const script = `set -eu
cd "$1"
mount --make-rprivate /
mount -t overlay -o "lowerdir=$2,upperdir=upper,workdir=work" layer root
shift 2
mount -t proc proc root/proc
cp /etc/resolv.conf root/etc/resolv.conf
printf '#!/bin/sh\nexit 101\n' >root/usr/sbin/policy-rc.d
chmod 755 root/usr/sbin/policy-rc.d
chroot root apt-get update -q
chroot root apt-get install -y -q --no-install-recommends "$@"
chroot root apt-get clean
rm -rf root/usr/sbin/policy-rc.d root/etc/resolv.conf root/var/lib/apt/lists/*`
	_, name := parts(b.suite)
	argv := []string{
		"unshare", "--mount", "--pid", "--fork", "--kill-child",
		"env", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive", "sh", "-c", script, "sh", b.dir, b.base,
	}
	return b.sh(ctx, append(argv, packages(name, b.major)...)...)
}

// lower is what an overlay stands on: the layer, then the plain tree.
func (b build) lower(dir string) string {
	if b.base == "" {
		return dir
	}
	return filepath.Join(dir, "upper") + ":" + b.base
}
