#!/usr/bin/env bash
# setup.sh [generate|lab|test|kernels]: makes sure the tools are there, installing Debian's
# packages when root, else saying which are missing.
set -euo pipefail
part=${1:-all}
declare -A package=()
need() { command -v "$1" >/dev/null 2>&1 || package[$2]=1; }

command -v go >/dev/null || { echo "setup: Go 1.26 or newer is needed: https://go.dev/dl" >&2; exit 1; }
need git git
if [ "$part" = all ] || [ "$part" = generate ]; then
	need clang clang
	need llvm-strip llvm
	need ld.lld lld
fi
if [ "$part" = all ] || [ "$part" = lab ]; then
	[ "$(uname -s)" = Linux ] || { echo "setup: the lab needs Linux" >&2; exit 1; }
	need ip iproute2
	need iptables iptables
	need mount mount
	need dpkg-deb dpkg
	need apt-get apt
	ldconfig -p | grep -c 'libseccomp\.so\.2' >/dev/null || package[libseccomp2]=1
fi
if [ "$part" = all ] || [ "$part" = test ]; then
	need cc gcc
	need qemu-aarch64-static qemu-user-static
	need tmux tmux
fi
if [ "$part" = all ] || [ "$part" = kernels ]; then
	need qemu-system-x86_64 qemu-system-x86
	need qemu-system-aarch64 qemu-system-arm
	need dpkg-deb dpkg
	need apt-get apt
fi
[ ${#package[@]} -eq 0 ] && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
	echo "setup: missing packages: ${!package[*]} (as root on Debian: apt-get install ${!package[*]})" >&2
	exit 1
fi
echo "setup: installing ${!package[*]}" >&2
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${!package[@]}" >/dev/null
