#!/bin/bash
# Installs what is missing on this machine, a Debian, and nothing else.
#   setup.sh demo   PostgreSQL's server, without a cluster
#   setup.sh test   that, what the lab is made of, and the lab's bookworm tree
# It says first what it will install. It becomes root through sudo if that asks no
# password; else it prints the command to run.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

fail() {
	echo "setup: $*" >&2
	exit 1
}

have() { command -v "$1" >/dev/null; }

# missing prints the packages that mode needs and the machine lacks: judged by
# their files, so that a PostgreSQL from elsewhere in Debian's places will do.
missing() {
	compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || echo postgresql
	[ "$1" = test ] || return 0
	have sshd || echo openssh-server
	have ssh || echo openssh-client
	have sudo || echo sudo
	have iptables || echo iptables
	have ip || echo iproute2
	have debootstrap || echo debootstrap
	[ -e /usr/share/keyrings/debian-archive-keyring.gpg ] || echo debian-archive-keyring
	have mkfs.ext4 || echo e2fsprogs
	if ! have nsenter || ! have unshare; then echo util-linux; fi
	have perl || echo perl
	have haproxy || echo haproxy
	have pgbouncer || echo pgbouncer
	have cc || echo gcc
	[ -e /usr/include/stdio.h ] || echo libc6-dev
	[ -e /usr/include/postgresql/libpq-fe.h ] || echo libpq-dev
}

installed() { [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }

# install_packages PACKAGE… runs as root. While it runs nothing may be started: the
# machine gets programs, not open ports.
install_packages() {
	local guard=/usr/sbin/policy-rc.d dropin=/etc/postgresql-common/createcluster.d/repltool-setup.conf
	aside=
	if [ -e "$guard" ] || [ -L "$guard" ]; then
		aside=$guard.repltool-setup
		mv "$guard" "$aside"
	fi
	restore() {
		rm -f /usr/sbin/policy-rc.d /etc/postgresql-common/createcluster.d/repltool-setup.conf
		[ -z "$aside" ] || mv "$aside" /usr/sbin/policy-rc.d
	}
	trap restore EXIT
	trap 'exit 130' INT TERM # so that EXIT's trap runs
	printf '#!/bin/sh\nexit 101\n' >"$guard"
	chmod 755 "$guard"
	if ! installed postgresql-common; then # else its settings are somebody's
		mkdir -p "${dropin%/*}"
		echo 'create_main_cluster = false' >"$dropin"
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -q || echo "setup: apt-get update had problems; going on with what apt knows" >&2
	local -a fresh=()
	installed openssh-server || fresh+=(openssh-server:ssh)
	installed haproxy || fresh+=(haproxy:haproxy)
	installed pgbouncer || fresh+=(pgbouncer:pgbouncer)
	apt-get install -y -q --no-install-recommends "$@"
	# Nor at the next boot: tests only want the programs.
	local one
	for one in "${fresh[@]}"; do
		if installed "${one%:*}"; then update-rc.d "${one#*:}" disable; fi
	done
}

# as_root prints the words that make a command root's, or fails.
as_root() {
	[ "$(id -u)" != 0 ] || return 0
	sudo -n true 2>/dev/null || return 1
	echo sudo -n
}

# tree builds the lab's bookworm tree unless it is there. go builds the command
# as the caller; only the command itself is root's.
tree() {
	local -a root=("$@")
	local dir=${REPLTOOL_LAB_DIR:-/var/lib/repltool-lab}
	have go || fail "go is not in this PATH: $PATH"
	cd "$(dirname "$(readlink -f "$0")")/../.."
	local -a through=()
	[ ${#root[@]} = 0 ] || through=(-exec "${root[*]} env REPLTOOL_LAB_DIR=$dir")
	go run "${through[@]}" ./internal/lab/cmd/lab tree bookworm >/dev/null
}

main() {
	local mode=${1:-} words
	case $mode in
	demo | test) ;;
	install)
		shift
		install_packages "$@"
		return
		;;
	*) fail "usage: $0 demo|test" ;;
	esac
	local -a packages root
	read -ra packages <<<"$(missing "$mode" | tr '\n' ' ')"
	local dir=${REPLTOOL_LAB_DIR:-/var/lib/repltool-lab} build=no
	if [ "$mode" = test ] && ! compgen -G "$dir/trees/bookworm-*[0-9]" >/dev/null; then build=yes; fi
	if [ ${#packages[@]} -gt 0 ]; then
		have apt-get || fail "this is no Debian; install what these packages of Debian's have: ${packages[*]}"
		echo "setup: will install, with what they depend on: ${packages[*]}"
	fi
	if [ $build = yes ]; then echo "setup: will build a Debian tree for the lab's hosts in $dir/trees: about a minute, 520 MB"; fi
	if [ ${#packages[@]} = 0 ] && [ $build = no ] && [ "$mode" = demo ]; then return; fi
	if [ ${#packages[@]} = 0 ] && [ $build = no ] && [ "$(id -u)" != 0 ]; then return; fi
	words=$(as_root) || fail "this needs root, and sudo asks a password or is not there. Run: sudo env \"PATH=\$PATH\" $0 $mode"
	read -ra root <<<"$words"
	if [ ${#packages[@]} -gt 0 ]; then "${root[@]}" "$(readlink -f "$0")" install "${packages[@]}"; fi
	if [ "$mode" = test ]; then tree "${root[@]}"; fi
}

main "$@"
