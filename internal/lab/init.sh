#!/bin/bash
# A lab host's pid 1, in two acts of one process.
#   init.sh enter NAME FILES TREE   in new namespaces: makes the host's root and moves into it
#   init.sh group DIR enter …       the same in a control group of its own: systemd will be the host's init
#   init.sh serve                   in that root: is the host's init until TERM (or until it is killed)

# devices fills the host's /dev: the few nodes a server needs, and none of the machine's disks.
devices() {
	local dev=$1 node
	mount -t tmpfs -o mode=755,size=1m dev "$dev"
	for node in null:3 zero:5 full:7 random:8 urandom:9; do
		mknod -m 666 "$dev/${node%:*}" c 1 "${node#*:}"
	done
	mknod -m 666 "$dev/tty" c 5 0
	mkdir "$dev/pts" "$dev/shm"
	mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts "$dev/pts"
	mount -t tmpfs -o mode=1777 shm "$dev/shm"
	ln -s pts/ptmx "$dev/ptmx"
	ln -s /proc/self/fd "$dev/fd"
	ln -s fd/0 "$dev/stdin"
	ln -s fd/1 "$dev/stdout"
	ln -s fd/2 "$dev/stderr"
}

group() {
	set -eu
	mkdir -p "$1"
	echo 0 >"$1/cgroup.procs" # this process
	shift
	export LAB_SYSTEMD=yes
	exec unshare --cgroup /bin/bash "$0" "$@"
}

enter() {
	set -eu
	umask 022
	PATH=$PATH:/usr/sbin:/sbin
	local name=$1 files=$2 tree=$3 root=$2/root
	mount --make-rprivate / # nothing mounted here may be seen outside
	mount -t overlay -o "lowerdir=$tree,upperdir=$files/upper,workdir=$files/work" "$name" "$root"
	mount -t proc proc "$root/proc"
	mount -t sysfs -o ro sysfs "$root/sys"
	mount -t tmpfs -o mode=755,size=64m run "$root/run"
	mount -t tmpfs -o mode=1777,size=1g tmp "$root/tmp"
	devices "$root/dev"
	local init=(/bin/bash /run/lab-init serve)
	if [ -n "${LAB_SYSTEMD:-}" ]; then
		mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
		init=(container=lab /lib/systemd/systemd)
	fi
	if [ -e "$files/disk.img" ]; then
		mount -o loop "$files/disk.img" "$root/var/lib/postgresql"
	fi
	hostname "$name"
	mkdir "$root/run/machine"
	cp "$0" "$root/run/lab-init"
	cd "$root"
	pivot_root . run/machine
	umount -l /run/machine
	rmdir /run/machine
	exec chroot . /usr/bin/env -i HOME=/root LANG=C.UTF-8 \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
		"${init[@]}"
}

shutdown() {
	trap '' TERM
	/etc/init.d/postgresql stop
	exit 0 # the kernel ends what is left when pid 1 ends
}

serve() {
	trap shutdown TERM
	trap '' INT HUP
	install -d -m 755 /run/sshd /run/lock
	install -d -m 2775 -o postgres -g postgres /run/postgresql
	if mountpoint -q /var/lib/postgresql; then # a new file system is root's
		chown postgres:postgres /var/lib/postgresql
		rmdir /var/lib/postgresql/lost+found 2>/dev/null
	fi
	/usr/sbin/sshd || exit 1
	/etc/init.d/postgresql start # as at Debian's boot: the clusters whose start.conf says auto
	while :; do                  # a builtin wait lets the trap run at once
		sleep infinity &
		wait $!
	done
}

"$@"
